package node_test

import (
	"slices"
	"sync"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func TestDeletedNodeIsGoneAndItsHistoryStays(t *testing.T) {
	w, r := newWorld(t), &radio{}
	w.tune(r)
	home := w.createPool(t, "home", 1)
	d := newDevice(t)
	req := d.request(t, w.token(t, node.Token{NodeName: "pi-1", PoolNo: &home.No}), wire.Inventory{SerialHash: board("b1")})
	resp := w.enroll(t, req)
	root, err := proof.RootFrom(d.private, resp.X25519Public, req.Token, proof.EnrollTranscript(req, resp))
	if err != nil {
		t.Fatal(err)
	}
	password := []byte(root.Derive().MQTTPassword)
	no, epoch, err := w.Authenticate(t.Context(), resp.NodeID, password)
	if err != nil {
		t.Fatal(err)
	}
	w.connect(t, no)
	again := w.token(t, node.Token{NodeNo: &no})

	wantFault(t, w.Delete(t.Context(), operator, resp.NodeID, []int64{98, 99}), fault.ChangedMeanwhile)
	if err := w.Delete(t.Context(), operator, resp.NodeID, nil); err != nil {
		t.Fatal(err)
	}
	w.wantRecorded(t, resp.NodeID, "node.delete", "deleted")
	if !slices.Equal(r.closed, []string{resp.NodeID}) {
		t.Errorf("closed the connections of %v", r.closed)
	}
	_, _, err = w.Authenticate(t.Context(), resp.NodeID, password)
	wantFault(t, err, fault.BadCredentials)
	if _, _, err := node.NewPresence(w.pool, nil).Connected(t.Context(), no, epoch); err == nil {
		t.Error("a login that was checked before the deletion came online after it")
	}
	_, err = w.Get(t.Context(), resp.NodeID)
	wantFault(t, err, fault.NodeNotFound)
	_, err = w.Start(t.Context(), operator, resp.NodeID)
	wantFault(t, err, fault.NodeNotFound)
	wantFault(t, w.Delete(t.Context(), operator, resp.NodeID, nil), fault.NodeNotFound)
	if _, total, _, err := w.List(t.Context(), node.Filter{Limit: 10}); err != nil || total != 0 {
		t.Errorf("%d nodes are listed, %v", total, err)
	}
	_, err = w.Enroll(t.Context(), newDevice(t).request(t, again, wire.Inventory{SerialHash: board("b1")}))
	wantFault(t, err, fault.BadEnrolmentToken)
	late := w.token(t, node.Token{NodeNo: &no}) // made by whoever did not know yet
	_, err = w.Enroll(t.Context(), newDevice(t).request(t, late, wire.Inventory{}))
	wantFault(t, err, fault.BadEnrolmentToken)
	for what, sql := range map[string]string{
		"keys":        "SELECT count(*) FROM node_key WHERE node_no = $1",
		"presence":    "SELECT count(*) FROM node_presence WHERE node_no = $1",
		"memberships": "SELECT count(*) FROM pool_membership WHERE node_no = $1 AND to_at IS NOT NULL",
		"states":      "SELECT count(*) - 1 FROM node_state WHERE node_no = $1",
	} {
		if n := w.count(t, sql, no); n != 1 {
			t.Errorf("%s: %d rows of history, want 1", what, n)
		}
	}

	// Name, place and board are free: the machine may come back as a new node.
	second, enrolment := w.create(t, node.New{Name: "pi-1", PoolID: "pool_home"})
	back := w.enroll(t, newDevice(t).request(t, enrolment.Token, wire.Inventory{SerialHash: board("b1")}))
	if back.NodeID != second.ID || back.NodeID == resp.NodeID {
		t.Errorf("came back as %s, want %s", back.NodeID, second.ID)
	}
}

func TestConnectionOfANodeThatAnotherCoordinatorDeletedIsClosed(t *testing.T) {
	w, r := newWorld(t), &radio{}
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	if err := w.Delete(t.Context(), operator, id, nil); err != nil {
		t.Fatal(err)
	}
	w.tune(r)
	if err := w.RunOnce(t.Context()); err != nil || !slices.Equal(r.closed, []string{id}) {
		t.Errorf("closed %v, %v", r.closed, err)
	}
}

func TestNoNodeIsDeletedWhileMoneyIsOnItsWay(t *testing.T) {
	w := newWorld(t)
	no, id := w.enrolled(t, "pi")
	const insert = `INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, created_at, updated_at)
		VALUES ('payout_1', $1, 100, 1, 99, 'T', now(), now())`
	if _, err := w.pool.Exec(t.Context(), insert, no); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"pending", "processing"} {
		if _, err := w.pool.Exec(t.Context(), "UPDATE payout SET status = $1", step); err != nil {
			t.Fatal(err)
		}
		wantFault(t, w.Delete(t.Context(), operator, id, nil), fault.StateNotAllowed)
	}
	if n := w.get(t, id); n.Status != node.Starting {
		t.Errorf("what was refused left the node %s", n.Status)
	}
	if _, err := w.pool.Exec(t.Context(), "UPDATE payout SET status = 'failed', error_message = 'no'"); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), operator, id, nil); err != nil {
		t.Error(err)
	}
}

func TestNoNodeIsDeletedWhileItsLedgerIsInFlight(t *testing.T) {
	w := newWorld(t)
	_, id := w.enrolled(t, "pi-1")
	w.post(t, ledger.Accrue("e1", w.clock, "pool_home", []ledger.Share{{NodeID: id, Amount: ledger.USDT(20)}}, 0))
	w.post(t, ledger.Reserve("p1", w.clock, id, ledger.USDT(19), ledger.USDT(1)))
	wantFault(t, w.Delete(t.Context(), operator, id, nil), fault.StateNotAllowed)
	w.post(t, ledger.Void("p1", w.clock, id, ledger.USDT(19), ledger.USDT(1)))
	if err := w.Delete(t.Context(), operator, id, nil); err != nil {
		t.Error(err) // what is payable stays its owner's
	}
}

func (w *world) post(t *testing.T, e ledger.Entry) {
	t.Helper()
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		_, err := ledger.Post(t.Context(), tx, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeleteDuringStart runs both at once, many times: whichever is first, the
// node ends deleted, with nothing of it waiting.
func TestDeleteDuringStart(t *testing.T) {
	w := newWorld(t)
	w.Send = func(string, *wire.Command) error { return nil }
	w.createPool(t, "home", 100)
	for range 20 {
		n, enrolment := w.create(t, node.New{Name: "pi-1", PoolID: "pool_home"})
		w.enroll(t, newDevice(t).request(t, enrolment.Token, wire.Inventory{}))
		no := int32(w.count(t, "SELECT node_no FROM node WHERE node_id = $1", n.ID))
		w.connect(t, no)
		if _, err := w.Update(t.Context(), operator, n.ID, node.Update{Status: pointer(node.Inactive)}); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := w.Start(t.Context(), operator, n.ID); err != nil && !fault.Has(err, fault.NodeNotFound) {
				t.Errorf("start: %v", err)
			}
		})
		both.Go(func() {
			if err := w.Delete(t.Context(), operator, n.ID, nil); err != nil {
				t.Errorf("delete: %v", err)
			}
		})
		both.Wait()
	}
	if n := w.count(t, "SELECT count(*) FROM node_command WHERE state = 'open'"); n != 0 {
		t.Errorf("%d commands wait for deleted nodes", n)
	}
	if n := w.count(t, "SELECT count(*) FROM node WHERE status <> 'inactive' OR deleted_at IS NULL"); n != 0 {
		t.Errorf("%d nodes are not at rest", n)
	}
	if n := w.count(t, "SELECT node_count FROM pool"); n != 0 {
		t.Errorf("the pool counts %d nodes", n)
	}
}

func TestTokenForANameThatNoNodeMayHave(t *testing.T) {
	w := newWorld(t)
	_, err := w.CreateToken(t.Context(), operator, node.Token{NodeName: "a b", Life: 1})
	wantFault(t, err, fault.Validation)
}

func TestDisqualificationReplacesASuspensionByScore(t *testing.T) {
	w := newWorld(t)
	no, id := w.enrolled(t, "pi-1")
	for _, reason := range []string{node.SuspendedByScore + "silent", node.Disqualified + "lost", node.Disqualified + "lost"} {
		w.setStatus(t, no, node.Suspended, reason)
	}
	if n := w.get(t, id); n.StatusReason != "disqualified: lost" {
		t.Errorf("reason %q", n.StatusReason)
	}
	if n := w.count(t, "SELECT count(*) FROM node_state WHERE node_no = $1", no); n != 3 {
		t.Errorf("%d intervals, want 3", n)
	}
	_, err := w.Update(t.Context(), operator, id, node.Update{Status: pointer(node.Suspended), Reason: pointer("fan")})
	wantFault(t, err, fault.StateNotAllowed)
}

func (w *world) setStatus(t *testing.T, no int32, status node.Status, reason string) {
	t.Helper()
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		return node.SetStatus(t.Context(), tx, no, status, reason, w.clock)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSameRequestUnderOneKeyMakesOneNode(t *testing.T) {
	w := newWorld(t)
	asked := node.New{Name: "attic-pi", Labels: map[string]string{"a": "1", "b": "2"}, Key: "k-1"}
	first, one := w.create(t, asked)
	var all sync.WaitGroup
	tokens := make([]string, 4)
	for i := range tokens {
		all.Go(func() {
			n, e, err := w.Create(t.Context(), operator, asked)
			if err != nil || n.ID != first.ID {
				t.Errorf("made %s, %v; want %s again", n.ID, err, first.ID)
			}
			tokens[i] = e.Token
		})
	}
	all.Wait()
	other := asked
	other.Name = "other-pi"
	_, _, err := w.Create(t.Context(), operator, other)
	wantFault(t, err, fault.IdempotencyReuse)
	_, err = w.Enroll(t.Context(), newDevice(t).request(t, one.Token, wire.Inventory{}))
	wantFault(t, err, fault.BadEnrolmentToken)
	live := 0
	for _, token := range tokens {
		if _, err := w.Enroll(t.Context(), newDevice(t).request(t, token, wire.Inventory{})); err == nil {
			live++
		} else {
			wantFault(t, err, fault.BadEnrolmentToken)
		}
	}
	if live != 1 {
		t.Errorf("%d tokens enrol a device, want the newest alone", live)
	}
	_, _, err = w.Create(t.Context(), operator, asked)
	wantFault(t, err, fault.StateNotAllowed)
	_, err = w.Update(t.Context(), operator, first.ID, node.Update{Name: pointer("moved-pi")})
	if err != nil {
		t.Fatal(err)
	}
	second := asked
	second.Key = "" // without a key each request stands alone
	if n, _ := w.create(t, second); n.ID == first.ID {
		t.Error("a request without a key gave an older node")
	}
}

// A device that enrols while its node is deleted, or gets another token, waits
// or is refused; neither blocks the other.
func TestEnrolmentBesideWhoeverDropsItsToken(t *testing.T) {
	w := newWorld(t)
	w.tune(&radio{})
	for range 10 {
		attic := node.New{Name: "attic", Key: "attic"}
		n, e := w.create(t, attic)
		req := newDevice(t).request(t, e.Token, wire.Inventory{})
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := w.Enroll(t.Context(), req); err != nil && !fault.Has(err, fault.BadEnrolmentToken) {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, _, err := w.Create(t.Context(), operator, attic); err != nil && !fault.Has(err, fault.StateNotAllowed) {
				t.Error(err)
			}
		})
		all.Go(func() {
			if err := w.Delete(t.Context(), operator, n.ID, nil); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if _, err := w.pool.Exec(t.Context(), "UPDATE node SET creation_key = NULL, creation_input = NULL"); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.count(t, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

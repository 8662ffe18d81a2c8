package node_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// rotation is a connected node whose operator asked for another key.
type rotation struct {
	*world
	*radio
	no     int32
	id     string
	device device
	root   proof.Keys // of its first key
}

func newRotation(t *testing.T) *rotation {
	t.Helper()
	r := &rotation{world: newWorld(t), radio: &radio{}, device: newDevice(t)}
	r.tune(r.radio)
	req := r.device.request(t, r.token(t, node.Token{}), wire.Inventory{})
	resp := r.enroll(t, req)
	root, err := proof.RootFrom(r.device.private, resp.X25519Public, req.Token, proof.EnrollTranscript(req, resp))
	if err != nil {
		t.Fatal(err)
	}
	r.id, r.root, r.no = resp.NodeID, root.Derive(), r.get(t, resp.NodeID).No
	r.login(t, r.root, 1)
	return r
}

// login connects with these keys, which the coordinator has to know as epoch;
// 0: refused.
func (r *rotation) login(t *testing.T, keys proof.Keys, epoch uint32) {
	t.Helper()
	no, found, err := r.Authenticate(t.Context(), r.id, []byte(keys.MQTTPassword))
	if epoch == 0 {
		wantFault(t, err, fault.BadCredentials)
		return
	}
	if err != nil || found != epoch {
		t.Fatalf("login is of epoch %d, want %d; %v", found, epoch, err)
	}
	if _, _, err := node.NewPresence(r.pool, func() time.Time { return r.clock }).Connected(t.Context(), no, found); err != nil {
		t.Fatal(err)
	}
}

// run is one second of the coordinator with the broker.
func (r *rotation) run(t *testing.T) {
	t.Helper()
	if err := r.RunOnceRotation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ask has an operator ask for another key, and gives the command that follows.
func (r *rotation) ask(t *testing.T) *wire.Command {
	t.Helper()
	before := len(r.sent)
	if n, err := r.RotateKeys(t.Context(), operator, []string{r.id}); err != nil || n != 1 {
		t.Fatalf("asked of %d nodes, %v", n, err)
	}
	r.run(t)
	if len(r.sent) != before+1 || r.sent[before].Kind != wire.CommandRotateKey || r.sent[before].Key == nil {
		t.Fatalf("%d commands sent, want the offer of a key", len(r.sent)-before)
	}
	return r.sent[before]
}

// answer is the device's half, and the keys that it has then.
func (r *rotation) answer(t *testing.T, d device, c *wire.Command) (*wire.CommandResult, proof.Keys) {
	t.Helper()
	if err := proof.VerifyOffer(r.enrolmentKey, r.id, c.Key); err != nil {
		t.Fatal(err)
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := private.PublicKey().Bytes()
	root, err := proof.RotatedRoot(private, c.Key.X25519Public, r.id, c.Key, public)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.CommandResult{V: 1, CommandID: c.CommandID, Result: wire.CommandDone, Key: proof.SignAnswer(d.key, r.id, c.Key, public)}, root.Derive()
}

func (r *rotation) result(t *testing.T, result *wire.CommandResult) {
	t.Helper()
	if err := r.CommandResult(t.Context(), r.no, result); err != nil {
		t.Fatal(err)
	}
}

func (r *rotation) wantLive(t *testing.T, keys proof.Keys, epoch uint32) {
	t.Helper()
	_, live, err := r.LiveKeys(t.Context(), r.id)
	if err != nil || live.Epoch != epoch || live.Keys != keys {
		t.Errorf("live keys are of epoch %d, want %d, or others than the device's; %v", live.Epoch, epoch, err)
	}
}

// A command of an operator ends an offer that waits. Once it has ended itself, the
// key is offered anew at once, and not only after the time that is left to a
// node which refused.
func TestSupersededOfferIsMadeAgainAtOnce(t *testing.T) {
	r := newRotation(t)
	r.prove(t, r.no, true)
	first := r.ask(t)
	if _, err := r.Stop(t.Context(), operator, r.id); err != nil {
		t.Fatal(err)
	}
	late, _ := r.answer(t, r.device, first)
	r.result(t, late)
	r.wantLive(t, r.root, 1) // too late
	r.run(t)
	stop := r.sent[len(r.sent)-1]
	if stop.Kind != wire.CommandStop {
		t.Fatalf("%s was sent before the stop ended", stop.Kind)
	}
	r.result(t, &wire.CommandResult{V: 1, CommandID: stop.CommandID, Result: wire.CommandDone})
	r.run(t)
	second := r.sent[len(r.sent)-1]
	if second.Key == nil || second.CommandID == first.CommandID {
		t.Fatalf("%s was sent last, want the offer anew", second.Kind)
	}
	result, keys := r.answer(t, r.device, second)
	r.result(t, result)
	r.wantLive(t, keys, 2)
}

func TestRotatedKeyIsGoodBesideTheOldOneUntilTheOverlapEnds(t *testing.T) {
	r := newRotation(t)
	r.prove(t, r.no, true)
	c := r.ask(t)
	if !proof.VerifyCommand(r.root.Command, r.id, c) || c.Key.KeyEpoch != 2 {
		t.Error("the offer is not signed under the present key, or not of epoch 2")
	}
	result, next := r.answer(t, r.device, c)
	r.login(t, next, 0) // nothing counts before the answer
	for range 2 {
		r.result(t, result) // the second one finds it done
	}
	r.wantLive(t, next, 2)
	if n := r.count(t, "SELECT count(*) FROM node WHERE node_no = $1 AND proven AND status = 'starting'", r.no); n != 1 {
		t.Error("a rotation moves the node's status, or takes its proof away")
	}
	if n := r.count(t, "SELECT count(*) FROM audit_entry WHERE target = $1 AND action = 'node.rotate_key' AND actor = 'device'", r.id); n != 1 {
		t.Errorf("the rotation stands %d times in the audit log, want once", n)
	}
	if n := r.count(t, "SELECT count(*) FROM node_key_offer"); n != 0 {
		t.Error("the coordinator's half of the exchange stays in the database")
	}
	r.login(t, next, 2)
	r.login(t, r.root, 1)

	for epoch, keys := range map[uint32]proof.Keys{1: r.root, 2: next} { // proofs under either are judged
		if err := db.InTx(t.Context(), r.pool, func(tx db.Tx) error {
			k, err := r.KeysOf(t.Context(), tx, r.no, epoch)
			if err == nil && k.Keys != keys {
				t.Errorf("keys of epoch %d differ from the device's", epoch)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}

	r.clock = r.clock.Add(24*time.Hour - time.Second)
	r.run(t)
	r.login(t, r.root, 1) // the session of which the end is told
	if len(r.closed) != 0 {
		t.Error("closed within the overlap")
	}
	r.clock = r.clock.Add(time.Second)
	r.login(t, r.root, 0)
	r.run(t)
	if len(r.closed) != 1 {
		t.Errorf("%d sessions of the old key closed, want 1", len(r.closed))
	}
	r.login(t, next, 2)
	r.run(t)
	if len(r.closed) != 1 {
		t.Error("the session of the new key was closed")
	}
}

// Who copied the root logs in as the node and reads the offer. Without the
// device key no answer of his is taken, and it is told.
func TestCopiedRootCannotFollowARotation(t *testing.T) {
	r := newRotation(t)
	c := r.ask(t)
	forged, stolen := r.answer(t, newDevice(t), c)
	r.result(t, forged)
	r.wantLive(t, r.root, 1)
	r.login(t, stolen, 0)
	if n := r.count(t, "SELECT count(*) FROM event_outbox WHERE node_id = $1 AND body ->> 'change' = 'intrusion'", r.id); n != 1 {
		t.Errorf("%d events tell of it, want 1", n)
	}
	none, _ := r.answer(t, r.device, c)
	none.Key = nil
	r.result(t, none)
	honest, next := r.answer(t, r.device, c) // too late: this exchange is over
	r.result(t, honest)
	r.login(t, next, 0)

	r.clock = r.clock.Add(10 * time.Minute)
	c = r.ask(t)
	honest, next = r.answer(t, r.device, c)
	r.result(t, honest)
	r.wantLive(t, next, 2)
}

// The coordinator dies before it commits: the answer comes again to the next
// one, from the same command.
func TestRotationSurvivesACoordinatorThatDiesBeforeItCommits(t *testing.T) {
	r := newRotation(t)
	c := r.ask(t)
	result, next := r.answer(t, r.device, c)
	if _, err := r.pool.Exec(t.Context(), `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''power cut''; END'`); err != nil {
		t.Fatal(err)
	}
	if _, err := r.pool.Exec(t.Context(), `CREATE CONSTRAINT TRIGGER die AFTER INSERT ON node_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()`); err != nil {
		t.Fatal(err)
	}
	if err := r.CommandResult(t.Context(), r.no, result); err == nil {
		t.Fatal("an answer was acknowledged that was not committed")
	}
	r.wantLive(t, r.root, 1)
	r.login(t, r.root, 1)
	if _, err := r.pool.Exec(t.Context(), "DROP TRIGGER die ON node_key"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.pool.Exec(t.Context(), "UPDATE node_command SET sent_at = NULL WHERE state = 'open'"); err != nil { // as a new session does
		t.Fatal(err)
	}
	r.run(t)
	if last := r.sent[len(r.sent)-1]; last.CommandID != c.CommandID || string(last.Key.X25519Public) != string(c.Key.X25519Public) {
		t.Errorf("the new session is sent %+v", last)
	}
	r.result(t, result)
	r.wantLive(t, next, 2)
}

// An answer that nobody waits for any more changes nothing, and the node keeps
// a key that works.
func TestLateAnswerToAnOfferChangesNothing(t *testing.T) {
	r := newRotation(t)
	c := r.ask(t)
	r.clock = r.clock.Add(time.Minute)
	r.run(t) // gives the command up
	result, next := r.answer(t, r.device, c)
	r.result(t, result)
	r.wantLive(t, r.root, 1)
	r.login(t, next, 0)
	if n := r.get(t, r.id); n.Status != node.Starting {
		t.Errorf("a rotation that nobody confirmed makes the node %s", n.Status)
	}
	r.run(t)
	if n := r.count(t, "SELECT count(*) FROM node_key_offer"); n != 0 {
		t.Error("the exchange key of an offer that is over stays")
	}
}

func TestOldKeysAreOfferedTheNextOneAndNotMoreOftenThanTenMinutes(t *testing.T) {
	r := newRotation(t)
	r.KeyAge = 30 * 24 * time.Hour
	steps := []struct {
		after time.Duration
		sent  int
	}{{0, 0}, {30*24*time.Hour - time.Second, 0}, {time.Second, 1}, {time.Minute, 1}, {8 * time.Minute, 1}, {time.Minute, 2}}
	for _, step := range steps {
		r.clock = r.clock.Add(step.after)
		r.run(t)
		if len(r.sent) != step.sent {
			t.Fatalf("%d offers at %s, want %d", len(r.sent), r.clock, step.sent)
		}
	}
	result, next := r.answer(t, r.device, r.sent[1])
	r.result(t, result)
	r.wantLive(t, next, 2)
	r.clock = r.clock.Add(time.Hour)
	r.run(t)
	if len(r.sent) != 2 {
		t.Error("a new key is offered another one")
	}
}

func TestThirdKeyEndsTheFirst(t *testing.T) {
	r := newRotation(t)
	keys := []proof.Keys{r.root}
	for range 2 {
		result, next := r.answer(t, r.device, r.ask(t))
		r.result(t, result)
		keys = append(keys, next)
	}
	r.login(t, keys[0], 0)
	r.login(t, keys[1], 2)
	r.login(t, keys[2], 3)
	if s, err := r.Rotation(t.Context()); err != nil || s.Nodes != 1 || s.Asked != 0 || s.Overlapping != 1 || !s.Oldest.Equal(r.clock) {
		t.Errorf("state %+v, %v", s, err)
	}
}

func TestRevocationEndsBothKeysOfAnOverlapAtOnce(t *testing.T) {
	for name, revoke := range map[string]func(*testing.T, *rotation){
		"deletion": func(t *testing.T, r *rotation) {
			if err := r.Delete(t.Context(), operator, r.id, nil); err != nil {
				t.Fatal(err)
			}
		},
		"new enrolment": func(t *testing.T, r *rotation) {
			r.enroll(t, newDevice(t).request(t, r.token(t, node.Token{NodeNo: &r.no}), wire.Inventory{}))
		},
	} {
		r := newRotation(t)
		result, next := r.answer(t, r.device, r.ask(t))
		r.result(t, result)
		r.login(t, next, 2)
		revoke(t, r)
		r.login(t, next, 0)
		r.login(t, r.root, 0)
		if len(r.closed) != 1 {
			t.Errorf("%s: %d connections closed, want 1", name, len(r.closed))
		}
	}
}

// A new enrolment while an offer is open: its answer is of another device.
func TestEnrolmentOvertakesARotation(t *testing.T) {
	r := newRotation(t)
	c := r.ask(t)
	r.enroll(t, r.device.request(t, r.token(t, node.Token{NodeNo: &r.no}), wire.Inventory{}))
	result, next := r.answer(t, r.device, c)
	r.result(t, result)
	r.login(t, next, 0)
	if _, live, err := r.LiveKeys(t.Context(), r.id); err != nil || live.Epoch != 2 || live.Keys == next {
		t.Errorf("live is epoch %d, %v", live.Epoch, err)
	}
}

func TestRotationOfUnknownNodesAsksNobody(t *testing.T) {
	r := newRotation(t)
	_, err := r.RotateKeys(t.Context(), operator, []string{r.id, "node_nobody"})
	wantFault(t, err, fault.NodeNotFound)
	if r.run(t); len(r.sent) != 0 {
		t.Error("one was offered a key all the same")
	}
	if n, err := r.RotateKeys(t.Context(), audit.By{Actor: audit.CLI}, nil); err != nil || n != 1 {
		t.Errorf("all: %d, %v", n, err)
	}
}

// What lies in the database opens only for this node and epoch.
func TestExchangeKeyLiesSealed(t *testing.T) {
	r := newRotation(t)
	r.ask(t)
	var box []byte
	if err := r.pool.QueryRow(t.Context(), "SELECT exchange_box FROM node_key_offer").Scan(&box); err != nil {
		t.Fatal(err)
	}
	key := seal.New(proof.Key{1})
	if _, err := key.Open(box, []byte("node exchange/"+r.id+"/2")); err != nil {
		t.Error(err)
	}
	if _, err := key.Open(box, []byte("node exchange/"+r.id+"/3")); err == nil {
		t.Error("opens for another epoch")
	}
}

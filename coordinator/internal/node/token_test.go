package node_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// issued reads the token as it is listed.
func (w *world) issued(t *testing.T, text string) node.IssuedToken {
	t.Helper()
	token, err := w.Token(t.Context(), node.TokenID(text))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) refusedEnrol(t *testing.T, req *wire.EnrollRequest) {
	t.Helper()
	_, err := w.Enroll(t.Context(), req)
	wantFault(t, err, fault.BadEnrolmentToken)
}

func newBoard(n int) wire.Inventory {
	return wire.Inventory{Hostname: "pi", SerialHash: board(fmt.Sprint("board ", n))}
}

func serials(boards int) (all []string) {
	for n := range boards {
		all = append(all, fmt.Sprint("board ", n+1))
	}
	return all
}

// A token for two boards: each gets its own node and, asking again, its own
// answer; another board gets none, and neither does one of them a second time.
func TestTokenOfSeveralBoards(t *testing.T) {
	w := newWorld(t)
	text := w.token(t, node.Token{Serials: []string{"\ufeffboard 1\x00\n", strings.ToUpper(board("board 2")) + "\x00"}}) // number or hash
	first := newDevice(t).request(t, text, newBoard(1))
	second := newDevice(t).request(t, text, newBoard(2))
	a, b := w.enroll(t, first), w.enroll(t, second)
	if a.NodeID == b.NodeID {
		t.Fatal("two devices are one node")
	}
	w.refusedEnrol(t, newDevice(t).request(t, text, newBoard(1))) // with other keys
	w.wantTold(t, a.NodeID, "intrusion", "a used token came from another device", 1)
	for req, want := range map[*wire.EnrollRequest]*wire.EnrollResponse{first: a, second: b} {
		if again := w.enroll(t, req); again.NodeID != want.NodeID || !slices.Equal(again.Signature, want.Signature) {
			t.Errorf("asking again gives %s, want %s", again.NodeID, want.NodeID)
		}
	}
	ids := []string{a.NodeID, b.NodeID}
	slices.Sort(ids)
	if got := w.issued(t, text); got.Uses != 2 || got.Used != 2 || !slices.Equal(got.NodeIDs, ids) {
		t.Errorf("%+v, want two uses by %v", got, ids)
	}
	if n := w.count(t, "SELECT count(*) FROM node"); n != 2 {
		t.Errorf("%d nodes", n)
	}
}

// A leaked token is of no use to a board that it does not name, and the
// operator hears of it.
func TestBoardThatTheTokenDoesNotNameIsToldOf(t *testing.T) {
	w := newWorld(t)
	for name, boards := range map[string]int{"one": 1, "several": 2} {
		text := w.token(t, node.Token{Serials: serials(boards)})
		for _, inventory := range []wire.Inventory{newBoard(3), {Hostname: "pi"}} { // another, and one that tells no number
			w.refusedEnrol(t, newDevice(t).request(t, text, inventory))
			w.clock = w.clock.Add(time.Minute)
		}
		told := w.count(t, `SELECT count(*) FROM event_outbox WHERE kind = 'node' AND node_id = '' AND body ->> 'change' = 'intrusion'
			AND body ->> 'token_id' = $1`, node.TokenID(text))
		if got := w.issued(t, text); told != 2 || got.Used != 0 {
			t.Errorf("token for %s: %d intrusions told, want 2; used %d times", name, told, got.Used)
		}
	}
	if n := w.count(t, "SELECT count(*) FROM node"); n != 0 {
		t.Errorf("%d nodes", n)
	}
}

// What a board used stays used: its place is not its to take again, nor
// another's, when its node is deleted.
func TestBoardOfADeletedNodeHasHadItsUse(t *testing.T) {
	w := newWorld(t)
	text := w.token(t, node.Token{Serials: serials(2)})
	id := w.enroll(t, newDevice(t).request(t, text, newBoard(1))).NodeID
	if err := w.Delete(t.Context(), operator, id, nil); err != nil {
		t.Fatal(err)
	}
	w.refusedEnrol(t, newDevice(t).request(t, text, newBoard(1)))
	w.enroll(t, newDevice(t).request(t, text, newBoard(2)))
}

// Devices that come at the same moment do not get more than there is.
func TestBoardThatComesManyTimesAtOnceIsOneNode(t *testing.T) {
	w := newWorld(t)
	text := w.token(t, node.Token{Serials: serials(3)})
	var requests []*wire.EnrollRequest
	for n := range 9 {
		requests = append(requests, newDevice(t).request(t, text, newBoard(1+n%3)))
	}
	var all sync.WaitGroup
	for _, req := range requests {
		all.Go(func() {
			if _, err := w.Enroll(t.Context(), req); err != nil && !fault.Has(err, fault.BadEnrolmentToken) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.count(t, "SELECT count(*) FROM node"); n != 3 {
		t.Errorf("%d nodes, want 3", n)
	}
}

func TestRevokedToken(t *testing.T) {
	w := newWorld(t)
	text := w.token(t, node.Token{Serials: serials(2)})
	before := newDevice(t).request(t, text, newBoard(1))
	identity := w.enroll(t, before)
	for range 2 { // doing it again changes nothing
		if err := w.RevokeToken(t.Context(), operator, node.TokenID(text)); err != nil {
			t.Fatal(err)
		}
		if got := w.issued(t, text); got.RevokedAt == nil || !got.RevokedAt.Equal(w.clock) {
			t.Errorf("revoked at %v", got.RevokedAt)
		}
	}
	w.clock = w.clock.Add(time.Minute)
	w.refusedEnrol(t, newDevice(t).request(t, text, newBoard(2)))
	if again := w.enroll(t, before); again.NodeID != identity.NodeID {
		t.Errorf("who was in before gets %s, want %s", again.NodeID, identity.NodeID)
	}
	if n := w.count(t, "SELECT count(*) FROM audit_entry WHERE action = 'token.revoke'"); n != 2 {
		t.Errorf("%d revocations audited, want both calls", n)
	}
	wantFault(t, w.RevokeToken(t.Context(), operator, "token_none"), fault.OtherNotFound)
}

func TestTokensThatCannotBe(t *testing.T) {
	w := newWorld(t)
	no, _ := w.enrolled(t, "pi-1")
	for name, token := range map[string]node.Token{
		"too long":         {Life: node.MaxTokenLife + 1},
		"ended":            {Life: -1},
		"too many uses":    {Life: 1, Uses: node.MaxTokenUses + 1},
		"two of one name":  {Life: 1, Serials: serials(2), NodeName: "kitchen"},
		"two of one node":  {Life: 1, Serials: serials(2), NodeNo: &no},
		"two of any board": {Life: 1, Uses: 2},
		"two for one use":  {Life: 1, Uses: 1, Serials: serials(2)},
		"one for two uses": {Life: 1, Uses: 2, Serials: serials(1)},
		"too many boards":  {Life: 1, Serials: serials(node.MaxTokenUses + 1)},
		"one board twice":  {Life: 1, Serials: []string{"s1", board("s1")}},
		"no board":         {Life: 1, Serials: []string{"  "}},
		"two in one":       {Life: 1, Serials: []string{"s1\x00s2\x00"}},
		"what many show":   {Life: 1, Serials: []string{"s1", "To be filled by O.E.M."}},
	} {
		if _, err := w.CreateToken(t.Context(), operator, token); !fault.Has(err, fault.Validation) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was used is kept, what nobody used is forgotten a week after its end.
func TestExpiredTokensAreForgotten(t *testing.T) {
	w := newWorld(t)
	w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{}), newBoard(3)))
	w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{Serials: serials(2)}), newBoard(2)))
	w.token(t, node.Token{})
	w.token(t, node.Token{Serials: serials(2)})
	for _, left := range []int{4, 2} {
		w.clock = w.clock.Add(time.Hour + node.MaxTokenLife/2 + 1)
		if err := w.RemoveExpiredTokens(t.Context()); err != nil {
			t.Fatal(err)
		}
		if tokens, total, err := w.Tokens(t.Context(), 10, 0); err != nil || total != left || len(tokens) != left {
			t.Errorf("%d of %d tokens left, want %d: %v", len(tokens), total, left, err)
		}
	}
}

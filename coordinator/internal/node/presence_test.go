package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// enrolled adds a node and gives its number and id.
func (w *world) enrolled(t *testing.T, host string) (int32, string) {
	t.Helper()
	resp := w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{Hostname: host}))
	no, _, err := w.LiveKeys(t.Context(), resp.NodeID)
	if err != nil {
		t.Fatal(err)
	}
	return no, resp.NodeID
}

// presence reads a node's intervals as seconds since the start of the test's
// clock; -1 is an open end.
func (w *world) presence(t *testing.T, no int32, zero time.Time) (spans []string) {
	t.Helper()
	rows, err := w.pool.Query(t.Context(), `SELECT extract(epoch FROM from_at - $2)::int, COALESCE(extract(epoch FROM to_at - $2)::int, -1)
		FROM node_presence WHERE node_no = $1 ORDER BY from_at`, no, zero)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var from, to int
		if err := rows.Scan(&from, &to); err != nil {
			t.Fatal(err)
		}
		spans = append(spans, fmt.Sprintf("%d..%d", from, to))
	}
	return spans
}

func TestPresence(t *testing.T) {
	w := newWorld(t)
	zero := w.clock
	at := func(seconds int) { w.clock = zero.Add(time.Duration(seconds) * time.Second) }
	no, id := w.enrolled(t, "pi")
	p := node.NewPresence(w.pool, func() time.Time { return w.clock })
	connect := func() uint64 {
		t.Helper()
		session, _, err := p.Connected(t.Context(), no, 1)
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	leave := func(session uint64) (gone bool) {
		t.Helper()
		gone, err := p.Disconnected(t.Context(), no, session)
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	online := func() bool {
		n, err := w.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return n.Online
	}

	at(10)
	first := connect()
	at(20)
	second := connect() // takes over
	at(21)
	gone := leave(first) // the old session's end comes late
	if gone || !online() || second != first+1 {
		t.Errorf("after a takeover: online %v, sessions %d then %d", online(), first, second)
	}
	at(30)
	if !leave(second) {
		t.Error("the live session's end did not take the node offline")
	}
	at(40)
	third := connect()

	at(50) // the database is away while the node leaves
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Disconnected(cancelled, no, third); err == nil {
		t.Fatal("a write that cannot happen reported success")
	}
	if p.Waiting() != 1 {
		t.Errorf("%d departures wait, want the one that could not be written", p.Waiting())
	}
	at(70)
	connect() // writes the departure first
	at(80)
	if err := p.Flush(t.Context()); err != nil || p.Waiting() != 0 {
		t.Fatalf("%d departures wait, %v", p.Waiting(), err)
	}
	if got, want := w.presence(t, no, zero), []string{"10..30", "40..50", "70..-1"}; !slices.Equal(got, want) {
		t.Errorf("presence %v, want %v", got, want)
	}

	at(90) // another comes after the last sign of life, at 75, and before the crash
	late, _ := w.enrolled(t, "late")
	if _, _, err := p.Connected(t.Context(), late, node.AnyKey); err != nil {
		t.Fatal(err)
	}
	at(100)
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error { return node.EndAll(t.Context(), tx, zero.Add(75*time.Second)) })
	if err != nil {
		t.Fatal(err)
	}
	if got := w.presence(t, no, zero); got[2] != "70..75" || online() {
		t.Errorf("after recovery: presence %v, online %v", got, online())
	}
	var there bool
	if err := w.pool.QueryRow(t.Context(), "SELECT to_at > from_at FROM node_presence WHERE node_no = $1", late).Scan(&there); err != nil || !there {
		t.Errorf("nothing is left of a connection that came just before the crash: %v", err)
	}
}

// A login is checked, and its key replaced before it comes online.
func TestReplacedKeyDoesNotComeOnline(t *testing.T) {
	w := newWorld(t)
	no, id := w.enrolled(t, "pi")
	p := node.NewPresence(w.pool, func() time.Time { return w.clock })
	w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{NodeNo: &no}), wire.Inventory{Hostname: "pi"}))
	if _, _, err := p.Connected(t.Context(), no, 1); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("the old key came online: %v", err)
	}
	if n, err := w.Get(t.Context(), id); err != nil || n.Online || p.Waiting() != 0 {
		t.Errorf("online %t, %d departures wait, %v; want that nothing happened", n.Online, p.Waiting(), err)
	}
	if _, _, err := p.Connected(t.Context(), no, 2); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// The enrolment, maybe another coordinator's, has locked the node and not
// committed yet when the old key comes online.
func TestReplacedKeyWaitsForTheEnrolment(t *testing.T) {
	w := newWorld(t)
	no, _ := w.enrolled(t, "pi")
	p := node.NewPresence(w.pool, func() time.Time { return w.clock })
	connected := make(chan error, 1)
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE node SET updated_at = updated_at WHERE node_no = $1`, no)
		if err == nil {
			_, err = tx.Exec(t.Context(), `UPDATE node_key SET retired_at = now() WHERE node_no = $1`, no)
		}
		go func() {
			_, _, err := p.Connected(context.WithoutCancel(t.Context()), no, 1)
			connected <- err
		}()
		for waiting := false; err == nil && !waiting; {
			err = w.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')`).Scan(&waiting)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-connected; !fault.Has(err, fault.BadCredentials) {
		t.Errorf("the old key came online: %v", err)
	}
}

// A connection whose commit was not confirmed may be on record or not; if the
// node does not come back, it must not stay online for ever.
func TestConnectionThatMayBeOnRecord(t *testing.T) {
	w := newWorld(t)
	zero := w.clock
	no, id := w.enrolled(t, "pi")
	now := func() time.Time { return w.clock }
	online := func() bool {
		n, err := w.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return n.Online
	}
	if _, _, err := node.NewPresence(w.pool, now).Connected(t.Context(), no, 1); err != nil { // what was committed
		t.Fatal(err)
	}
	p := node.NewPresence(w.pool, now)
	w.clock = zero.Add(5 * time.Second)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.Connected(cancelled, no, 1); err == nil || p.Waiting() != 1 { // what was not confirmed
		t.Fatalf("%d wait, %v", p.Waiting(), err)
	}
	w.clock = zero.Add(9 * time.Second)
	if err := p.Flush(t.Context()); err != nil || online() {
		t.Errorf("after the flush: online %v, %v", online(), err)
	}
	if _, _, err := p.Connected(cancelled, no, 1); err == nil {
		t.Fatal("connected without a database")
	}
	w.clock = zero.Add(20 * time.Second)
	if _, _, err := p.Connected(t.Context(), no, 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); err != nil || !online() || p.Waiting() != 0 {
		t.Errorf("back again: online %v, %d wait, %v", online(), p.Waiting(), err)
	}
	if got, want := w.presence(t, no, zero), []string{"0..5", "20..-1"}; !slices.Equal(got, want) {
		t.Errorf("presence %v, want %v", got, want)
	}
}

func TestStatusChangesLeaveNoGap(t *testing.T) {
	w := newWorld(t)
	no, id := w.enrolled(t, "pi")
	for _, status := range []node.Status{node.Active, node.Active, node.Suspended, node.Active} { // all in one instant
		err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
			return node.SetStatus(t.Context(), tx, no, status, "because", w.clock)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var count, gaps int
	err := w.pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE from_at <> previous)
		FROM (SELECT from_at, lag(to_at) OVER (ORDER BY from_at) AS previous FROM node_state WHERE node_no = $1) s`, no).Scan(&count, &gaps)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := w.Get(t.Context(), id); count != 4 || gaps != 0 || n.Status != node.Active || n.StatusReason != "because" {
		t.Errorf("%d intervals with %d gaps, node %+v", count, gaps, n)
	}
}

func TestListPagesByCursorWithoutLossOrRepeat(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.enrolled(t, fmt.Sprintf("pi-%d", i%4)) // equal names get a suffix, equal times stay equal
	}
	for _, sort := range []string{"", "name", "poot_score", "last_heartbeat", "updated_at"} {
		for _, order := range []string{"asc", "desc"} {
			seen := map[string]bool{}
			cursor := ""
			for page := 0; page == 0 || cursor != ""; page++ {
				nodes, total, next, err := w.List(t.Context(), node.Filter{Sort: sort, Order: order, Limit: 3, After: cursor})
				if err != nil || total != 7 || page > 3 {
					t.Fatalf("sort %q %s, page %d: total %d, %v", sort, order, page, total, err)
				}
				for _, n := range nodes {
					if seen[n.ID] {
						t.Errorf("sort %q %s: %s came twice", sort, order, n.Name)
					}
					seen[n.ID] = true
				}
				cursor = next
			}
			if len(seen) != 7 {
				t.Errorf("sort %q %s: %d of 7 nodes", sort, order, len(seen))
			}
		}
	}
	if nodes, total, _, err := w.List(t.Context(), node.Filter{Query: "PI-3", Limit: 10}); err != nil || total != 1 || nodes[0].Name != "pi-3" {
		t.Errorf("search: %d of %d, %v", len(nodes), total, err)
	}
}

// A clock of ours that was ahead has heard nodes in the future: of those that
// left then and of those that are still there, the heartbeat is a time again
// that has been, and goes on rising.
func TestHeartbeatsOfTheFutureAreLowered(t *testing.T) {
	w := newWorld(t)
	presence := node.NewPresence(w.pool, func() time.Time { return w.clock })
	gone, goneID := w.enrolled(t, "gone")
	stays, staysID := w.enrolled(t, "stays")
	asleep, asleepID := w.enrolled(t, "asleep")
	heard := func(when string, want map[string]time.Time) {
		t.Helper()
		if err := w.RunOnceHeartbeats(t.Context()); err != nil {
			t.Fatal(err)
		}
		for id, at := range want {
			if n, err := w.Get(t.Context(), id); err != nil || n.LastHeartbeat == nil || !n.LastHeartbeat.Equal(at) {
				t.Errorf("%s %s was heard at %v, want %v: %v", when, n.Name, n.LastHeartbeat, at, err)
			}
		}
	}
	began := w.clock
	w.connect(t, asleep)
	w.clock = began.Add(24 * time.Hour)
	session := w.connect(t, gone)
	w.connect(t, stays)
	if _, err := presence.Disconnected(t.Context(), gone, session); err != nil {
		t.Fatal(err)
	}
	ahead := w.clock
	heard("while our clock is ahead", map[string]time.Time{asleepID: began, goneID: ahead, staysID: ahead})
	w.clock = began.Add(time.Minute)
	found := w.clock
	heard("once it is right", map[string]time.Time{asleepID: began, goneID: found, staysID: found})
	w.clock = w.clock.Add(time.Minute)
	w.connect(t, stays)
	heard("later", map[string]time.Time{asleepID: began, goneID: found, staysID: w.clock})
}

// The database hangs while Flush writes a departure: a node that waits for that
// waits no longer than its own context, and Flush ends by itself.
func TestPresenceDoesNotWaitForAHangingFlush(t *testing.T) {
	w := newWorld(t)
	p := node.NewPresence(w.pool, func() time.Time { return w.clock })
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	hanging, _ := w.enrolled(t, "hanging")
	back, _ := w.enrolled(t, "back")
	unknown := func(no int32) {
		if _, _, err := p.Connected(cancelled, no, 1); err == nil {
			t.Fatal("connected without a database")
		}
	}
	w.connect(t, hanging)
	unknown(hanging)
	flushed, connected := make(chan error, 1), make(chan error, 1)
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE node SET updated_at = updated_at WHERE node_no = $1`, hanging)
		go func() { flushed <- p.Flush(context.WithoutCancel(t.Context())) }()
		for waiting := false; err == nil && !waiting; {
			err = w.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')`).Scan(&waiting)
		}
		unknown(back)
		go func() {
			_, _, err := p.Connected(cancelled, back, 1) // now its own departure waits, and it for its turn
			connected <- err
		}()
		for name, ended := range map[string]chan error{"the node's login": connected, "the flush": flushed} {
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s ended with %v", name, err)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s waits for a database that hangs", name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Waiting() != 2 {
		t.Errorf("%d departures wait, want both", p.Waiting())
	}
	if _, _, err := p.Connected(t.Context(), back, 1); err != nil {
		t.Errorf("once the database answers: %v", err)
	}
	if err := p.Flush(t.Context()); err != nil || p.Waiting() != 0 {
		t.Errorf("%d departures wait, %v", p.Waiting(), err)
	}
}

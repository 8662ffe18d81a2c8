package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// Presence keeps which nodes are connected, and since when. A disconnection
// that the database could not take is remembered and written before anything
// newer of the same node, so that an interval always ends where it did.
type Presence struct {
	pool *db.Pool
	now  func() time.Time

	mu      sync.Mutex
	pending map[int32]departure
	// turn keeps the end of an unknown session and the begin of the next apart. It
	// holds one, and whoever waits for it waits no longer than its context.
	turn chan struct{}
}

// flushPatience bounds one write of Flush: nodes that come back wait for it.
const flushPatience = 5 * time.Second

// departure is a disconnection that is not written yet.
type departure struct {
	session uint64 // unknownSession: whichever is on record
	at      time.Time
}

// unknownSession is that of a connection of which the database did not say
// whether it is on record.
const unknownSession = 0

// NewPresence makes a Presence; now defaults to time.Now.
func NewPresence(pool *db.Pool, now func() time.Time) *Presence {
	if now == nil {
		now = time.Now
	}
	return &Presence{pool: pool, now: now, pending: make(map[int32]departure), turn: make(chan struct{}, 1)}
}

// AnyKey is the key epoch of a connection at a broker that does not tell it.
const AnyKey = 0

// Connected marks a node online and gives its session number, which rises with
// each connection, and its status. A login that was checked with a key that was
// replaced or retired meanwhile is refused as BadCredentials.
func (p *Presence) Connected(ctx context.Context, nodeNo int32, keyEpoch uint32) (uint64, Status, error) {
	now := p.now()
	left, waiting := p.waitingFor(nodeNo)
	if waiting && left.session == unknownSession {
		done, err := p.takeTurn(ctx)
		if err != nil { // nothing was begun: what waits stands as it is
			return 0, "", fmt.Errorf("mark node %d online: its last departure is being written: %w", nodeNo, err)
		}
		defer done()
	}
	var row sqlgen.ConnectRow
	err := db.InTx(ctx, p.pool, func(tx db.Tx) error {
		if waiting {
			if _, err := depart(ctx, tx, nodeNo, left); err != nil {
				return err
			}
		}
		q := sqlgen.New(tx)
		var err error
		row, err = q.Connect(ctx, sqlgen.ConnectParams{NodeNo: nodeNo, At: &now, KeyEpoch: int32(keyEpoch)})
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.BadCredentials, "it was deleted after its login was checked")
		} else if err != nil {
			return err
		}
		if err := stillLive(ctx, q, nodeNo, keyEpoch, now); err != nil {
			return err
		}
		if err := q.OpenPresence(ctx, sqlgen.OpenPresenceParams{NodeNo: nodeNo, FromAt: now}); err != nil {
			return err
		}
		c := Changed{Change: changedOnline, Status: Status(row.Status), Reason: row.StatusReason, Online: true}
		return event.Publish(ctx, tx, c.event(row.NodeID, row.PoolID, now))
	})
	if err != nil {
		if !fault.Has(err, fault.BadCredentials) {
			// The commit may have happened all the same, and the node never come back.
			p.keep(nodeNo, departure{session: unknownSession, at: now})
		}
		return 0, "", fmt.Errorf("mark node %d online: %w", nodeNo, err)
	}
	if waiting {
		p.forget(nodeNo, left)
	}
	return uint64(row.SessionNo), Status(row.Status), nil
}

// stillLive refuses a key that is no more, now that the node's row is locked:
// an enrolment that commits later finds the connection and closes it. A session
// by a key that a rotation replaced ends with that key.
func stillLive(ctx context.Context, q *sqlgen.Queries, nodeNo int32, keyEpoch uint32, now time.Time) error {
	if keyEpoch == AnyKey {
		return nil
	}
	key, err := q.KeyEnd(ctx, sqlgen.KeyEndParams{NodeNo: nodeNo, KeyEpoch: int32(keyEpoch)})
	switch {
	case err != nil || key.RetiredAt == nil:
		return err
	case !key.Rotated || !key.RetiredAt.After(now):
		return fault.New(fault.BadCredentials, "its login was checked with key %d, which was replaced meanwhile", keyEpoch)
	}
	return q.EndSessionAt(ctx, sqlgen.EndSessionAtParams{NodeNo: nodeNo, SessionUntil: key.RetiredAt})
}

// Disconnected marks a node offline unless a newer session has begun; gone
// tells which. What the database refuses now is written by Flush or the next
// Connected.
func (p *Presence) Disconnected(ctx context.Context, nodeNo int32, session uint64) (gone bool, err error) {
	d := departure{session: session, at: p.now()}
	gone, err = p.write(ctx, nodeNo, d)
	if err == nil {
		return gone, nil
	}
	p.keep(nodeNo, d)
	return true, fmt.Errorf("mark node %d offline (kept, will be written later): %w", nodeNo, err)
}

// Flush writes what earlier calls could not.
func (p *Presence) Flush(ctx context.Context) error {
	p.mu.Lock()
	waiting := make(map[int32]departure, len(p.pending))
	for no, d := range p.pending {
		waiting[no] = d
	}
	p.mu.Unlock()
	for no, d := range waiting {
		if err := p.flush(ctx, no, d); err != nil {
			return err
		}
	}
	return nil
}

func (p *Presence) flush(ctx context.Context, nodeNo int32, d departure) error {
	done, err := p.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	if now, waiting := p.waitingFor(nodeNo); !waiting || now != d {
		return nil // the node is back, and its departure was written first
	}
	ctx, cancel := context.WithTimeout(ctx, flushPatience)
	defer cancel()
	if _, err = p.write(ctx, nodeNo, d); err != nil {
		return fmt.Errorf("mark node %d offline: %w", nodeNo, err)
	}
	p.forget(nodeNo, d)
	return nil
}

// takeTurn waits for the turn until ctx ends; done gives it on.
func (p *Presence) takeTurn(ctx context.Context) (done func(), err error) {
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *Presence) waitingFor(nodeNo int32) (departure, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.pending[nodeNo]
	return d, ok
}

// keep remembers a departure. The first one of a node stands: it is the
// earliest, and whatever came after it was not written either.
func (p *Presence) keep(nodeNo int32, d departure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.pending[nodeNo]; ok {
		d = departure{session: unknownSession, at: old.at}
	}
	p.pending[nodeNo] = d
}

// EndAll ends every presence that a crash left open, at the time a coordinator
// was last known to run, within the caller's transaction. Call it before any
// node can connect.
func EndAll(ctx context.Context, tx db.Tx, lastAlive time.Time) error {
	q := sqlgen.New(tx)
	gone, err := q.AllOffline(ctx)
	if err != nil {
		return fmt.Errorf("mark all nodes offline: %w", err)
	}
	events := make([]event.Event, len(gone))
	for i, n := range gone {
		c := Changed{Change: changedOffline, Status: Status(n.Status), Reason: n.StatusReason}
		events[i] = c.event(n.NodeID, n.PoolID, lastAlive)
	}
	if err := event.Publish(ctx, tx, events...); err != nil {
		return err
	}
	if _, err := q.CloseAllPresence(ctx, lastAlive); err != nil {
		return fmt.Errorf("end all presence: %w", err)
	}
	return nil
}

// Waiting is how many disconnections are not written yet: until then the
// presence on record is longer than it was.
func (p *Presence) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending)
}

func (p *Presence) write(ctx context.Context, nodeNo int32, d departure) (gone bool, err error) {
	err = db.InTx(ctx, p.pool, func(tx db.Tx) error {
		gone, err = depart(ctx, tx, nodeNo, d)
		return err
	})
	return gone, err
}

func (p *Presence) forget(nodeNo int32, d departure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending[nodeNo] == d {
		delete(p.pending, nodeNo)
	}
}

func depart(ctx context.Context, tx db.Tx, nodeNo int32, d departure) (gone bool, err error) {
	q := sqlgen.New(tx)
	n, err := q.Disconnect(ctx, sqlgen.DisconnectParams{NodeNo: nodeNo, SessionNo: int64(d.session), At: &d.at})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil // a newer session took over, presence goes on
	} else if err != nil {
		return false, err
	}
	if err := q.ClosePresence(ctx, sqlgen.ClosePresenceParams{NodeNo: nodeNo, At: d.at}); err != nil {
		return false, err
	}
	c := Changed{Change: changedOffline, Status: Status(n.Status), Reason: n.StatusReason}
	return true, event.Publish(ctx, tx, c.event(n.NodeID, n.PoolID, d.at))
}

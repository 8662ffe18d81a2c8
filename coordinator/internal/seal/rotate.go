package seal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/seal/sqlgen"
	"lucid.internal/shared/proof"
)

// Rotation replaces the master key while coordinators run. It can be
// interrupted at any step and run again: what is done is found in the database
// and in the key file.
type Rotation struct {
	Ring   *Ring
	Tables []Table // all that hold boxes
	By     audit.By
	Tell   func(string) // what it is at, for who waits

	poll time.Duration // a test does not wait half a second
}

// Run ends when nothing in the database is sealed under another key than the
// new one, and every program that runs has let go of the old one.
func (r Rotation) Run(ctx context.Context) error {
	if r.poll == 0 {
		r.poll = RingInterval / 4
	}
	conn, err := r.Ring.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	// Of the connection, so that it is free again whatever ends this program.
	if mine, err := sqlgen.New(conn).TryRotationTurn(ctx, lockClass); err != nil || !mine {
		return errors.Join(err, unless(mine, "the master key is being rotated by another program"))
	}
	defer func() { // the server notices a closed connection a moment later only
		_ = sqlgen.New(conn).EndRotationTurn(context.WithoutCancel(ctx), lockClass)
		_ = conn.Conn().Close(context.WithoutCancel(ctx))
	}()
	r.Tell(r.beforehand())
	id, err := r.begin(ctx)
	if err != nil {
		return err
	}
	if err := r.await(ctx, id, false, "has no new master key yet: copy master.key there (with LUCID_MASTER_KEY: set both keys and start it again)"); err != nil {
		return err
	}
	if err := sqlgen.New(r.Ring.pool).BeginResealing(ctx, pointer(id)); err != nil {
		return err
	}
	if err := r.await(ctx, id, true, "does not seal with the new key yet"); err != nil {
		return err
	}
	for done := false; !done; {
		if err := r.reseal(ctx, id); err != nil {
			return err
		}
		if done, err = r.end(ctx, id); err != nil {
			return err
		}
	}
	if err := r.Ring.RunOnce(ctx); err != nil {
		return err
	}
	r.Tell("done: the old key opens nothing in this database any more; backups from before still need it: keep the copy with them")
	return nil
}

// beforehand is told while the old key is still there.
func (r Rotation) beforehand() string {
	const need = "backups from before need the old master key"
	if path := r.Ring.source.Path; path != "" {
		return need + ", which leaves the file at the end: keep a copy of " + path + " with them, on another machine; who has none stops this (Ctrl-C), copies it, and runs it again"
	}
	return need + ": keep it with them when it leaves the settings"
}

// begin names the next key, and makes it unless it is there already. It is
// named before it is in the file: one that is in the file and not named is
// taken out by whoever looks.
func (r Rotation) begin(ctx context.Context) (id byte, err error) {
	q := sqlgen.New(r.Ring.pool)
	state, err := q.State(ctx)
	if err != nil {
		return 0, err
	}
	masters, err := r.Ring.source.Load()
	if err != nil {
		return 0, err
	}
	if state.NextID != nil {
		if _, found := withID(masters, byte(*state.NextID)); found {
			r.Tell("going on with a rotation that was begun")
			return byte(*state.NextID), nil
		}
		if state.Resealing {
			return 0, errors.New("a rotation was begun elsewhere, and its new key is not here: copy master.key from there")
		}
	}
	present, err := r.Ring.Sealing()
	if err != nil {
		return 0, err
	}
	next, err := r.next(masters, present)
	if err != nil {
		return 0, err
	}
	name := func() error {
		return q.BeginRotation(ctx, sqlgen.BeginRotationParams{SealingID: pointer(idOf(present)), NextID: pointer(idOf(next))})
	}
	path := r.Ring.source.Path
	if path == "" {
		return idOf(next), name()
	}
	err = r.Ring.source.locked(func() error {
		if err := name(); err != nil {
			return err
		}
		return r.Ring.source.replace(present, next)
	})
	if err != nil {
		return 0, err
	}
	r.Tell("a new master key stands in " + path + " beside the old one")
	return idOf(next), nil
}

// next is the key that the settings hold beside the present one, or one that is
// made for the file.
func (r Rotation) next(masters []proof.Key, present proof.Key) (proof.Key, error) {
	if r.Ring.source.Path != "" {
		for {
			if key := newMaster(); idOf(key) != idOf(present) {
				return key, nil
			}
		}
	}
	for _, key := range masters {
		if idOf(key) != idOf(present) {
			return key, nil
		}
	}
	return proof.Key{}, errors.New("LUCID_MASTER_KEY holds no key but the present one: put a new one after it, a blank between (openssl rand -base64 32; " +
		"if this says the same again, make another one), start every coordinator with both, then repeat")
}

// await waits until every program that runs has the key, or also seals with it.
func (r Rotation) await(ctx context.Context, id byte, sealing bool, lacks string) error {
	tick := time.NewTicker(r.poll)
	defer tick.Stop()
	told := map[string]bool{}
	for {
		if err := r.Ring.RunOnce(ctx); err != nil {
			return err
		}
		late, err := sqlgen.New(r.Ring.pool).Laggards(ctx, sqlgen.LaggardsParams{KeyID: int16(id), Sealing: sealing, AliveSeconds: holderAlive.Seconds()})
		if err != nil || len(late) == 0 {
			return err
		}
		for _, l := range late {
			if !told[l.Name] {
				told[l.Name] = true
				r.Tell(fmt.Sprintf("waiting: the program on %s %s", l.Name, lacks))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("interrupted, nothing is lost: run it again to go on: %w", ctx.Err())
		}
	}
}

func (r Rotation) reseal(ctx context.Context, id byte) error {
	for _, table := range r.Tables {
		total := 0
		for {
			n, err := table.reseal(ctx, r.Ring.pool, r.Ring.Box, id)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			total += n
		}
		r.Tell(fmt.Sprintf("%s: %d sealed anew", table.Name, total))
	}
	return nil
}

// end makes the new key the only one, if nothing is left under another. Who is
// about to seal something holds the state's row; whoever does so afterwards
// with the old key is refused by the database.
func (r Rotation) end(ctx context.Context, id byte) (done bool, err error) {
	err = db.InTx(ctx, r.Ring.pool, func(tx db.Tx) error {
		done = false
		q := sqlgen.New(tx)
		state, err := q.LockState(ctx)
		if err != nil {
			return err
		}
		for _, table := range r.Tables {
			if left, err := table.left(ctx, tx, id); err != nil || left > 0 {
				return err
			}
		}
		if err := q.EndRotation(ctx); err != nil {
			return err
		}
		done = true
		return audit.Write(ctx, tx, r.By.Record("master_key.rotate", "master key", map[string]any{"key_id": state.SealingID}, map[string]any{"key_id": id}))
	})
	return done, err
}

func pointer(id byte) *int16 {
	n := int16(id)
	return &n
}

func unless(ok bool, why string) error {
	if ok {
		return nil
	}
	return errors.New(why)
}

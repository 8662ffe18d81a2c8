package seal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/seal/sqlgen"
	"lucid.internal/shared/proof"
)

// RingInterval is how often a program that runs looks after its master keys.
const RingInterval = 2 * time.Second

// holderAlive is how long a program counts as running that did not look. One
// that slept longer is refused by the database when it seals with an old key.
const holderAlive = 20 * time.Second

// ErrLacksKey is a program without the master key that its database is sealed
// under: the key was rotated elsewhere, or the database is of a time before.
var ErrLacksKey = errors.New("the master key that this database is sealed under is not here: if it was rotated meanwhile, copy master.key from the coordinator where that was done; " +
	"if the database is an older backup, start with the copy of master.key from before the rotation")

// Ring keeps a box at the master keys of its source, and at the one of them
// that the database says seals now. It tells the database which it has.
type Ring struct {
	Box    *Box
	pool   *db.Pool
	source Source
	holder uuid.UUID
	name   string
}

// OpenRing loads the master keys for this database.
func OpenRing(ctx context.Context, pool *db.Pool, source Source) (*Ring, error) {
	host, _ := os.Hostname() // only shown
	r := &Ring{Box: new(Box), pool: pool, source: source, holder: uuid.New(), name: fmt.Sprintf("%s, process %d", host, os.Getpid())}
	return r, r.RunOnce(ctx)
}

// Sealing is the master key that seals, with the others that are there.
func (r *Ring) Sealing() (proof.Key, error) {
	masters, err := r.source.Load()
	if err != nil {
		return proof.Key{}, err
	}
	key, _ := withID(masters, r.Box.keys.Load().sealing)
	return key, nil
}

// RunOnce takes over what changed in the source or the database. Keys that
// nothing is sealed under any more it forgets, in the file too.
func (r *Ring) RunOnce(ctx context.Context) error {
	masters, key, state, err := r.look(ctx)
	if err != nil {
		return err
	}
	if rotated := state.SealingID != nil && state.NextID == nil; rotated && len(masters) > 1 {
		masters = []proof.Key{key}
		if r.source.Path != "" {
			if err := r.forget(ctx, key); err != nil {
				return fmt.Errorf("the old master key is not used any more, and stays in the file: %w", err)
			}
		}
	}
	sealing := idOf(key)
	r.Box.use(sealing, masters)
	return sqlgen.New(r.pool).PutHolder(ctx, sqlgen.PutHolderParams{HolderID: r.holder, Name: r.name, Opens: ids(masters), Seals: int16(sealing)})
}

// looks is how often a program looks whose key is not there: a whole rotation
// may end between its looks at the file and at the database.
const looks = 3

// look gives the keys of the source and which of them the database says seals.
func (r *Ring) look(ctx context.Context) (masters []proof.Key, key proof.Key, state sqlgen.StateRow, err error) {
	for range looks {
		if masters, err = r.source.Load(); err != nil {
			return nil, key, state, err
		}
		if state, err = sqlgen.New(r.pool).State(ctx); err != nil {
			return nil, key, state, fmt.Errorf("read which master key seals: %w", err)
		}
		sealing := idOf(masters[0])
		switch {
		case state.Resealing:
			sealing = byte(*state.NextID)
		case state.SealingID != nil:
			sealing = byte(*state.SealingID)
		}
		var found bool
		if key, found = withID(masters, sealing); found {
			return masters, key, state, nil
		}
	}
	return nil, key, state, ErrLacksKey
}

// forget leaves the one key in the file, unless the next rotation has begun
// since: its key stands there by now.
func (r *Ring) forget(ctx context.Context, key proof.Key) error {
	return r.source.locked(func() error {
		state, err := sqlgen.New(r.pool).State(ctx)
		if err != nil || state.NextID != nil || state.SealingID == nil || byte(*state.SealingID) != idOf(key) {
			return err
		}
		return r.source.replace(key)
	})
}

// Close takes this program off the list of those that run.
func (r *Ring) Close(ctx context.Context) error {
	return sqlgen.New(r.pool).DropHolder(ctx, r.holder)
}

func withID(masters []proof.Key, id byte) (proof.Key, bool) {
	i := slices.IndexFunc(masters, func(k proof.Key) bool { return idOf(k) == id })
	if i < 0 {
		return proof.Key{}, false
	}
	return masters[i], true
}

func ids(masters []proof.Key) (all []int16) {
	for _, key := range masters {
		all = append(all, int16(idOf(key)))
	}
	return all
}

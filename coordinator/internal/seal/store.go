package seal

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/seal/sqlgen"
)

// lockClass keeps our advisory locks apart from those of package job.
const lockClass = 0x5ea1

// Store keeps the named secrets of the installation: CA, signing keys.
type Store struct {
	pool *db.Pool
	box  *Box
}

// NewStore gives the secrets in pool's database, sealed by box.
func NewStore(pool *db.Pool, box *Box) *Store { return &Store{pool: pool, box: box} }

// InUse reports whether a database holds sealed secrets already, so that only
// the master key that sealed them is of use.
func InUse(ctx context.Context, pool *db.Pool) (bool, error) {
	used, err := sqlgen.New(pool).AnyBox(ctx)
	if err != nil {
		return false, fmt.Errorf("look for sealed secrets: %w", err)
	}
	return used, nil
}

// Secret gives the secret of that name, produced when there is none. All
// coordinators of a database get the same bytes: the result of produce counts
// only for the first of them, so it must have no other effect.
func (s *Store) Secret(ctx context.Context, name string, produce func() ([]byte, error)) ([]byte, error) {
	plain, err := s.read(ctx, s.pool, name)
	if errors.Is(err, pgx.ErrNoRows) {
		plain, err = s.makeOnce(ctx, name, produce)
	}
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	return plain, nil
}

func (s *Store) makeOnce(ctx context.Context, name string, produce func() ([]byte, error)) (plain []byte, err error) {
	err = db.InTx(ctx, s.pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if err := q.LockName(ctx, sqlgen.LockNameParams{Class: lockClass, Name: name}); err != nil {
			return err
		}
		if plain, err = s.read(ctx, tx, name); !errors.Is(err, pgx.ErrNoRows) {
			return err // another one was first, or it cannot be read
		}
		if plain, err = produce(); err != nil {
			return err
		}
		return q.AddBox(ctx, sqlgen.AddBoxParams{Name: name, Box: s.box.Seal(plain, place(name))})
	})
	return plain, err
}

func (s *Store) read(ctx context.Context, from sqlgen.DBTX, name string) ([]byte, error) {
	sealed, err := sqlgen.New(from).GetBox(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.box.Open(sealed, place(name))
}

// place binds a box to its row.
func place(name string) []byte { return []byte("sealed_secret/" + name) }

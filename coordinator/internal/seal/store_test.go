package seal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
)

func random() ([]byte, error) {
	b := make([]byte, 40)
	rand.Read(b)
	return b, nil
}

// The second coordinator asks while the first is still producing.
func TestAllCoordinatorsGetTheSameSecret(t *testing.T) {
	pool := dbtest.New(t)
	first := seal.NewStore(pool, seal.New(proof.Key{1}))
	second := seal.NewStore(pool, seal.New(proof.Key{1}))
	var fromSecond []byte
	var secondErr error
	done := make(chan struct{})
	fromFirst, err := first.Secret(t.Context(), "ca", func() ([]byte, error) {
		go func() {
			defer close(done)
			fromSecond, secondErr = second.Secret(t.Context(), "ca", random)
		}()
		awaitLockQueue(t, pool, done)
		return random()
	})
	<-done
	if err := errors.Join(err, secondErr); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fromFirst, fromSecond) || len(fromFirst) != 40 {
		t.Errorf("secrets differ: %x and %x", fromFirst, fromSecond)
	}
}

// awaitLockQueue returns when somebody waits for an advisory lock, or when the
// one who should wait has gone through instead.
func awaitLockQueue(t *testing.T, pool *db.Pool, through <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for waiting := false; !waiting; {
		err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-through:
			t.Error("the second coordinator did not wait for the first")
			return
		case <-tick.C:
		}
	}
}

func TestSecretsLieSealed(t *testing.T) {
	pool := dbtest.New(t)
	store := seal.NewStore(pool, seal.New(proof.Key{1}))
	plain, err := store.Secret(t.Context(), "jwt", random)
	if err != nil {
		t.Fatal(err)
	}
	other, err := store.Secret(t.Context(), "ca", random)
	if err != nil || bytes.Equal(plain, other) {
		t.Fatalf("another name must give another secret (%v)", err)
	}
	var box []byte
	if err := pool.QueryRow(t.Context(), "SELECT box FROM sealed_secret WHERE name = 'jwt'").Scan(&box); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(box, plain) {
		t.Error("the plain secret stands in the database")
	}
}

func TestSecretFailsWithoutReplacingAnything(t *testing.T) {
	pool := dbtest.New(t)
	store := seal.NewStore(pool, seal.New(proof.Key{1}))
	if _, err := store.Secret(t.Context(), "ca", random); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.NewStore(pool, seal.New(proof.Key{2})).Secret(t.Context(), "ca", random); !errors.Is(err, seal.ErrOtherKey) {
		t.Errorf("another master key: %v, want ErrOtherKey", err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE sealed_secret SET name = 'jwt'"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Secret(t.Context(), "jwt", random); !errors.Is(err, seal.ErrBroken) {
		t.Errorf("a box moved to another name: %v, want ErrBroken", err)
	}
	boom := errors.New("no randomness")
	if _, err := store.Secret(t.Context(), "new", func() ([]byte, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("failing producer: %v, want its error", err)
	}
	if secret, err := store.Secret(t.Context(), "new", random); err != nil || len(secret) != 40 {
		t.Errorf("after a failure the secret cannot be made: %x, %v", secret, err)
	}
}

package seal

import (
	"strings"
	"sync"
	"testing"

	"lucid.internal/coordinator/internal/seal/sqlgen"
	"lucid.internal/shared/proof"
)

// A program that looked while one rotation was over, and is slow, must not write
// the file back over the key of the next.
func TestSlowProgramLeavesTheKeyOfTheNextRotation(t *testing.T) {
	f := newFleet(t)
	f.must(f.rotate(t.Context(), func(string) {}))
	slow, present := f.ring(f.file), f.keyIn(f.file)
	next := newMaster()
	for idOf(next) == idOf(present) {
		next = newMaster()
	}
	f.must(sqlgen.New(f.pool).BeginRotation(t.Context(), sqlgen.BeginRotationParams{SealingID: pointer(idOf(present)), NextID: pointer(idOf(next))}))
	f.must(slow.source.replace(present, next))
	f.must(slow.forget(t.Context(), present))
	if keys := f.keysIn(f.file); len(keys) != 2 || keys[1] != next {
		t.Fatalf("the file holds %d keys, want the present and the next", len(keys))
	}
	f.must(f.rotate(t.Context(), func(string) {}))
	if f.keyIn(f.file) != next {
		t.Error("the rotation did not go on with the key that it had begun with")
	}
}

// Rotations that are started at once, while programs start and run on the same
// file, lose no key: whatever is sealed opens with what the file holds.
func TestNoKeyIsLostAmongRotationsAtOnce(t *testing.T) {
	f := newFleet(t)
	f.run(f.ring(f.file), "coordinator")
	var commands sync.WaitGroup
	for range 3 {
		commands.Go(func() {
			for range 3 {
				r, err := OpenRing(t.Context(), f.pool, Source{Path: f.file})
				if err == nil {
					err = f.rotation(r).Run(t.Context())
					f.check(r.Close(t.Context()))
				}
				if err != nil && !strings.Contains(err.Error(), "by another program") {
					t.Error(err)
				}
			}
		})
	}
	commands.Wait()
	f.await(func() bool { return len(f.keysIn(f.file)) == 1 })
	if lost := f.countOutside(f.keyIn(f.file)); lost != 0 {
		t.Errorf("%d secrets do not open with the key of the file", lost)
	}
}

func (f *fleet) check(err error) {
	if err != nil {
		f.Error(err)
	}
}

func (f *fleet) countOutside(key proof.Key) (n int) {
	f.Helper()
	f.must(f.pool.QueryRow(f.Context(), "SELECT count(*) FROM sealed_secret WHERE get_byte(box, 0) <> $1", int(idOf(key))).Scan(&n))
	return n
}

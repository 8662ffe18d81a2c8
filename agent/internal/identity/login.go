package identity

import (
	"fmt"
	"time"

	"lucid.internal/shared/proof"
)

// formerFor is how long the keys before a rotation are kept for a coordinator
// that knows no newer ones: its database was restored from a backup.
const formerFor = 30 * 24 * time.Hour

// formerRoot is the root secret before the present one. No message under it is
// heeded; it is only tried as a password, after the coordinator, whose
// certificate TLS has checked, refused all newer ones.
type formerRoot struct {
	KeyEpoch   uint32    `json:"key_epoch"`
	Root       []byte    `json:"root"`
	ReplacedAt time.Time `json:"replaced_at"`
}

func (f *formerRoot) epoch() proof.Epoch {
	return proof.Epoch{No: f.KeyEpoch, Keys: proof.Key(f.Root).Derive()}
}

// candidates are the keys to log in with, in the order in which they are tried.
func (r *Ring) candidates() []proof.Epoch {
	all := []proof.Epoch{r.stored.epoch()}
	if r.stored.Next != nil {
		all = append(all, r.stored.Next.epoch())
	}
	if r.stored.Former != nil {
		all = append(all, r.stored.Former.epoch())
	}
	return all
}

// Password is what to log in with.
func (r *Ring) Password() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.candidates()
	return all[r.try%len(all)].Keys.MQTTPassword
}

// Refused says that the coordinator did not take Password: the other keys are
// tried in turn, if there are others.
func (r *Ring) Refused() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.try = (r.try + 1) % len(r.candidates())
}

// LoggedIn says that the coordinator took Password.
func (r *Ring) LoggedIn() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.candidates()
	used := all[r.try%len(all)].No
	r.try = 0
	switch {
	case r.stored.Next != nil && used == r.stored.Next.KeyEpoch:
		return r.promote()
	case r.stored.Former == nil:
		return nil
	case used == r.stored.Former.KeyEpoch:
		return r.fallBack()
	case r.now().Before(r.stored.Former.ReplacedAt.Add(formerFor)):
		return nil
	}
	return r.forget()
}

// fallBack takes the former keys into use again, and keeps those that the
// coordinator refused beside them: should it speak under them all the same, they
// are those in use.
func (r *Ring) fallBack() error {
	refused, former := &nextRoot{KeyEpoch: r.stored.KeyEpoch, Root: r.stored.Root}, r.stored.Former
	r.stored.KeyEpoch, r.stored.Root, r.stored.Next, r.stored.Former = former.KeyEpoch, former.Root, refused, nil
	if err := r.keep(&r.stored); err != nil {
		return fmt.Errorf("keep that the coordinator went back to key epoch %d: %w", r.stored.KeyEpoch, err)
	}
	return nil
}

// forget drops the former keys: the coordinator took newer ones long after.
func (r *Ring) forget() error {
	r.stored.Former = nil
	if err := r.keep(&r.stored); err != nil {
		return fmt.Errorf("remove the keys before epoch %d: %w", r.stored.KeyEpoch, err)
	}
	return nil
}

// Newest is the newest key epoch that was ever in use. It is above the present
// one after the coordinator went back.
func (r *Ring) Newest() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.stored.Next; n != nil && len(n.Offered) == 0 {
		return n.KeyEpoch
	}
	return r.stored.KeyEpoch
}

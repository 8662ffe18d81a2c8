package identity

import (
	"slices"

	"lucid.internal/shared/proof"
)

// Password is what to log in with.
func (r *Ring) Password() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, i := r.candidates()
	r.shown = all[i]
	return r.shown.Keys.MQTTPassword
}

// candidates are the keys to log in with, in the order in which they are tried,
// and whose turn it is. What an earlier turn was by is known by the keys, since a
// message may add to them meanwhile.
func (r *Ring) candidates() (all []proof.Epoch, turn int) {
	all = epochsOf(r.stored.all())
	return all, max(0, slices.Index(all, r.shown))
}

// Refused says that the coordinator did not take Password: the other keys are
// tried in turn, if there are others. left is false once all were tried since the
// last login.
func (r *Ring) Refused() (left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, i := r.candidates()
	next := (i + 1) % len(all)
	r.shown = all[next]
	r.refused = r.refused || next == 0
	return !r.refused
}

// LoggedIn says that the coordinator, whose certificate TLS has checked, took
// Password. Say so before any message of that connection is heeded.
func (r *Ring) LoggedIn() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, i := r.candidates()
	used := r.stored.all()[i]
	r.shown, r.refused = proof.Epoch{}, false
	k, now := r.stored.keyset, r.now().UTC()
	switch {
	case k.Next != nil && k.Next.same(used):
		return r.used(used)
	case !k.same(used):
		r.log.Warn("another key of this node is in use: the coordinator takes none of those tried before it", "key_epoch", used.KeyEpoch, "before", k.KeyEpoch)
		return r.become(k.wentTo(used, now))
	}
	if kept, same := k.aged(now); !same {
		return r.become(kept)
	}
	return nil
}

// Newest is the newest key epoch that was ever in use and that the coordinator
// may know. It is above the present one after the coordinator went back.
func (r *Ring) Newest() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored.newest()
}

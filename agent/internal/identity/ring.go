package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// previousFor is how long the keys before a rotation are heeded after it: a
// challenge under them may be on its way for no longer.
const previousFor = 15 * time.Minute

// ErrReplaced is an identity that is no longer the one of the running agent.
var ErrReplaced = errors.New("this machine enrolled anew: restart the agent")

var errNoEnrolmentKey = errors.New("this machine enrolled before keys could be rotated and does not know the coordinator's signature: enrol it again")

// Ring are the keys of an enrolled node that runs (keyset), and where the
// coordinator is. The next ones are on the disk before the coordinator learns of
// them, and take over only once the coordinator has used them: whoever is killed
// in between, one of the two works.
type Ring struct {
	folder folder
	device ed25519.PrivateKey
	now    func() time.Time
	log    *slog.Logger // of every change of the keys, by their numbers alone

	mu       sync.Mutex
	stored   stored
	previous proof.Epoch // heeded until dropAt; No 0: none
	dropAt   time.Time
	shown    proof.Epoch // by whose password the login under way is
	refused  bool        // all keys were, since the last login
}

// OpenRing reads the keys of an enrolled node; ErrNotEnrolled without one.
func OpenRing(dir string, now func() time.Time, log *slog.Logger) (*Ring, error) {
	f, s, device, err := load(dir, openFolder)
	if err != nil {
		return nil, err
	}
	return &Ring{folder: f, device: device, now: now, log: log, stored: *s}, nil
}

// Epochs are the keys under which the coordinator may speak now: those in use
// first.
func (r *Ring) Epochs() []proof.Epoch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.withPrevious(r.stored.heeded())
}

// Settled are the keys under which the coordinator may have spoken a while ago,
// for what a broker kept of it: those in use first. What was said under others
// may be of a time that a restored database knows nothing of.
func (r *Ring) Settled() []proof.Epoch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.withPrevious([]rootSecret{r.stored.rootSecret})
}

func (r *Ring) withPrevious(secrets []rootSecret) []proof.Epoch {
	epochs := epochsOf(secrets)
	if r.previous.No != 0 && r.now().Before(r.dropAt) {
		epochs = append(epochs, r.previous)
	}
	return epochs
}

func epochsOf(secrets []rootSecret) []proof.Epoch {
	epochs := make([]proof.Epoch, 0, len(secrets)+1)
	for _, s := range secrets {
		epochs = append(epochs, s.epoch())
	}
	return epochs
}

// Used says that the coordinator spoke under these keys just now.
func (r *Ring) Used(e proof.Epoch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stored.heeded() {
		if s.epoch() == e {
			return r.used(s)
		}
	}
	return nil
}

func (r *Ring) used(s rootSecret) error {
	k, ok := r.stored.promoted(s, r.now().UTC())
	if !ok {
		return nil
	}
	r.log.Info("new key is proven: the coordinator uses it", "key_epoch", k.KeyEpoch, "before", r.stored.KeyEpoch)
	r.previous, r.dropAt, r.shown = r.stored.epoch(), r.now().Add(previousFor), proof.Epoch{}
	return r.become(k)
}

// become keeps what happened. When the disk does not take it, it is true of this
// run, and the next run finds out again.
func (r *Ring) become(k keyset) error {
	r.stored.keyset = k
	if err := r.keep(&r.stored); err != nil {
		return fmt.Errorf("keep that key epoch %d is in use: %w", k.KeyEpoch, err)
	}
	return nil
}

// keep writes the identity, unless an enrolment replaced it meanwhile.
func (r *Ring) keep(s *stored) error {
	if err := r.folder.holds(s.TokenHash); err != nil {
		return err
	}
	return r.folder.writeIdentity(s)
}

// Lost tells what took the identity away while its keys were in use: ErrNotEnrolled
// when it was given up, ErrReplaced. nil: it is still there, or nobody can tell,
// since a disk that cannot be read is no end of a node.
func (r *Ring) Lost() error {
	r.mu.Lock()
	token := r.stored.TokenHash
	r.mu.Unlock()
	err := r.folder.holds(token)
	if errors.Is(err, ErrNotEnrolled) || errors.Is(err, ErrReplaced) {
		return err
	}
	return nil
}

// Rotate makes the next keys of the coordinator's offer and gives this side's
// half, once they are on the disk. The same offer gets the same answer again.
func (r *Ring) Rotate(offer *wire.KeyOffer) (*wire.KeyAnswer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, err := r.answer(offer)
	if err != nil {
		r.log.Warn("offer of a new key refused", "in_use", r.stored.KeyEpoch, "error", err)
	}
	return answer, err
}

func (r *Ring) answer(offer *wire.KeyOffer) (*wire.KeyAnswer, error) {
	if offer == nil {
		return nil, errors.New("it offers no key")
	}
	if len(r.stored.EnrolmentKey) == 0 {
		return nil, errNoEnrolmentKey
	}
	if err := proof.VerifyOffer(r.stored.EnrolmentKey, r.stored.NodeID, offer); err != nil {
		return nil, fmt.Errorf("the key is not offered by the coordinator's enrolment key: %w", err)
	}
	if n := r.stored.Next; n != nil && n.KeyEpoch == offer.KeyEpoch && bytes.Equal(n.Offered, offer.X25519Public) {
		return &n.Answer, nil
	}
	if offer.KeyEpoch <= r.stored.KeyEpoch {
		return nil, fmt.Errorf("key epoch %d is not above %d", offer.KeyEpoch, r.stored.KeyEpoch)
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	public := private.PublicKey().Bytes()
	root, err := proof.RotatedRoot(private, offer.X25519Public, r.stored.NodeID, offer, public)
	if err != nil {
		return nil, err
	}
	next := &nextRoot{
		rootSecret: rootSecret{offer.KeyEpoch, root[:]}, Offered: offer.X25519Public,
		Answer: *proof.SignAnswer(r.device, r.stored.NodeID, offer, public),
	}
	changed := r.stored
	changed.keyset = changed.offered(next, r.now().UTC())
	if err := r.keep(&changed); err != nil {
		return nil, fmt.Errorf("keep the next key: %w", err)
	}
	r.stored = changed
	r.log.Info("new key taken: it is in use once the coordinator uses it", "key_epoch", next.KeyEpoch, "in_use", r.stored.KeyEpoch)
	return &next.Answer, nil
}

func (f folder) writeIdentity(s *stored) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return f.write(identityFile, append(content, '\n'))
}

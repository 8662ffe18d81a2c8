package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// previousFor is how long the keys before a rotation are heeded after it: a
// challenge under them may be on its way for no longer.
const previousFor = 15 * time.Minute

var errNoEnrolmentKey = errors.New("this machine enrolled before keys could be rotated and does not know the coordinator's signature: enrol it again")

// Ring are the keys of an enrolled node that runs: those in use and, while a
// rotation is not confirmed, those that come after them. The next ones are on
// the disk before the coordinator learns of them, and take over only once the
// coordinator has used them: whoever is killed in between, one of the two works.
// With them goes where the coordinator is.
type Ring struct {
	folder folder
	device ed25519.PrivateKey
	now    func() time.Time

	mu       sync.Mutex
	stored   stored
	previous proof.Epoch // heeded until droppedAt; No 0: none
	dropAt   time.Time
	try      int // which of candidates the next login is by: those before it were refused
}

// OpenRing reads the keys of an enrolled node; ErrNotEnrolled without one.
func OpenRing(dir string, now func() time.Time) (*Ring, error) {
	f, s, device, err := load(dir, openFolder)
	if err != nil {
		return nil, err
	}
	return &Ring{folder: f, device: device, now: now, stored: *s}, nil
}

// Epochs are the keys under which the coordinator may speak now: those in use
// first.
func (r *Ring) Epochs() []proof.Epoch {
	r.mu.Lock()
	defer r.mu.Unlock()
	epochs := []proof.Epoch{r.stored.epoch()}
	if r.stored.Next != nil {
		epochs = append(epochs, r.stored.Next.epoch())
	}
	if r.previous.No != 0 && r.now().Before(r.dropAt) {
		epochs = append(epochs, r.previous)
	}
	return epochs
}

// Used says that the coordinator spoke under the keys of this epoch.
func (r *Ring) Used(epoch uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stored.Next == nil || r.stored.Next.KeyEpoch != epoch {
		return nil
	}
	return r.promote()
}

// promote makes the next keys those in use. When the disk does not take it, it
// is true of this run, and the next run finds out again.
func (r *Ring) promote() error {
	r.previous, r.dropAt, r.try = r.stored.epoch(), r.now().Add(previousFor), 0
	r.stored.Former = &formerRoot{KeyEpoch: r.stored.KeyEpoch, Root: r.stored.Root, ReplacedAt: r.now().UTC()}
	r.stored.KeyEpoch, r.stored.Root, r.stored.Next = r.stored.Next.KeyEpoch, r.stored.Next.Root, nil
	if err := r.keep(&r.stored); err != nil {
		return fmt.Errorf("keep key epoch %d: %w", r.stored.KeyEpoch, err)
	}
	return nil
}

// keep writes the identity, unless an enrolment replaced it meanwhile.
func (r *Ring) keep(s *stored) error {
	current, err := r.folder.identity()
	if err != nil {
		return err
	}
	if !bytes.Equal(current.TokenHash, s.TokenHash) {
		return errors.New("this machine enrolled anew: restart the agent")
	}
	return r.folder.writeIdentity(s)
}

// Rotate makes the next keys of the coordinator's offer and gives this side's
// half, once they are on the disk. The same offer gets the same answer again.
func (r *Ring) Rotate(offer *wire.KeyOffer) (*wire.KeyAnswer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
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
	changed := r.stored
	changed.Next = &nextRoot{
		KeyEpoch: offer.KeyEpoch, Root: root[:], Offered: offer.X25519Public,
		Answer: *proof.SignAnswer(r.device, r.stored.NodeID, offer, public),
	}
	if err := r.keep(&changed); err != nil {
		return nil, fmt.Errorf("keep the next key: %w", err)
	}
	r.stored = changed
	return &changed.Next.Answer, nil
}

// nextRoot is a root secret that the coordinator has not been seen to use yet,
// or not since it went back to the one before (fallBack).
type nextRoot struct {
	KeyEpoch uint32         `json:"key_epoch"`
	Root     []byte         `json:"root"`
	Offered  []byte         `json:"offered,omitempty"` // the coordinator's half; none once it was in use
	Answer   wire.KeyAnswer `json:"answer"`
}

func (n *nextRoot) epoch() proof.Epoch {
	return proof.Epoch{No: n.KeyEpoch, Keys: proof.Key(n.Root).Derive()}
}

func (s *stored) epoch() proof.Epoch {
	return proof.Epoch{No: s.KeyEpoch, Keys: proof.Key(s.Root).Derive()}
}

func (f folder) writeIdentity(s *stored) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return f.write(identityFile, append(content, '\n'))
}

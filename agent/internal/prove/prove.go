// Package prove owns the answer to a challenge: whether it is genuine, its
// solution before the deadline, and the bytes of the response.
//
// It must never answer a challenge that the coordinator did not make for this
// node, answer one twice, or trust the machine's wall clock.
package prove

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Reasons for which a challenge is not answered.
var (
	ErrOtherNode = errors.New("challenge is for another node or key epoch")
	ErrRepeated  = errors.New("challenge was received before")
	ErrTooLate   = errors.New("deadline passed before the puzzle was solved")
)

// solverNice is the priority of the solving thread: the owner's own work
// goes first.
const solverNice = 10

// remembered challenge ids. Older ones are refused by their time of issue,
// so that forgetting an id never lets it be replayed.
const remembered = 64

// maxSpan bounds the time that one challenge can keep the solver busy.
const maxSpan = 15 * time.Minute

// Progress is how far the run's telemetry is acknowledged.
type Progress struct {
	Run   wire.RunID
	Seq   uint64   // last acknowledged message; 0 before the first
	Chain [32]byte // running hash after it
}

// Config of a Prover. Every field is required.
type Config struct {
	NodeID   string
	Epochs   func() []proof.Epoch // the keys under which a challenge may come
	Used     func(proof.Epoch)    // told of the keys of each genuine one
	Device   ed25519.PrivateKey
	BootID   [16]byte
	Uptime   func() (time.Duration, error) // since boot, suspended time included
	Progress func() Progress
	Throttle func() uint32    // the firmware's get_throttled of now; 0 where there is none
	Now      func() time.Time // its monotonic part measures the deadline
}

// Prover answers challenges, one at a time.
type Prover struct {
	config    Config
	seen      []proof.ID // a ring
	issued    []int64    // IssuedMs of each
	next      int
	forgotten int64 // IssuedMs of the youngest challenge that left the ring
	deferred  []time.Time
}

// New makes a prover.
func New(config Config) *Prover {
	return &Prover{config: config, forgotten: -1}
}

// Answer solves a challenge (the JSON of a wire.Challenge that arrived at
// received) and gives its response (the JSON of a wire.Response), which is
// worthless after the deadline that it returns too. It must not be called
// concurrently.
func (p *Prover) Answer(ctx context.Context, payload []byte, received time.Time) (response []byte, deadline time.Time, err error) {
	bytes, challenge, keys, err := p.accept(payload)
	if err != nil {
		return nil, time.Time{}, err
	}
	// Only the span between the two times counts: the wall clocks of node and
	// coordinator need not agree.
	deadline = received.Add(time.Duration(challenge.DeadlineMs-challenge.IssuedMs) * time.Millisecond)
	ctx, cancel := context.WithTimeout(ctx, deadline.Sub(p.config.Now()))
	defer cancel()
	var solutions []uint64
	throttle := p.config.Throttle()
	if throttle&proof.ThrottledNow == 0 || !p.defers() {
		solutions, err = solve(ctx, challenge)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrTooLate
	}
	if err != nil {
		return nil, deadline, fmt.Errorf("challenge %x: %w", challenge.ID, err)
	}
	uptime, err := p.config.Uptime()
	if err != nil {
		return nil, deadline, fmt.Errorf("time since boot: %w", err)
	}
	progress := p.config.Progress()
	answer := proof.Response{
		ChallengeID:   challenge.ID,
		ChallengeHash: proof.HashChallenge(bytes),
		Solutions:     solutions,
		BootID:        p.config.BootID,
		BootTimeMs:    uint64(uptime.Milliseconds()),
		Throttle:      throttle,
		Run:           progress.Run,
		Seq:           progress.Seq,
		Chain:         progress.Chain,
	}
	response, err = json.Marshal(wire.Response{
		V:           wire.ProtocolVersion,
		ChallengeID: hex.EncodeToString(challenge.ID[:]),
		Bytes:       answer.Encode(keys.Response, p.config.Device),
	})
	return response, deadline, err
}

// defers reports whether a throttled machine may leave a challenge unsolved, and
// counts it: to heat it further would only make it slower. The coordinator counts
// too, so what was deferred before a restart is not forgotten.
func (p *Prover) defers() bool {
	now := p.config.Now()
	p.deferred = slices.DeleteFunc(p.deferred, func(at time.Time) bool { return now.Sub(at) >= 24*time.Hour })
	if len(p.deferred) >= proof.DeferralsPerDay {
		return false
	}
	p.deferred = append(p.deferred, now)
	return true
}

// accept decides whether a challenge is the coordinator's, for this node and
// new, and remembers it. It returns its canonical bytes and its epoch's keys too.
func (p *Prover) accept(payload []byte) ([]byte, *proof.Challenge, *proof.Keys, error) {
	message, err := wire.DecodeChallenge(payload)
	if err != nil {
		return nil, nil, nil, err
	}
	c, epoch, err := p.open(message.Bytes)
	if err != nil {
		return nil, nil, nil, err
	}
	if span := c.DeadlineMs - c.IssuedMs; span <= 0 || span > maxSpan.Milliseconds() {
		return nil, nil, nil, fmt.Errorf("challenge %x gives %d ms to answer, want 1 to %d", c.ID, span, maxSpan.Milliseconds())
	}
	if err := p.remember(c); err != nil {
		return nil, nil, nil, err
	}
	p.config.Used(*epoch)
	return message.Bytes, c, &epoch.Keys, nil
}

// open decodes a challenge by the keys under which it was made.
func (p *Prover) open(bytes []byte) (*proof.Challenge, *proof.Epoch, error) {
	var failed error
	for _, epoch := range p.config.Epochs() {
		c, err := proof.DecodeChallenge(bytes, epoch.Keys.Challenge)
		switch {
		case err != nil:
			failed = err
		case c.NodeID != p.config.NodeID || c.KeyEpoch != epoch.No:
			return nil, nil, ErrOtherNode
		default:
			return c, &epoch, nil
		}
	}
	return nil, nil, failed
}

func (p *Prover) remember(c *proof.Challenge) error {
	if c.IssuedMs <= p.forgotten {
		return fmt.Errorf("challenge %x: %w (or is older than those remembered)", c.ID, ErrRepeated)
	}
	for _, id := range p.seen {
		if id == c.ID {
			return fmt.Errorf("challenge %x: %w", c.ID, ErrRepeated)
		}
	}
	if len(p.seen) < remembered {
		p.seen, p.issued = append(p.seen, c.ID), append(p.issued, c.IssuedMs)
		return nil
	}
	p.forgotten = max(p.forgotten, p.issued[p.next])
	p.seen[p.next], p.issued[p.next] = c.ID, c.IssuedMs
	p.next = (p.next + 1) % remembered
	return nil
}

// solve searches on a thread of its own at low priority. The thread is never
// unlocked, so the runtime ends it together with its priority. A system that
// refuses the priority still gets its answer.
func solve(ctx context.Context, c *proof.Challenge) (solutions []uint64, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), solverNice)
		solutions, err = c.Solve(ctx)
	}()
	<-done
	return solutions, err
}

// Uptime is CLOCK_BOOTTIME: the time since boot, suspended time included.
func Uptime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// ParseBootID reads the UUID of /proc/sys/kernel/random/boot_id.
func ParseBootID(text string) (id [16]byte, err error) {
	digits := make([]byte, 0, 32)
	for i := range len(text) {
		if text[i] != '-' && text[i] != '\n' {
			digits = append(digits, text[i])
		}
	}
	if len(digits) != 32 {
		return id, fmt.Errorf("boot id %q is not a UUID", text)
	}
	if _, err := hex.Decode(id[:], digits); err != nil {
		return id, fmt.Errorf("boot id %q is not a UUID: %w", text, err)
	}
	return id, nil
}

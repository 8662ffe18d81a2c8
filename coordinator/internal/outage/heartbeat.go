package outage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/outage/sqlgen"
)

// DefaultThreshold is how far two beats of a process may be apart: a longer gap is a
// fault window. Until the last beat is that old, it is known that none is missing.
const DefaultThreshold = 6 * time.Second

// A clock that goes back by less than this is waited for; by more, it is
// believed, since else a clock that once stood in the future would hide every
// outage until then.
const maxClockStep = time.Hour

// ErrSuperseded says that another coordinator has beaten since our last beat:
// it took over and ended what was live here, so this one must start anew.
var ErrSuperseded = errors.New("another coordinator has taken over")

// Config of a Heartbeat. Only Pool is required.
type Config struct {
	Pool      *db.Pool
	Threshold time.Duration // default DefaultThreshold; RunOnce must be called much more often
	// OnStart is called in the transaction of this process's first beat, with
	// the last beat of its predecessor (zero: there was none). What was live
	// then, above all every connection, ended with that beat.
	OnStart func(ctx context.Context, tx db.Tx, last time.Time) error
	// OnGap is called in the transaction that records or extends a window, after OnStart.
	// An error undoes both and the beat, which is then tried again.
	OnGap  func(ctx context.Context, tx db.Tx, w Window) error
	Now    func() time.Time
	Logger *slog.Logger
}

// Heartbeat writes the beat and finds the gaps. RunOnce must not be called
// concurrently.
type Heartbeat struct {
	cfg     Config
	started bool      // a beat of this process is stored
	failed  bool      // the last try was not
	highest time.Time // latest time known to be covered by a beat
	window  Window    // the last one recorded by this process

	disturbed atomic.Bool // since the last beat
	echoes    bool        // it was before the last beat

	mu     sync.Mutex
	ours   []time.Time // the last beat stored, and later ones of which that is not known
	stored int         // beats
}

// NewHeartbeat makes a heartbeat that has not beaten yet.
func NewHeartbeat(cfg Config) (*Heartbeat, error) {
	if cfg.Pool == nil {
		return nil, errors.New("outage: Config.Pool is required")
	}
	cfg.Threshold = cmp.Or(cfg.Threshold, DefaultThreshold)
	if cfg.Threshold < 0 {
		return nil, fmt.Errorf("outage: threshold %v is negative: every beat would be a gap", cfg.Threshold)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Heartbeat{cfg: cfg}, nil
}

// Disturb tells that just now a node did not get what it is due from us, though
// the heart beats: its message could not be stored, so its connection was closed.
// The time between the two beats around it becomes a fault window, and the time
// to the next beat too: the connection ends, and the node comes back, after it.
func (h *Heartbeat) Disturb() { h.disturbed.Store(true) }

// RunOnce writes one beat. When the beat before is further away than the
// threshold, the time between becomes a fault window in the same transaction.
// Before the first beat of a process any time is one: however quick a restart,
// it cut every connection, and an answer on its way was lost.
func (h *Heartbeat) RunOnce(ctx context.Context) error {
	// A database that hangs must not hang the heart: the next try finds the gap.
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Threshold)
	defer cancel()
	// Wall time without the monotonic part: a machine that was suspended was
	// down, although its monotonic clock stood still. Postgres keeps microseconds.
	now := h.cfg.Now().Round(0).UTC().Truncate(time.Microsecond)
	var covered time.Time
	var window Window
	disturbed := h.disturbed.Swap(false)
	err := db.InTx(ctx, h.cfg.Pool, func(tx db.Tx) error {
		last, err := beat(ctx, tx, now)
		if err != nil {
			return err
		}
		if !h.isOurs(last) {
			return ErrSuperseded
		}
		h.remember(now, false)
		covered = h.coveredUntil(last, now)
		window, err = h.settle(ctx, tx, gap{last, covered, now, disturbed || h.echoes})
		return err
	})
	if err != nil {
		h.failed = true
		if disturbed {
			h.Disturb()
		}
		return fmt.Errorf("heartbeat: %w", err)
	}
	h.remember(now, true)
	h.report(now, covered, window)
	h.started, h.failed, h.echoes, h.window = true, false, disturbed && h.started, window
	h.highest = later(covered, now)
	return nil
}

func beat(ctx context.Context, tx db.Tx, now time.Time) (last time.Time, err error) {
	last, err = sqlgen.New(tx).Beat(ctx, now)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return last, err
}

// Superseded gives ErrSuperseded once another coordinator has beaten since this
// process began to. It may be called at any time, also without the lease.
func (h *Heartbeat) Superseded(ctx context.Context) error {
	before := h.beats()
	last, found, err := lastBeat(ctx, h.cfg.Pool)
	if err != nil {
		return err
	}
	if found && !h.isOurs(last) && h.beats() == before { // else last may be an older one of ours
		return ErrSuperseded
	}
	return nil
}

func (h *Heartbeat) beats() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stored
}

// isOurs reports whether the stored beat is one of this process, which is also
// so before its first.
func (h *Heartbeat) isOurs(last time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ours) == 0 || slices.ContainsFunc(h.ours, last.Equal)
}

// remember notes a beat. The answer to a commit may be lost, so one that
// failed may be stored all the same; the first one counts from its commit on.
func (h *Heartbeat) remember(beat time.Time, stored bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case stored:
		h.stored++
		h.ours = append(h.ours[:0], beat)
	case len(h.ours) > 0:
		h.ours = append(h.ours, beat)
	}
}

// coveredUntil is the latest instant at which a coordinator is known to have
// worked. It is more than the last beat when the clock went back since: the
// way forward again is then no outage.
func (h *Heartbeat) coveredUntil(last, now time.Time) time.Time {
	covered := later(last, h.highest)
	if covered.Sub(now) > maxClockStep {
		return now
	}
	return covered
}

// gap is the time between two beats.
type gap struct {
	last         time.Time // the beat before, as stored
	covered, now time.Time
	disturbed    bool
}

// settle tells the callbacks and records the gap, if it is a fault.
func (h *Heartbeat) settle(ctx context.Context, tx db.Tx, g gap) (Window, error) {
	if !h.started && h.cfg.OnStart != nil {
		if err := h.cfg.OnStart(ctx, tx, g.last); err != nil {
			return Window{}, fmt.Errorf("after the start: %w", err)
		}
	}
	allowed := h.cfg.Threshold
	if !h.started || g.disturbed {
		allowed = 0
	}
	if g.covered.IsZero() || g.now.Sub(g.covered) <= allowed {
		return Window{}, nil
	}
	cause := Coordinator
	if h.started && (h.failed || g.disturbed) {
		cause = Database
	}
	w, err := h.record(ctx, tx, cause, g)
	if err != nil || h.cfg.OnGap == nil {
		return w, err
	}
	if err := h.cfg.OnGap(ctx, tx, w); err != nil {
		return Window{}, fmt.Errorf("after a gap: %w", err)
	}
	return w, nil
}

// record stores the gap as a window. A window that ends where it begins grows
// instead: trouble that lasts must not leave one for each beat.
func (h *Heartbeat) record(ctx context.Context, tx db.Tx, cause Cause, g gap) (Window, error) {
	if h.window.No == 0 || h.window.Cause != cause || !h.window.To.Equal(g.covered) {
		return Record(ctx, tx, cause, g.covered, g.now)
	}
	w := h.window
	w.To = g.now
	if err := sqlgen.New(tx).ExtendWindow(ctx, sqlgen.ExtendWindowParams{WindowNo: w.No, ToAt: w.To}); err != nil {
		return Window{}, fmt.Errorf("extending fault window %d: %w", w.No, err)
	}
	return w, nil
}

func (h *Heartbeat) report(now, covered time.Time, w Window) {
	if w.No != 0 && w.No != h.window.No {
		h.cfg.Logger.Warn("fault window recorded: it counts against no node",
			"cause", w.Cause, "from", w.From, "to", w.To, "seconds", w.To.Sub(w.From).Seconds())
	}
	if ahead := h.highest.Sub(now); ahead > maxClockStep && covered.Equal(now) {
		h.cfg.Logger.Warn("the clock went back: outages are measured from the new time", "by", ahead)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"lucid.internal/agent/internal/prove"
	"lucid.internal/agent/internal/spool"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// reportEvery is how often the status file is written while the connection
// stays as it is.
const reportEvery = 5 * time.Second

// Report is the content of the status file: what `lucid-agent status` shows.
type Report struct {
	UpdatedAt       time.Time         `json:"updated_at"`
	PID             int               `json:"pid"`
	Version         string            `json:"version"`
	NodeID          string            `json:"node_id"`
	Run             wire.RunID        `json:"run"`
	Stopped         bool              `json:"stopped"` // the agent ended in good order
	State           string            `json:"state"`   // running or stopped, as the coordinator said
	Connected       bool              `json:"connected"`
	Since           time.Time         `json:"since"` // when the connection came up or went down
	Server          string            `json:"server"`
	Connection      uint32            `json:"connection"`
	LastError       string            `json:"last_error,omitempty"`
	Cause           string            `json:"cause,omitempty"` // why it is not connected: dns, unreachable, refused, stranger, certificate, login
	RetryAt         *time.Time        `json:"retry_at,omitempty"`
	LastAckAt       *time.Time        `json:"last_ack_at,omitempty"`
	LastAckSeq      uint64            `json:"last_ack_seq"`
	SamplesTaken    uint64            `json:"samples_taken"`
	SamplesWaiting  int               `json:"samples_waiting"`
	MessagesWaiting int               `json:"messages_waiting"`
	SamplesDropped  uint64            `json:"samples_dropped"`
	ClockNotSet     bool              `json:"clock_not_set,omitempty"` // samples wait in memory for the time
	SpoolBytes      int64             `json:"spool_bytes"`             // of those that wait on disk
	SpoolError      string            `json:"spool_error,omitempty"`
	Settings        Settings          `json:"settings"`
	Update          *wire.Update      `json:"update,omitempty"` // that was announced and does not run here
	Absent          map[string]string `json:"absent,omitempty"`
	Verdict         *wire.Verdict     `json:"verdict,omitempty"`        // the last one
	HomeAssistant   string            `json:"home_assistant,omitempty"` // how it stands with it, in words

	// CollectMs is how long each subject took in the last sample; one that
	// gave nothing is in Absent.
	CollectMs map[string]float64 `json:"collect_ms,omitempty"`
}

// Settings are what the agent keeps to now.
type Settings struct {
	SampleInterval  string `json:"sample_interval"`
	PublishInterval string `json:"publish_interval"`
	ConfigVersion   uint64 `json:"config_version"` // of the coordinator's configuration; 0: none was ever taken
	Remote          bool   `json:"remote"`         // the intervals are the coordinator's wish
}

// journal is what delivery and verdicts leave behind, for proofs and the
// status file.
type journal struct {
	mu       sync.Mutex
	progress prove.Progress
	ackedAt  time.Time
	spool    string // why the disk takes no samples; "": it does
	verdict  *wire.Verdict
	muted    bool // the status file cannot be written, which was said
}

// advance notes an acknowledged message. Proofs speak of this run only: what
// an earlier one left on disk does not move them.
func (j *journal) advance(m spool.Message, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ackedAt = at
	if m.Run != j.progress.Run {
		return
	}
	j.progress.Seq = m.LastSeq
	j.progress.Chain = proof.ChainNext(j.progress.Chain, m.Payload)
}

// trouble notes whether the disk takes samples.
func (j *journal) trouble(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spool = ""
	if err != nil {
		j.spool = err.Error()
	}
}

// acknowledged is how far the run is acknowledged.
func (j *journal) acknowledged() prove.Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.progress
}

// judge keeps a verdict.
func (j *journal) judge(payload []byte) error {
	v := new(wire.Verdict)
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("not a verdict: %w", err)
	}
	if v.V != wire.ProtocolVersion {
		return fmt.Errorf("verdict of protocol version %d, want %d", v.V, wire.ProtocolVersion)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.verdict = v
	return nil
}

// describe gives the agent's state now. It belongs to the goroutine of Run.
func (a *Agent) describe() *Report {
	state, queue := a.link.State(), a.queue.Stats()
	a.journal.mu.Lock()
	defer a.journal.mu.Unlock()
	r := &Report{
		UpdatedAt: a.config.Now().UTC().Truncate(time.Millisecond), PID: os.Getpid(), Version: a.config.Version,
		NodeID: a.identity.NodeID, Run: a.recorder.run, State: a.control.State(),
		Connected: state.Connected, Since: state.Since.UTC(), Server: state.Server,
		Connection: state.Connection, LastError: state.LastError, Cause: string(state.Cause),
		LastAckSeq:   a.journal.progress.Seq,
		SamplesTaken: a.recorder.seq, SamplesWaiting: queue.Samples + len(a.recorder.pending),
		MessagesWaiting: queue.Messages, SamplesDropped: queue.DroppedSamples + a.recorder.dropped,
		ClockNotSet: !a.recorder.clock.set(),
		SpoolBytes:  queue.DiskBytes, SpoolError: a.journal.spool,
		Absent: a.recorder.absent, Verdict: a.journal.verdict,
		CollectMs: make(map[string]float64), Settings: a.settings(),
	}
	if a.bridge != nil {
		r.HomeAssistant = a.bridge.State()
	}
	if a.announced() != "" {
		r.Update = a.control.Desired().Update
	}
	for subject, took := range a.collector.Took() {
		r.CollectMs[subject] = float64(took.Microseconds()) / 1000
	}
	if !state.RetryAt.IsZero() {
		r.RetryAt = &state.RetryAt
	}
	if at := a.journal.ackedAt; !at.IsZero() {
		r.LastAckAt = &at
	}
	return r
}

// report gives the service manager a sign of life and writes the status
// file.
func (a *Agent) report(stopped bool) {
	r := a.describe()
	r.Stopped = stopped
	line := fmt.Sprintf("not connected: %s", r.LastError)
	if r.Connected {
		line = fmt.Sprintf("connected to %s, %d samples acknowledged", r.Server, r.LastAckSeq)
	}
	a.config.Notify("WATCHDOG=1\nSTATUS=" + line)
	if a.config.StatusFile == "" {
		return
	}
	err := replaceFile(a.config.StatusFile, encode(r))
	// By hand there is no RuntimeDirectory= that makes /run/lucid-agent.
	if errors.Is(err, fs.ErrNotExist) && os.Mkdir(filepath.Dir(a.config.StatusFile), 0o755) == nil {
		err = replaceFile(a.config.StatusFile, encode(r))
	}
	if err != nil && !a.journal.muted {
		a.config.Logger.Warn("status file cannot be written; `lucid-agent status` will not work", "error", err,
			"remedy", "give run and status the same --status-file, in a folder that this user may write to")
	}
	a.journal.muted = err != nil
}

// reportInterval is short enough for the service manager's watchdog.
func (a *Agent) reportInterval() time.Duration {
	interval := cmp.Or(a.config.reportEvery, reportEvery)
	if half := a.config.Watchdog / 2; half > 0 {
		return min(half, interval)
	}
	return interval
}

// replaceFile replaces a file as a whole. It is not made durable: the file
// is for the present only, and /run is memory.
func replaceFile(path string, content []byte) error {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	// Not through a link that somebody else put there: the folder may be /tmp.
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// ReadReport reads a status file. fs.ErrNotExist: no agent has written one.
func ReadReport(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Running reports whether the agent that wrote the report still does its
// work at now.
func (r *Report) Running(now time.Time) bool {
	return !r.Stopped && now.Sub(r.UpdatedAt) < 6*reportEvery
}

// lockFolder makes sure that one agent at a time uses an identity: two would
// push each other off the broker for ever. The lock ends with the process.
func lockFolder(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another agent is running on %s", dir)
		}
		return nil, &fs.PathError{Op: "lock", Path: dir, Err: err}
	}
	return func() { d.Close() }, nil
}

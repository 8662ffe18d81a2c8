// Package link owns the MQTT connection to a coordinator: dialling with the
// coordinator's own CA, back-off, the will, subscriptions, and publishing
// with a real acknowledgement.
//
// It must never trust another CA than the one it was given, keep a message
// for later, or report a publication as done that was not acknowledged.
package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lucid.internal/shared/wire"
)

// Defaults of a Config.
const (
	DefaultMinBackoff  = time.Second
	DefaultMaxBackoff  = 5 * time.Minute
	DefaultDialTimeout = 20 * time.Second
	// DefaultWriteTimeout is how long a write may be stuck.
	DefaultWriteTimeout = 20 * time.Second
	keepAlive           = 60 * time.Second
	// settled is how long a connection must last before the back-off starts
	// over: a coordinator that accepts and closes at once is not well.
	settled = 30 * time.Second
)

// ErrLost is a publication whose acknowledgement did not come: the other
// side may have it or not.
var ErrLost = errors.New("not acknowledged")

// ErrUnknown is a login that was refused for who it is, by every key that there is.
// Only another enrolment helps.
var ErrUnknown = errors.New("the coordinator does not know this node or its keys any more: enrol again with a new enroll.toml")

// errKey is a login that was refused while other keys were not tried yet, as after
// a coordinator's database was restored.
var errKey = errors.New("the coordinator does not take this key, as after a restore of its database: the other keys of this node, older ones too, are tried next")

// Message came from the coordinator on one of the node's channels.
type Message struct {
	Channel  wire.Channel
	Payload  []byte
	Received time.Time // with a monotonic part
	Retained bool      // the broker kept it: it was said before this connection
}

// Config of a Link.
type Config struct {
	Servers  []string      // host:port, tried in turn
	CAPEM    []byte        // the only CA trusted
	NodeID   string        // user name and client id
	Password func() string // asked for each connection
	// Refused and LoggedIn are told whether the broker took the password, LoggedIn
	// before anything is received. Refused says whether passwords are left that were
	// not tried yet.
	Refused  func() (left bool)
	LoggedIn func()

	// Will is left with the broker for the moment the connection breaks: the
	// retained payload of the status channel. connection counts from 1.
	Will func(connection uint32) []byte
	// Greet is called on each new connection before others may use it.
	Greet func(ctx context.Context, s *Session) error
	// Receive is called for each message, on a goroutine of its own.
	Receive func(Message)

	MinBackoff, MaxBackoff, DialTimeout, WriteTimeout time.Duration // 0: the defaults

	// Addresses are the machine's own; default net.InterfaceAddrs. NetworkChanged
	// tells when they changed; default the kernel's word.
	Addresses      func() ([]net.Addr, error)
	NetworkChanged <-chan struct{}

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: discards
}

// State is what the connection is at.
type State struct {
	Connected  bool
	Server     string // connected to, or tried last
	Connection uint32 // number of the connection in this run
	LastError  string // why it is not connected, or why the last one ended
	Cause      Cause  // of LastError, while not connected
	Since      time.Time
	RetryAt    time.Time // of the next attempt; zero while connected or dialling
}

// Link keeps one connection up.
type Link struct {
	config Config
	left   atomic.Bool // a session was left: no further connection

	mu      sync.Mutex
	servers []string
	tls     *tls.Config
	state   State
	session *Session
	changed chan struct{} // closed and replaced with each up and down
}

// New checks the configuration.
func New(config Config) (*Link, error) {
	setDefault(&config.MinBackoff, DefaultMinBackoff)
	setDefault(&config.MaxBackoff, DefaultMaxBackoff)
	setDefault(&config.DialTimeout, DefaultDialTimeout)
	setDefault(&config.WriteTimeout, DefaultWriteTimeout)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Addresses == nil {
		config.Addresses = net.InterfaceAddrs
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Link{config: config, changed: make(chan struct{})}
	if err := l.Redirect(config.Servers, config.CAPEM); err != nil {
		return nil, err
	}
	l.state = State{Server: config.Servers[0], Since: config.Now()}
	return l, nil
}

// Redirect makes the connections from the next one on go to these servers, and
// trust these CAs alone.
func (l *Link) Redirect(servers []string, caPEM []byte) error {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		return errors.New("the coordinator's CA is not a PEM certificate: enrol again")
	}
	if len(servers) == 0 {
		return errors.New("no server to connect to")
	}
	for _, server := range servers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			return fmt.Errorf("server %q is not host:port: %w", server, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers, l.tls = servers, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	return nil
}

func (l *Link) server(attempt int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.servers[attempt%len(l.servers)]
}

func (l *Link) trust() *tls.Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tls.Clone()
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run connects, and connects again whenever the connection is lost, until
// a session is left for good, or ctx ends, which breaks the connection.
func (l *Link) Run(ctx context.Context) {
	changed, stop := l.watch(ctx)
	defer stop()
	failures := 0
	for attempt := 0; ; attempt++ {
		server := l.server(attempt)
		lasted, err := l.connectOnce(ctx, server, changed)
		if ctx.Err() != nil || l.left.Load() {
			l.down(server, err, 0)
			return
		}
		failures++
		if lasted >= settled {
			failures = 1
		}
		pause := backoff(failures, l.config.MinBackoff, l.config.MaxBackoff)
		l.down(server, err, pause)
		l.config.Logger.Warn("not connected", "server", server, "error", err, "retry_in", pause.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		case <-changed:
			l.config.Logger.Info("the network changed: connecting at once")
			failures, attempt = 0, -1 // from the first server on
		}
	}
}

// watch tells when the network changes, until it is stopped.
func (l *Link) watch(ctx context.Context) (changed <-chan struct{}, stop func()) {
	if l.config.NetworkChanged != nil {
		return l.config.NetworkChanged, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	changed, ended, err := watchNetwork(ctx, l.config.Addresses)
	if err != nil {
		l.config.Logger.Warn("changes of the network are not seen; connections are tried at their own pace", "error", err)
		return nil, cancel
	}
	return changed, func() { cancel(); <-ended }
}

// backoff is full jitter: any moment up to a ceiling that doubles with each
// failure, so that a fleet that lost its coordinator does not come back as
// one wave.
func backoff(failures int, low, high time.Duration) time.Duration {
	ceiling := low
	for range failures - 1 {
		if ceiling *= 2; ceiling >= high {
			ceiling = high
			break
		}
	}
	return rand.N(ceiling) + 1
}

// connectOnce holds one connection until it is lost. It says how long the
// connection lasted and why it ended, or why it never came about.
func (l *Link) connectOnce(ctx context.Context, server string, changed <-chan struct{}) (time.Duration, error) {
	l.mu.Lock()
	l.state.Server, l.state.RetryAt = server, time.Time{}
	connection := l.state.Connection + 1
	l.mu.Unlock()

	s, err := l.dial(ctx, server, connection)
	if err != nil {
		return 0, err
	}
	defer s.Break(context.Cause(ctx))
	if err := l.prepare(ctx, s); err != nil {
		return 0, err
	}
	began := l.config.Now()
	l.up(s)
	l.config.Logger.Info("connected", "server", server, "connection", connection)
	l.hold(ctx, s, changed)
	return l.config.Now().Sub(began), s.ended()
}

// hold waits for the end of a connection. One whose own address is gone hears
// nothing any more, and would be missed only when a ping is not answered.
func (l *Link) hold(ctx context.Context, s *Session, changed <-chan struct{}) {
	for {
		select {
		case <-s.done:
			return
		case <-ctx.Done():
			return
		case <-changed:
			if !s.rooted(l.config.Addresses) {
				s.Break(fmt.Errorf("the network changed: this machine has no longer the address %s", s.conn.LocalAddr()))
			}
		}
	}
}

// prepare subscribes and greets, within the time that a dial may take.
func (l *Link) prepare(ctx context.Context, s *Session) error {
	ctx, cancel := context.WithTimeout(ctx, l.config.DialTimeout)
	defer cancel()
	if err := s.subscribe(ctx); err != nil {
		return err
	}
	if l.config.Greet == nil {
		return nil
	}
	return l.config.Greet(ctx, s)
}

// attempted takes a connection's number: from here on the broker may have
// seen it.
func (l *Link) attempted(connection uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Connection = connection
}

func (l *Link) up(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Connected, l.state.Since, l.state.Cause = true, l.config.Now(), ""
	l.setSession(s)
}

func (l *Link) down(server string, err error, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	if l.state.Connected {
		l.state.Since = now
	}
	l.state.Connected, l.state.Server, l.state.RetryAt = false, server, now.Add(pause)
	if err != nil {
		l.state.LastError, l.state.Cause = err.Error(), causeOf(err)
	}
	l.setSession(nil)
}

func (l *Link) setSession(s *Session) {
	l.session = s
	close(l.changed)
	l.changed = make(chan struct{})
}

// Changed is closed when the connection next comes up or goes down, or an
// attempt fails.
func (l *Link) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// State describes the connection now.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Session waits for a live connection.
func (l *Link) Session(ctx context.Context) (*Session, error) {
	for {
		l.mu.Lock()
		s, changed := l.session, l.changed
		l.mu.Unlock()
		if s != nil && s.alive() {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

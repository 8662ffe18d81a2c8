// Package api owns the REST API: its operations, their JSON shapes, the roles
// they need, and the one translation of a fault into an answer.
//
// It must never hold a rule of any noun or any SQL: it reads a request, asks
// the noun's store, and shapes what comes back. It is the only package that
// imports gin and huma.
//
// Each file is a noun. An operation is declared once, in operation.go's form:
// what stands there is what is documented and what is enforced.
package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/statement"
	"lucid.internal/coordinator/internal/webhook"
)

const (
	basePath = "/api/v1"

	// maxBodyBytes bounds every request body; an operation may ask for less.
	maxBodyBytes = 1 << 20

	defaultTimeout = 10 * time.Second
	// A demanded proof is waited for, but not so long that the server's own limit cuts the answer off.
	defaultProofWait = 30 * time.Second
)

// Config of the API. All down to EnrolFile is required.
type Config struct {
	Access     *access.Store
	Nodes      *node.Store
	Pools      *pool.Store
	Samples    *sample.Store
	Scores     *score.Store
	Proofs     *challenge.Desk
	Alerts     *alert.Store
	Webhooks   *webhook.Store
	Epochs     *epoch.Store
	Statements *statement.Archive
	Payouts    *payout.Store
	Fraud      *fraud.Store
	Manual     *manual.Store
	Audit      *audit.Log
	Events     *event.Feed

	// EnrolFile gives the text of the enroll.toml that a device enrols with.
	EnrolFile func(token string, expires time.Time) string

	Limits  Limits         // of requests; default none
	Readers int            // how many requests may read at once; default 10
	Origins []string       // whose pages may read answers, as browsers write them: https://name[:port]; default none
	Hosts   []string       // names that requests may be for, AnyHost among them for all; default all
	Proxies []netip.Prefix // whose X-Forwarded-For and X-Forwarded-Proto are believed; default none

	Checks  []Check       // what /ready asks
	Version string        // of this program; default "unknown"
	Timeout time.Duration // of one request; default 10 s
	// ProofWait is how long a proof that is demanded is waited for; default 30 s.
	ProofWait time.Duration

	Metrics interface { // default: a registry of its own
		prometheus.Registerer
		prometheus.Gatherer
	}
	Logger *slog.Logger
	Now    func() time.Time
}

type server struct {
	Config
	engine *gin.Engine
	huma   huma.API
	meter  meter
	limits limits

	readers   readers
	streams   *openStreams
	heartbeat time.Duration // of event streams
}

// New builds the handler of the whole API.
func New(c Config) (http.Handler, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	return s.engine, nil
}

func newServer(c Config) (*server, error) {
	c = c.withDefaults()
	s := &server{
		Config: c, engine: newEngine(), limits: newLimits(c.Limits), readers: newReaders(c.Readers), streams: newOpenStreams(), heartbeat: heartbeatInterval,
	}
	if lacking := s.lacking(); len(lacking) > 0 {
		return nil, fmt.Errorf("api: Config lacks %s", strings.Join(lacking, ", "))
	}
	s.meter = newMeter()
	if err := s.Metrics.Register(s.meter); err != nil {
		return nil, err
	}
	s.engine.Use(s.begin, s.recoverPanic, s.guardHost, s.shareOrigin)
	s.engine.NoRoute(s.counting(func(c *gin.Context) {
		s.fail(c, fault.New(fault.RouteUnknown, "there is nothing at %s; see /docs", c.Request.URL.Path))
	}))
	s.engine.NoMethod(s.counting(func(c *gin.Context) {
		s.fail(c, fault.New(fault.MethodNotAllowed, "%s does not exist at %s; Allow names what does",
			c.Request.Method, c.Request.URL.Path))
	}))
	s.huma = humagin.New(s.engine, s.document())
	s.operations()
	s.serveDocuments()
	return s, nil
}

// lacking names what of the settings is required and not there.
func (c Config) lacking() (names []string) {
	for _, required := range []struct {
		name string
		has  bool
	}{
		{"Access", c.Access != nil},
		{"Nodes", c.Nodes != nil},
		{"Pools", c.Pools != nil},
		{"Samples", c.Samples != nil},
		{"Scores", c.Scores != nil},
		{"Proofs", c.Proofs != nil},
		{"Alerts", c.Alerts != nil},
		{"Webhooks", c.Webhooks != nil},
		{"Epochs", c.Epochs != nil},
		{"Statements", c.Statements != nil},
		{"Payouts", c.Payouts != nil},
		{"Fraud", c.Fraud != nil},
		{"Manual", c.Manual != nil},
		{"Audit", c.Audit != nil},
		{"Events", c.Events != nil},
		{"EnrolFile", c.EnrolFile != nil},
	} {
		if !required.has {
			names = append(names, required.name)
		}
	}
	return names
}

// operations is the table of contents: one line a noun.
func (s *server) operations() {
	s.nodeOperations()
	s.poolOperations()
	s.fleetOperations()
	s.resourceOperations()
	s.alertOperations()
	s.letterOperations()
	s.webhookOperations()
	s.pootOperations()
	s.payoutOperations()
	s.fraudOperations()
	s.earningsOperations()
	s.statementOperations()
	s.eventOperations()
	s.auditOperations()
	s.enrollOperations()
	s.authOperations()
	s.healthOperations()
}

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = "unknown"
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.ProofWait == 0 {
		c.ProofWait = defaultProofWait
	}
	if c.Readers == 0 {
		c.Readers = defaultReaders
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// newEngine is gin as a router only: no redirects (both spellings of a
// collection are registered), no trust in any proxy's headers.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode) // else gin prints every route
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.ForwardedByClientIP = false
	return e
}

// NewServer makes a server whose time limits keep slow or silent clients from
// holding connections. The caller sets TLSConfig and serves.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

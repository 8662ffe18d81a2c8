package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

// Check is one thing that must work for the coordinator to be of use. Its
// error is shown to anybody who asks, so its text must hold no secret; that of
// a database driver is replaced.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Where probes ask.
const (
	healthPath = "/health"
	readyPath  = "/ready"
)

// checkTimeout is below what probes commonly wait.
const checkTimeout = 2 * time.Second

func (s *server) healthOperations() {
	register(s, operation{
		id: "getHealth", method: http.MethodGet, path: healthPath, tag: "operations", probe: true,
		summary: "Tell that the process lives", description: "Asks nothing but the process itself.",
		example: healthBody{Status: "alive"},
	}, s.getHealth)
	register(s, operation{
		id: "getReady", method: http.MethodGet, path: readyPath, tag: "operations", probe: true,
		summary: "Tell whether it can work",
		description: "200 when every check passes; else 503, and each check says why. Checked are the database, its migrations, the room on " +
			"the data folder's disk, whether what is known of the database is kept there, the broker, and whether this coordinator leads: a standby does not.",
		example: readyBody{Status: "ready", Checks: []checkBody{{Name: "database", OK: true}}},
		unlike: map[int]any{http.StatusServiceUnavailable: readyBody{
			Status: "unready", Checks: []checkBody{{Name: "database", Reason: orNil("it does not answer")}}, Error: &exampleProblem(fault.DatabaseDown).Detail,
		}},
	}, s.getReady)
	register(s, operation{
		id: "getVersion", method: http.MethodGet, path: "/version", tag: "operations",
		summary: "Tell the versions", description: "Of this program, the API and the protocol that agents speak.",
		example: versionBody{Service: "node-management", Version: "1.0.0", API: "v1", Protocol: 1, Go: "go1.26"},
	}, s.getVersion)
}

type healthBody struct {
	Status string `json:"status" enum:"alive"`
}

func (s *server) getHealth(context.Context, *struct{}) (*answer[healthBody], error) {
	return answered(healthBody{"alive"})
}

type readyBody struct {
	Status string      `json:"status" enum:"ready,unready"`
	Checks []checkBody `json:"checks" nullable:"false"`
	Error  *detail     `json:"error,omitempty" doc:"Only with 503, as in every other error."`
}

type checkBody struct {
	Name   string  `json:"name"`
	OK     bool    `json:"ok"`
	Reason *string `json:"reason" doc:"Why it fails."`
}

type readyOutput struct {
	Status int
	Body   readyBody
}

func (s *server) getReady(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	out := &readyOutput{http.StatusOK, readyBody{Status: "ready", Checks: s.runChecks(ctx)}}
	var bad []fault.Field
	for _, c := range out.Body.Checks {
		if !c.OK {
			bad = append(bad, fault.Field{Name: c.Name, Reason: *c.Reason})
		}
	}
	if bad != nil {
		p := s.problem(ctx, fault.New(fault.DatabaseDown, "not ready; see details").WithFields(bad...))
		out.Status, out.Body.Status, out.Body.Error = p.status, "unready", &p.Detail
	}
	return out, nil
}

// runChecks runs all checks at once: one that hangs must not hide the others.
func (s *server) runChecks(ctx context.Context) []checkBody {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]checkBody, len(s.Checks))
	var wait sync.WaitGroup
	for i, check := range s.Checks {
		wait.Go(func() { results[i] = s.runCheck(ctx, check) })
	}
	wait.Wait()
	return results
}

func (s *server) runCheck(ctx context.Context, check Check) (result checkBody) {
	result = checkBody{Name: check.Name, OK: true}
	fail := func(err error, reason string) {
		s.Logger.WarnContext(ctx, "check failed", "check", check.Name, "error", err)
		result.OK, result.Reason = false, &reason
	}
	defer func() { // it runs on a goroutine of its own, where a panic would end the process
		if v := recover(); v != nil {
			fail(fmt.Errorf("panic: %v\n%s", v, debug.Stack()), "the check itself failed; see the log")
		}
	}()
	if err := check.Run(ctx); err != nil {
		reason := err.Error()
		if f := classify(err); f.Code != fault.InternalError {
			reason = f.Message // a driver's own words name users, hosts and files
		}
		fail(err, reason)
	}
	return result
}

type versionBody struct {
	Service  string `json:"service"`
	Version  string `json:"version"`
	API      string `json:"api"`
	Protocol int    `json:"protocol"`
	Go       string `json:"go"`
}

func (s *server) getVersion(context.Context, *struct{}) (*answer[versionBody], error) {
	return answered(versionBody{
		Service: "node-management", Version: s.Version, API: "v1", Protocol: wire.ProtocolVersion, Go: runtime.Version(),
	})
}

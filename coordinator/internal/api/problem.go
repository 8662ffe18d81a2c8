package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

// problem is the answer to every request that fails.
type problem struct {
	Detail detail `json:"error"`
	status int
	header http.Header
}

type detail struct {
	Code      string        `json:"code" pattern:"^LUCID_ERR_[0-9]{4}$" example:"LUCID_ERR_4001" doc:"What happened; never changes its meaning."`
	Message   string        `json:"message" doc:"For a person: what happened and what to do."`
	Details   []fault.Field `json:"details" nullable:"false" doc:"Every bad field, when the input is to blame."`
	RequestID string        `json:"request_id" doc:"Quote it when asking for help."`
	Timestamp time.Time     `json:"timestamp"`
	Service   string        `json:"service" example:"node-management"`
	Version   string        `json:"version" example:"v1"`
}

func exampleProblem(c fault.Code) *problem {
	details := []fault.Field{}
	switch c {
	case fault.Validation:
		details = append(details, fault.Field{Name: "name", Reason: "expected string to be 3 to 100 letters, digits, _ or -"})
	case fault.BadPayoutAddress:
		details = append(details, fault.Field{Name: "payout_address", Reason: "is no TRON address"})
	}
	return &problem{Detail: detail{
		Code: c.String(), Message: meaning(c), Details: details, RequestID: "018e0000-0000-7000-8000-000000000001",
		Timestamp: exampleTime(), Service: "node-management", Version: "v1",
	}}
}

// Error, GetStatus and GetHeaders let huma send a problem that a handler
// returned.
func (p *problem) Error() string           { return p.Detail.Code + ": " + p.Detail.Message }
func (p *problem) GetStatus() int          { return p.status }
func (p *problem) GetHeaders() http.Header { return p.header }

// defaultWait is told to who comes too often when nobody knows how long it
// takes, as with places that others hold.
const defaultWait = 5 * time.Second

// problem is the one place where an error becomes an answer. What is not a
// fault is logged and shows nothing of itself.
func (s *server) problem(ctx context.Context, err error) *problem {
	f := classify(err)
	switch f.Code.Kind {
	case fault.Internal:
		s.Logger.ErrorContext(ctx, "request failed", "request_id", callOf(ctx).id, "operation", callOf(ctx).operation, "error", err)
		f = fault.New(fault.InternalError, "an internal error; it is in our log under this request_id")
	case fault.Unavailable:
		s.Logger.WarnContext(ctx, "request failed", "request_id", callOf(ctx).id, "operation", callOf(ctx).operation, "error", err)
	}
	p := &problem{status: statuses(f.Code)[0], header: http.Header{}}
	p.Detail = detail{
		Code: f.Code.String(), Message: f.Message, Details: append([]fault.Field{}, f.Fields...),
		RequestID: callOf(ctx).id, Timestamp: s.Now().UTC(), Service: "node-management", Version: "v1",
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		p.status = http.StatusRequestEntityTooLarge
	}
	if _, wrong := errors.AsType[wrongHost](err); wrong {
		p.status = http.StatusMisdirectedRequest
	}
	if f.Code.Kind == fault.Limited {
		wait := defaultWait
		if soon, is := errors.AsType[access.TooSoon](err); is {
			wait = soon.Wait
		}
		p.header.Set("Retry-After", strconv.FormatInt(int64(wait/time.Second), 10))
	}
	switch f.Code {
	case fault.NoCredentials:
		p.header.Set("WWW-Authenticate", `Bearer realm="lucid"`)
	case fault.BadCredentials:
		p.header.Set("WWW-Authenticate", `Bearer realm="lucid", error="invalid_token"`)
	}
	return p
}

// classify finds the fault in err, and makes one of the troubles that every
// operation shares.
func classify(err error) *fault.Error {
	f := fault.As(err)
	switch {
	case f.Code != fault.InternalError:
		return f
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), postgresCode(err) == "57014":
		return fault.Wrap(fault.TimedOut, err, "the request took too long and was given up; try again")
	case databaseDown(err):
		return fault.Wrap(fault.DatabaseDown, err, "the database does not answer at the moment; try again")
	}
	return f
}

// databaseDown tells a database that cannot be reached from a statement that
// failed.
func databaseDown(err error) bool {
	if _, failed := errors.AsType[*pgconn.ConnectError](err); failed {
		return true
	}
	if code := postgresCode(err); code != "" {
		// connection exception, shutdown or start of the server, no slot left
		return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") || code == "53300"
	}
	_, network := errors.AsType[*net.OpError](err)
	return network || pgconn.SafeToRetry(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

func postgresCode(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// statuses of a code; the first is the usual one.
func statuses(c fault.Code) []int {
	switch c.Kind {
	case fault.Malformed:
		return []int{http.StatusBadRequest}
	case fault.Invalid:
		return []int{http.StatusUnprocessableEntity}
	case fault.Unsupported:
		return []int{http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge}
	case fault.NoRoute, fault.NotFound:
		return []int{http.StatusNotFound}
	case fault.NoMethod:
		return []int{http.StatusMethodNotAllowed}
	case fault.Unauthorized:
		return []int{http.StatusUnauthorized}
	case fault.Denied:
		return []int{http.StatusForbidden}
	case fault.Limited:
		return []int{http.StatusTooManyRequests}
	case fault.Conflict:
		return []int{http.StatusConflict}
	case fault.Stale:
		return []int{http.StatusPreconditionFailed}
	case fault.Unavailable:
		return []int{http.StatusServiceUnavailable}
	case fault.Timeout:
		return []int{http.StatusGatewayTimeout}
	}
	return []int{http.StatusInternalServerError}
}

// fail answers outside of huma: the router's own errors, credentials, panics.
func (s *server) fail(c *gin.Context, err error) {
	p := s.problem(c.Request.Context(), err)
	for name, values := range p.header {
		c.Writer.Header()[name] = values
	}
	c.Abort()
	body, err := json.Marshal(p)
	if err != nil { // a problem is strings and a time
		panic(err)
	}
	c.Data(p.status, "application/json", body)
}

// transform turns huma's own errors (parsing and validation) into ours. It is
// bound to this API, where huma.NewError is one variable of the whole process:
// setting that would be a global that two handlers, or two tests, share.
func (s *server) transform(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	ctx.SetHeader("Content-Type", "application/json")
	return s.problem(ctx.Context(), faultOf(m.Status, append(m.Errors, callOf(ctx.Context()).unknown...))), nil
}

package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

const requestIDHeader = "X-Request-ID"

// call is what is known of a request while it runs.
type call struct {
	id        string
	operation string // "none" until a route is found
	principal access.Principal
	address   netip.Addr // whence it comes, also through trusted proxies
	private   bool       // nobody on the way can read it: TLS, or this machine itself
	encrypted bool       // it left its caller over TLS
	server    *server
	unknown   []*huma.ErrorDetail // query parameters that the operation does not take
}

type callKey struct{}

// callOf gives the call that ctx belongs to.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{operation: "none"}
}

// begin opens the call of a request, and logs and counts it at its end. Only
// the path is logged: a query or a header may hold what must stay secret.
func (s *server) begin(c *gin.Context) {
	started := s.Now()
	call := &call{
		id: requestID(c.GetHeader(requestIDHeader)), operation: "none", address: s.remoteOf(c.Request),
		private: s.isPrivate(c.Request), encrypted: s.isEncrypted(c.Request), server: s,
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), callKey{}, call))
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBodyBytes)
	c.Header(requestIDHeader, call.id)
	secure(c)

	c.Next()

	took := s.Now().Sub(started)
	s.meter.observe(call.operation, c.Writer.Status(), took)
	level := slog.LevelInfo
	if c.Request.Method == http.MethodGet && !strings.HasPrefix(c.Request.URL.Path, basePath) {
		level = slog.LevelDebug // probes and scrapes would drown the rest
	}
	s.Logger.Log(c.Request.Context(), level, "request",
		"request_id", call.id, "method", c.Request.Method, "path", c.Request.URL.Path, "operation", call.operation,
		"status", c.Writer.Status(), "bytes", c.Writer.Size(), "duration", took, "caller", call.principal.ID,
		"remote", call.address)
}

// requestID keeps the caller's id when it is harmless in logs and headers.
func requestID(given string) string {
	if given == "" || len(given) > 64 {
		return uuid.Must(uuid.NewV7()).String()
	}
	for i := range len(given) {
		switch b := given[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '_', b == '-', b == '.':
		default:
			return uuid.Must(uuid.NewV7()).String()
		}
	}
	return given
}

// secure sets what a browser must know. Answers are one caller's own, so they
// are never cached.
func secure(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	if c.Request.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// recoverPanic turns a panic into an internal error; the stack goes to the log.
func (s *server) recoverPanic(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so as well
			panic(v)
		}
		err := fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		if c.Writer.Written() {
			s.Logger.ErrorContext(c.Request.Context(), "panic after the answer began",
				"request_id", callOf(c.Request.Context()).id, "error", err)
			return
		}
		s.fail(c, err)
	}()
	c.Next()
}

// readBody takes the whole body into memory, so that every way in which
// reading can fail is answered here and not in the middle of an operation.
func readBody(c *gin.Context, limit int64) error {
	if c.Request.Body == nil || c.Request.Body == http.NoBody {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	if large, is := errors.AsType[*http.MaxBytesError](err); is {
		return fault.Wrap(fault.MediaType, err, "the body is larger than %d bytes", large.Limit)
	} else if err != nil {
		return fault.Wrap(fault.BodyMalformed, err, "the body did not arrive completely")
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

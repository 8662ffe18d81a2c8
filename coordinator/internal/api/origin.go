package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"lucid.internal/coordinator/internal/fault"
)

// AnyHost among Config.Hosts lets any name through.
const AnyHost = "*"

// What a page of another origin may send and read.
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-API-Key, X-Request-ID"
	corsExposed = "ETag, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-ID"
	corsMaxAge  = "600" // seconds for which a browser keeps the answer
)

// wrongHost is in the error of a request for a host that is not ours.
type wrongHost struct{}

func (wrongHost) Error() string { return "host is not among the trusted hosts" }

// guardHost answers for our own names only: a page that makes a browser believe
// its name is ours gets nothing. Probes ask by whatever address they were given
// and learn nothing but that we live.
func (s *server) guardHost(c *gin.Context) {
	if s.trusts(c.Request.Host) || c.Request.URL.Path == healthPath || c.Request.URL.Path == readyPath {
		return
	}
	s.fail(c, fault.Wrap(fault.RouteUnknown, wrongHost{},
		"nothing is served under the host name of this request; use one that trusted_hosts or public_hosts names"))
}

// trusts compares without the port and in any case.
func (s *server) trusts(host string) bool {
	if len(s.Hosts) == 0 || slices.Contains(s.Hosts, AnyHost) {
		return true
	}
	name := host
	if inner, found := strings.CutPrefix(host, "["); found {
		name, _, _ = strings.Cut(inner, "]")
	} else if i := strings.LastIndexByte(host, ':'); i >= 0 {
		name = host[:i]
	}
	name = strings.TrimSuffix(name, ".")
	return slices.ContainsFunc(s.Hosts, func(ours string) bool { return strings.EqualFold(ours, name) })
}

// shareOrigin lets pages of the configured origins read our answers, and no
// others. It allows no cookies: a page sends its credential itself.
func (s *server) shareOrigin(c *gin.Context) {
	if len(s.Origins) == 0 {
		return
	}
	h := c.Writer.Header()
	h.Add("Vary", "Origin")
	origin := c.GetHeader("Origin")
	if !slices.Contains(s.Origins, origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.Request.Method != http.MethodOptions || c.GetHeader("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", corsExposed)
		return
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	c.AbortWithStatus(http.StatusNoContent)
}

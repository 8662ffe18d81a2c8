package api

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/limit"
)

// Limits are how many requests a minute a caller may make; 0 is any number.
type Limits struct {
	Anonymous int // from one address, without a good credential
	User      int // of one user or API key
	Service   int // the same with role service or admin
}

// limits counts who calls how often.
type limits struct {
	Limits
	addresses *limit.Origins
	lookups   *limit.Origins // of API keys that turned out not to be good
	callers   *limit.Limiter[string]
}

func newLimits(l Limits) limits {
	return limits{l, limit.NewOrigins(limit.DefaultKeys), limit.NewOrigins(limit.DefaultKeys), limit.New[string](limit.DefaultKeys)}
}

func (l *limits) of(role access.Role) int {
	if role == access.Service || role == access.Admin {
		return l.Service
	}
	return l.User
}

// identify finds out who calls and counts the request: as the caller's own when
// the credential is good, else as its address's. What else comes from there
// takes nothing from a good credential: a token is checked here, and a key is
// looked up until too many from there were not good.
func (s *server) identify(ctx context.Context, c *gin.Context) (access.Principal, error) {
	credential, err := credentialOf(c.Request)
	if err != nil {
		return access.Principal{}, s.orLimited(c, err)
	}
	asks := s.Access.NeedsLookup(credential)
	if asks {
		if err := s.mayLookUp(c); err != nil {
			return access.Principal{}, err
		}
	}
	p, err := s.Access.Authenticate(ctx, credential)
	switch {
	case err != nil && fault.As(err).Code.Kind == fault.Unauthorized:
		if asks {
			s.lookedUpInVain(c)
		}
		return p, s.orLimited(c, err)
	case err != nil:
		return p, err // it was ours
	}
	perMinute := s.limits.of(p.Role)
	if perMinute == 0 {
		return p, nil
	}
	r := s.limits.callers.Take(p.ID, perMinute, s.Now())
	if !r.Allowed {
		return p, refuse(c, r, "this credential's owner")
	}
	tellRate(c.Writer.Header(), r)
	return p, nil
}

// orLimited counts a request that was refused with err as its address's; once
// there have been too many, that is what it is told.
func (s *server) orLimited(c *gin.Context, err error) error {
	if limited := s.countAddress(c); limited != nil {
		return limited
	}
	return err
}

// countAddress counts a request that nobody with a good credential makes.
func (s *server) countAddress(c *gin.Context) error {
	if s.limits.Anonymous == 0 {
		return nil
	}
	r := s.limits.addresses.Take(addressOf(c), s.limits.Anonymous, s.Now())
	if !r.Allowed {
		return refuse(c, r, s.limits.whose(r)+" without a good credential")
	}
	tellRate(c.Writer.Header(), r)
	return nil
}

// whose names what a refusal is of: a site's allowance is larger than an address's.
func (l *limits) whose(r limit.Result) string {
	if r.Limit > l.Anonymous {
		return "this network of 48 bits"
	}
	return "this address"
}

// mayLookUp refuses to ask the database about yet another key of an address
// whose keys were bad: nobody guesses one, but all could be kept waiting.
func (s *server) mayLookUp(c *gin.Context) error {
	if s.limits.Anonymous == 0 {
		return nil
	}
	if r := s.limits.lookups.Look(addressOf(c), s.limits.Anonymous, s.Now()); !r.Allowed {
		return refuse(c, r, s.limits.whose(r)+" with API keys that are not good")
	}
	return nil
}

func (s *server) lookedUpInVain(c *gin.Context) {
	if s.limits.Anonymous > 0 {
		s.limits.lookups.Take(addressOf(c), s.limits.Anonymous, s.Now())
	}
}

func addressOf(c *gin.Context) netip.Addr { return callOf(c.Request.Context()).address }

// counting answers for a route that is no operation, unless its caller asks too
// often.
func (s *server) counting(handle gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := s.countAddress(c); err != nil {
			s.fail(c, err)
			return
		}
		handle(c)
	}
}

func refuse(c *gin.Context, r limit.Result, whose string) error {
	tellRate(c.Writer.Header(), r)
	return fault.Wrap(fault.RateLimited, access.TooSoon{Wait: wholeSeconds(r.Wait)},
		"more than %d requests a minute from %s; wait as Retry-After says", r.Limit, whose)
}

// tellRate sets the header fields of draft-ietf-httpapi-ratelimit-headers-06,
// the last one with a field for each number. Reset is in seconds: until
// everything is free again, and in a refusal the same as Retry-After, as the
// draft asks for.
func tellRate(h http.Header, r limit.Result) {
	reset := r.Full
	if !r.Allowed {
		reset = r.Wait
	}
	h.Set("RateLimit-Limit", strconv.Itoa(r.Limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(r.Remaining))
	h.Set("RateLimit-Reset", strconv.FormatInt(int64(wholeSeconds(reset)/time.Second), 10))
}

// wholeSeconds rounds up: whoever comes as late as told is let through.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// rateHeaders documents what a refusal for the rate carries.
func rateHeaders() map[string]*huma.Param {
	number := func(text string) *huma.Param {
		return &huma.Param{Description: text, Schema: &huma.Schema{Type: huma.TypeInteger}}
	}
	return map[string]*huma.Param{
		"Retry-After":         number("Seconds to wait."),
		"RateLimit-Limit":     number("Requests a minute."),
		"RateLimit-Remaining": number("Requests that may follow at once."),
		"RateLimit-Reset":     number("Seconds until more are allowed."),
	}
}

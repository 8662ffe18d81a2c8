package access_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lucid.internal/coordinator/internal/fault"
)

// Tokens that come together wait for one fetch.
func TestOutsideKeysAreFetchedOnce(t *testing.T) {
	o := newOutsider(t, newClock())
	o.publish(edKey("k1", 1))
	s := o.store(o.config())
	text := o.token(jwt.SigningMethodEdDSA, signingKey(1), nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := s.Authenticate(t.Context(), text); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := o.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// An issuer that takes the question and never answers is given up.
func TestOutsideIssuerThatHangs(t *testing.T) {
	o := newOutsider(t, newClock())
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hanging.Close)
	config := o.config()
	config.JWKSURL, config.Client = hanging.URL, &http.Client{Timeout: 20 * time.Millisecond}
	_, err := o.store(config).Authenticate(t.Context(), o.token(jwt.SigningMethodEdDSA, signingKey(1), nil))
	if !fault.Has(err, fault.TimedOut) {
		t.Errorf("got %v", err)
	}
}

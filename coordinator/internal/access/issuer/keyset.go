package issuer

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	fetchTimeout  = 5 * time.Second
	maxSetBytes   = 256 << 10
	maxKeys       = 64
	freshFor      = 10 * time.Minute // then they are fetched again
	staleFor      = time.Hour        // as long they serve while fetching fails
	leastInterval = 30 * time.Second // between two fetches, whatever tokens come
)

// errUnavailable says that nothing is known about a key, because the issuer
// did not answer.
var errUnavailable = errors.New("the issuer's keys cannot be had")

// newClient asks one address and follows nothing from there: a redirect could
// lead to where only we can reach.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// keySet is an issuer's keys, fetched when they are needed and kept.
type keySet struct {
	url, algorithm string
	client         *http.Client
	now            func() time.Time
	turn           chan struct{} // who holds it fetches; others wait for the result

	mu      sync.RWMutex
	keys    map[string]crypto.PublicKey
	fetched time.Time // when keys came
	tried   time.Time // when they were last asked for
}

func newKeySet(url, algorithm string, client *http.Client, now func() time.Time) *keySet {
	return &keySet{url: url, algorithm: algorithm, client: client, now: now, turn: make(chan struct{}, 1)}
}

// find gives the key of that id. Strangers can name any id, so a fetch happens
// once in a while at most.
func (s *keySet) find(ctx context.Context, id string) (crypto.PublicKey, error) {
	if key, known, due := s.look(id); !due {
		return s.found(key, known, id)
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errUnavailable, ctx.Err())
	}
	key, known, due := s.look(id) // another one may have fetched meanwhile
	if due {
		err := s.fetch(ctx)
		if key, known, _ = s.look(id); !known && err != nil {
			return nil, fmt.Errorf("%w: %w", errUnavailable, err)
		}
	}
	return s.found(key, known, id)
}

func (s *keySet) found(key crypto.PublicKey, known bool, id string) (crypto.PublicKey, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if known {
		return key, nil
	}
	if s.fetched.IsZero() || s.now().Sub(s.fetched) >= staleFor {
		return nil, errUnavailable
	}
	return nil, fmt.Errorf("the issuer has no key %q", id)
}

// look finds a key among those that came, and tells whether to fetch.
func (s *keySet) look(id string) (key crypto.PublicKey, known, due bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.now()
	age := now.Sub(s.fetched)
	if key, known = s.keys[id]; age >= staleFor {
		key, known = nil, false
	}
	due = (!known || age >= freshFor) && (s.tried.IsZero() || now.Sub(s.tried) >= leastInterval)
	return key, known, due
}

// fetch replaces the keys. When it fails, those from before stay.
func (s *keySet) fetch(ctx context.Context) error {
	now := s.now()
	keys, err := s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = now
	if err != nil {
		return err
	}
	s.keys, s.fetched = keys, now
	return nil
}

func (s *keySet) read(ctx context.Context) (map[string]crypto.PublicKey, error) {
	// A caller who hangs up must not spoil the fetch for those who wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", s.url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxSetBytes {
		return nil, fmt.Errorf("%s gives more than %d bytes", s.url, maxSetBytes)
	}
	return parseSet(body, s.algorithm)
}

// parseSet reads the keys of one algorithm out of a JWKS. Keys of other kinds
// are left out; a set without a single usable key is an error.
func parseSet(body []byte, algorithm string) (map[string]crypto.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("the key set is not JSON: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set holds %d keys, at most %d", len(set.Keys), maxKeys)
	}
	keys := map[string]crypto.PublicKey{}
	for _, raw := range set.Keys {
		var k jwk
		if json.Unmarshal(raw, &k) != nil || !k.usable(algorithm) {
			continue
		}
		key, err := k.public(algorithm)
		if err != nil {
			continue
		}
		if _, twice := keys[k.ID]; twice {
			return nil, fmt.Errorf("the key set holds key %q twice", k.ID)
		}
		keys[k.ID] = key
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the key set holds no key for %s", algorithm)
	}
	return keys, nil
}

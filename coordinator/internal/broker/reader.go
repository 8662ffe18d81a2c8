package broker

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

// Readers are integrations: they log in with an API key, read what they were
// granted and publish nothing. They have no presence and no will.

const (
	readerUserMark   = "key_" // begins the user name of every reader
	nodeMark         = "node_"
	maxReaders       = 500 // connections of all
	maxReadersPerKey = 10
)

var errReaderChanged = errors.New("the API key, or what it may read, has changed")

// reader is what a session of an integration may do.
type reader struct {
	keyID, clientID string
	filters         []string // may not change
}

// mayRead reports whether a filter lies within one of the grants.
func (r *reader) mayRead(filter string) bool {
	for _, granted := range r.filters {
		if wire.Covers(granted, filter) {
			return true
		}
	}
	return false
}

// readerRegistry knows the connections of integrations.
type readerRegistry struct {
	mu  sync.Mutex
	all map[*session]struct{}
}

// put adds a session, and gives the one that the same client had before. It
// refuses one too many.
func (r *readerRegistry) put(s *session) (before *session, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ofKey := 0
	for other := range r.all {
		if other.reader.keyID != s.reader.keyID {
			continue
		}
		ofKey++
		if s.reader.clientID != "" && other.reader.clientID == s.reader.clientID {
			before = other
		}
	}
	if before == nil && (len(r.all) >= maxReaders || ofKey >= maxReadersPerKey) {
		return nil, false
	}
	delete(r.all, before)
	r.all[s] = struct{}{}
	return before, true
}

func (r *readerRegistry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, s)
}

// send has a message sent to who subscribed to it.
func (r *readerRegistry) send(m *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.all {
		s.outbox.send(m)
	}
}

func (r *readerRegistry) list() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.all))
}

// isReader: who begins with node_ is taken for a node, whatever it says.
func isReader(c *packets.ConnectParams) bool {
	return strings.HasPrefix(string(c.Username), readerUserMark) && !strings.HasPrefix(c.ClientIdentifier, nodeMark)
}

// loginReader checks the CONNECT of an integration.
func (b *Broker) loginReader(ctx context.Context, cl *mqtt.Client, c *packets.ConnectParams) (*session, error) {
	switch {
	case b.cfg.AuthenticateReader == nil:
		return nil, &refusal{packets.ErrBadUsernameOrPassword, badUserName}
	case c.WillFlag:
		return nil, &refusal{packets.ErrBadUsernameOrPassword, badWill}
	}
	keyID := string(c.Username)
	from, _ := netip.ParseAddrPort(cl.Net.Remote) // an address that cannot be read counts as one
	var filters []string
	err := b.call(ctx, loggingIn, func(ctx context.Context) (err error) {
		filters, err = b.cfg.AuthenticateReader(ctx, keyID, c.Password, from.Addr())
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, errNoTurn):
		return nil, &refusal{packets.ErrServerUnavailable, tooBusy}
	case wrongLogin(err):
		return nil, &refusal{packets.ErrBadUsernameOrPassword, badPassword}
	case fault.As(err).Code.Kind == fault.Limited:
		return nil, &refusal{packets.ErrServerUnavailable, tooManyTries}
	default:
		b.cfg.Logger.Error("MQTT login could not be checked", "key", keyID, "error", err)
		return nil, &refusal{packets.ErrServerUnavailable, loginUnchecked}
	}
	s := b.newSession(Client{NodeID: keyID}, cl)
	s.reader = &reader{keyID: keyID, clientID: strings.Clone(c.ClientIdentifier), filters: filters}
	return s, nil
}

// CheckReaders closes the connections of integrations whose key has ended, or
// may not read the same as when it logged in. current gives what each key may
// read now; a key that may not log in is not among them.
func (b *Broker) CheckReaders(ctx context.Context, current func(ctx context.Context, keyIDs []string) (map[string][]string, error)) error {
	connected := b.readers.list()
	if len(connected) == 0 {
		return nil
	}
	keys := map[string]struct{}{}
	for _, s := range connected {
		keys[s.reader.keyID] = struct{}{}
	}
	filters, err := current(ctx, slices.Sorted(maps.Keys(keys)))
	if err != nil {
		return err
	}
	for _, s := range connected {
		if now := filters[s.reader.keyID]; len(now) == 0 || !slices.Equal(now, s.reader.filters) {
			s.mqtt.Stop(errReaderChanged)
		}
	}
	return nil
}

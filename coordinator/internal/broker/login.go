package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

// refusal is why a CONNECT is refused: the answer to the client and the reason
// that is counted.
type refusal struct {
	code   packets.Code
	reason string
}

func (r *refusal) Error() string { return "CONNECT refused: " + r.reason }

// refusalsTold is how many wrong logins a minute the log tells of; the counter
// has them all.
const refusalsTold = 30

// checkConnect is everything about a CONNECT that needs no secret: the client
// id is the user name is a node id, and the will is absent or exactly the
// node's own status at QoS 1, retained, at once: finish publishes the payload there.
func checkConnect(c *packets.ConnectParams) *refusal {
	switch {
	case !wire.ValidNodeID(c.ClientIdentifier):
		return &refusal{packets.ErrClientIdentifierNotValid, badClientID}
	case string(c.Username) != c.ClientIdentifier:
		return &refusal{packets.ErrBadUsernameOrPassword, badUserName}
	case c.WillFlag && (c.WillTopic != statusTopic(c.ClientIdentifier) || c.WillQos != 1 || !c.WillRetain ||
		c.WillProperties.WillDelayInterval != 0):
		return &refusal{packets.ErrBadUsernameOrPassword, badWill}
	}
	return nil
}

// login checks a CONNECT and gives the connection its session. All of it, waiting
// too, takes no longer than CallTimeout: the client would not wait for the answer.
func (b *Broker) login(cl *mqtt.Client, c *packets.ConnectParams) (*session, error) {
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.CallTimeout)
	defer cancel()
	if isReader(c) {
		return b.loginReader(ctx, cl, c)
	}
	if r := checkConnect(c); r != nil {
		return nil, r
	}
	client := Client{NodeID: strings.Clone(c.ClientIdentifier), Address: networkOfClient(cl)}
	err := b.gate.login(ctx, caller{client.Address, client.NodeID}, func() error {
		return b.call(ctx, loggingIn, func(ctx context.Context) (err error) {
			client.NodeNo, client.KeyEpoch, err = b.cfg.Authenticate(ctx, client.NodeID, c.Password)
			return err
		})
	})
	switch {
	case err == nil:
	case errors.Is(err, errFailedBefore):
		return nil, &refusal{packets.ErrServerUnavailable, tooManyTries}
	case errors.Is(err, errNoTurn):
		return nil, &refusal{packets.ErrServerUnavailable, tooBusy}
	case wrongLogin(err):
		if b.refusals.Take(struct{}{}, refusalsTold, b.cfg.Now()).Allowed {
			b.cfg.Logger.Warn("MQTT login refused: no such node, or not its keys", "node", client.NodeID, "remote", cl.Net.Remote)
		}
		return nil, &refusal{packets.ErrBadUsernameOrPassword, badPassword}
	default:
		b.cfg.Logger.Error("MQTT login could not be checked", "node", c.ClientIdentifier, "error", err)
		return nil, &refusal{packets.ErrServerUnavailable, loginUnchecked}
	}
	s := b.newSession(client, cl)
	s.metrics = wire.Topic(client.NodeID, wire.ChannelMetrics)
	s.receipts = newReceipts(b, s)
	if c.WillFlag {
		s.will = bytes.Clone(c.WillPayload)
	}
	return s, nil
}

func networkOfClient(cl *mqtt.Client) netip.Addr {
	if c, ok := cl.Net.Conn.(*conn); ok {
		return c.network
	}
	return netip.Addr{}
}

func wrongLogin(err error) bool {
	kind := fault.As(err).Code.Kind
	return kind == fault.Unauthorized || kind == fault.Denied
}

// fit makes the server's client fit the session: an id of its own, so that
// the server never mixes two connections of one client; no will, because finish
// sends it; a keep-alive that ends.
func (b *Broker) fit(cl *mqtt.Client, s *session) {
	cl.ID = fmt.Sprintf("%s#%d", s.client.NodeID, b.connNo.Add(1))
	cl.Properties.Clean = true
	cl.Properties.Will = mqtt.Will{}
	cl.Properties.Username = nil // with any of these the whole CONNECT would stay, and the password
	cl.Properties.Props.User, cl.Properties.Props.AuthenticationMethod = nil, ""
	if k := cl.State.Keepalive; k == 0 || k > maxKeepAlive {
		cl.State.Keepalive = maxKeepAlive
		cl.State.ServerKeepalive = true // told to an MQTT 5 client
	}
}

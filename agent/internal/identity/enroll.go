package identity

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Result of an enrolment.
type Result struct {
	NodeID  string
	Already bool // this token was used before, by this machine: nothing was changed
}

// Enrol gives this machine an identity. It can be interrupted at any step
// and run again with the same ticket: keys and request are on disk before
// the request is sent, and the same bytes are sent again. A ticket with
// another token enrols an enrolled machine anew, with the same device key.
func Enrol(ctx context.Context, dir string, ticket *Ticket, inventory wire.Inventory) (Result, error) {
	f, err := makeFolder(dir)
	if err != nil {
		return Result{}, err
	}
	return f.enrol(ctx, ticket, inventory)
}

func (f folder) enrol(ctx context.Context, ticket *Ticket, inventory wire.Inventory) (Result, error) {
	token := sha256.Sum256([]byte(ticket.Token))
	current, err := f.identity()
	if err != nil && !errors.Is(err, ErrNotEnrolled) {
		return Result{}, err
	}
	if current != nil && bytes.Equal(current.TokenHash, token[:]) {
		return Result{NodeID: current.NodeID, Already: true}, f.clean()
	}
	request, exchange, err := f.request(ticket, inventory)
	if err != nil {
		return Result{}, err
	}
	request.EnrolmentKey = ticket.EnrolmentKey // of this ticket, also when the request is an older one's
	if err := f.before("send"); err != nil {
		return Result{}, err
	}
	response, err := ask(ctx, ticket, request)
	if err != nil {
		return Result{}, err
	}
	s, err := accept(ticket, request, response, exchange)
	if err != nil {
		return Result{}, err
	}
	s.TokenHash = token[:]
	if err := f.writeIdentity(s); err != nil {
		return Result{}, err
	}
	return Result{NodeID: s.NodeID}, f.clean()
}

// clean removes what only an enrolment under way needs.
func (f folder) clean() error {
	return errors.Join(f.remove(requestFile), f.remove(exchangeFile))
}

// request gives the request of this ticket: the one on disk when it is for
// the same ticket and its key is there too, else a new one, made durable
// before it is returned.
func (f folder) request(ticket *Ticket, inventory wire.Inventory) (*wire.EnrollRequest, *ecdh.PrivateKey, error) {
	device, err := f.ensureDeviceKey()
	if err != nil {
		return nil, nil, err
	}
	pending, exchange, err := f.pending(ticket, device)
	if pending != nil || err != nil {
		return pending, exchange, err
	}
	if exchange, err = f.newExchangeKey(); err != nil {
		return nil, nil, err
	}
	raw, err := json.Marshal(inventory)
	if err != nil {
		return nil, nil, err
	}
	r := &wire.EnrollRequest{
		V:             wire.ProtocolVersion,
		Token:         ticket.Token,
		X25519Public:  exchange.PublicKey().Bytes(),
		DevicePublic:  device.Public().(ed25519.PublicKey),
		Inventory:     raw,
		PayoutAddress: ticket.PayoutAddress,
	}
	r.Signature = ed25519.Sign(device, proof.EnrollRequestTranscript(r))
	content, err := json.Marshal(r)
	if err != nil {
		return nil, nil, err
	}
	return r, exchange, f.write(requestFile, content)
}

// pending reads an enrolment that was begun with this ticket; nil when there
// is none, or its files do not belong together.
func (f folder) pending(ticket *Ticket, device ed25519.PrivateKey) (*wire.EnrollRequest, *ecdh.PrivateKey, error) {
	content, err := f.read(requestFile)
	if content == nil || err != nil {
		return nil, nil, err
	}
	exchange, err := f.exchangeKey()
	if exchange == nil || err != nil {
		return nil, nil, err
	}
	r := new(wire.EnrollRequest)
	if err := json.Unmarshal(content, r); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.path(requestFile), err)
	}
	same := r.Token == ticket.Token && r.PayoutAddress == ticket.PayoutAddress &&
		bytes.Equal(r.X25519Public, exchange.PublicKey().Bytes()) &&
		bytes.Equal(r.DevicePublic, device.Public().(ed25519.PublicKey)) &&
		proof.VerifyEnrollRequest(r) == nil
	if !same {
		return nil, nil, nil
	}
	return r, exchange, nil
}

// accept checks an answer against the ticket and derives the root secret.
func accept(ticket *Ticket, request *wire.EnrollRequest, response *wire.EnrollResponse, exchange *ecdh.PrivateKey) (*stored, error) {
	if response.V != wire.ProtocolVersion {
		return nil, fmt.Errorf("the coordinator answers in protocol version %d, this agent speaks %d", response.V, wire.ProtocolVersion)
	}
	if err := proof.VerifyEnrollResponse(ticket.EnrolmentKey, request, response); err != nil {
		return nil, fmt.Errorf("the answer is not signed by the enrolment key of the enrolment file: %w", err)
	}
	if !wire.ValidNodeID(response.NodeID) || len(response.MQTT) == 0 {
		return nil, fmt.Errorf("the answer gives node id %q and %d MQTT addresses", response.NodeID, len(response.MQTT))
	}
	for _, address := range response.MQTT {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("the answer gives the MQTT address %q: %w", address, err)
		}
	}
	if err := checkCAs(response.CAPEM, ticket.CAPin); err != nil {
		return nil, err
	}
	root, err := proof.RootFrom(exchange, response.X25519Public, request.Token, proof.EnrollTranscript(request, response))
	if err != nil {
		return nil, fmt.Errorf("the answer's key: %w", err)
	}
	return &stored{
		V: storedVersion, NodeID: response.NodeID, URL: ticket.Coordinator.String(),
		MQTT: response.MQTT, CAPEM: response.CAPEM, EnrolmentKey: ticket.EnrolmentKey,
		keyset: keyset{rootSecret: rootSecret{response.KeyEpoch, root[:]}},
	}, nil
}

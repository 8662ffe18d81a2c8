package coordtest

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// RequestID is that of every refusal.
const RequestID = "req_test"

// Enrolment is the coordinator's side of enrolment.
type Enrolment struct {
	URL    string
	Public string // enrolment key, as in enroll.toml

	// Before, when set, may answer in the coordinator's stead (true), or
	// change what it is about to sign.
	Before func(w http.ResponseWriter, r *wire.EnrollRequest, answer *wire.EnrollResponse) bool
	// After, when set, may change what was signed.
	After func(answer *wire.EnrollResponse)
	// OnUnenroll, when set, may answer in the coordinator's stead (true) when a
	// node is given up, by then for good.
	OnUnenroll func(w http.ResponseWriter) bool

	authority *Authority
	mqtt      []string
	key       ed25519.PrivateKey

	mu     sync.Mutex
	tokens map[string]*enrolled // by token
	count  uint32
}

// enrolled is what a used token is bound to.
type enrolled struct {
	device   string
	request  string // its transcript: the same one gets the same answer
	response wire.EnrollResponse
	root     proof.Key
}

// NewEnrolment serves enrolment for the tokens; over TLS on "localhost" and
// 127.0.0.1, or in plain HTTP without an authority's certificate.
func NewEnrolment(t testing.TB, a *Authority, plain bool, mqtt []string, tokens ...string) *Enrolment {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	e := &Enrolment{
		Public:    base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)),
		authority: a, mqtt: mqtt, key: key, tokens: make(map[string]*enrolled),
	}
	for _, token := range tokens {
		e.tokens[token] = nil
	}
	server := httptest.NewUnstartedServer(e)
	if plain {
		server.Start()
	} else {
		server.TLS = a.Server(t, "127.0.0.1", "localhost")
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	e.URL = server.URL
	return e
}

// Ticket is an enroll.toml for a token.
func (e *Enrolment) Ticket(token string) string {
	return fmt.Sprintf("coordinator = %q\nca_sha256 = %q\nenrolment_key = %q\ntoken = %q\n", e.URL, e.authority.Pin, e.Public, token)
}

// Root is the root secret that the coordinator holds for a token's node.
func (e *Enrolment) Root(token string) proof.Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tokens[token].root
}

// ServeHTTP answers POST wire.EnrollPath and wire.UnenrollPath.
func (e *Enrolment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == wire.UnenrollPath("node_test") {
		e.unenroll(w, r)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != wire.EnrollPath {
		refuse(w, http.StatusNotFound, "LUCID_ERR_1404", "no such operation")
		return
	}
	request := new(wire.EnrollRequest)
	if err := json.NewDecoder(r.Body).Decode(request); err != nil {
		refuse(w, http.StatusBadRequest, "LUCID_ERR_1400", err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	record, status, message := e.enrol(w, request)
	switch {
	case status != 0:
		refuse(w, status, "LUCID_ERR_2004", message)
	case record != nil:
		answer := record.response
		if e.After != nil {
			e.After(&answer)
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// Offer begins a rotation, as the coordinator does.
func (e *Enrolment) Offer(t testing.TB, nodeID string, epoch uint32) (*wire.KeyOffer, *ecdh.PrivateKey) {
	t.Helper()
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &wire.KeyOffer{KeyEpoch: epoch, X25519Public: private.PublicKey().Bytes()}
	proof.SignOffer(e.key, nodeID, o)
	return o, private
}

// Sign lends the enrolment key.
func (e *Enrolment) Sign(sign func(key []byte)) { sign(e.key) }

// unenroll forgets a node whose device signed that it is given up.
func (e *Enrolment) unenroll(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := new(wire.SignedChange)
	err := json.NewDecoder(r.Body).Decode(c)
	if err != nil || c.Check() != nil || c.Field != wire.FieldEnrolment || c.Value != wire.EnrolmentEnded {
		refuse(w, http.StatusUnprocessableEntity, "LUCID_ERR_1002", "not this change")
		return
	}
	device := ""
	for _, used := range e.tokens {
		if used != nil {
			device = used.device
		}
	}
	switch {
	case device == "":
		refuse(w, http.StatusNotFound, wire.CodeNodeNotFound, "no node node_test")
		return
	case proof.VerifyChange(ed25519.PublicKey(device), c) != nil:
		refuse(w, http.StatusUnprocessableEntity, "LUCID_ERR_1002", "not by the device key")
		return
	}
	e.tokens = make(map[string]*enrolled)
	if e.OnUnenroll == nil || !e.OnUnenroll(w) {
		w.WriteHeader(http.StatusNoContent)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message, "request_id": RequestID}})
}

// enrol binds a token to the first device that uses it. No record and status
// 0: Before answered.
func (e *Enrolment) enrol(w http.ResponseWriter, r *wire.EnrollRequest) (record *enrolled, status int, message string) {
	if err := proof.VerifyEnrollRequest(r); err != nil {
		return nil, http.StatusForbidden, err.Error()
	}
	transcript := string(proof.EnrollRequestTranscript(r))
	used, known := e.tokens[r.Token]
	switch {
	case !known:
		return nil, http.StatusForbidden, "unknown token"
	case used != nil && used.device != string(r.DevicePublic):
		return nil, http.StatusForbidden, "token belongs to another device"
	case used != nil && used.request == transcript:
		return used, 0, ""
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, http.StatusInternalServerError, err.Error()
	}
	e.count++
	answer := wire.EnrollResponse{
		V: wire.ProtocolVersion, NodeID: "node_test", KeyEpoch: e.count,
		X25519Public: private.PublicKey().Bytes(), MQTT: e.mqtt, CAPEM: e.authority.PEM,
	}
	if e.Before != nil && e.Before(w, r, &answer) {
		return nil, 0, ""
	}
	answer.Signature = ed25519.Sign(e.key, proof.EnrollTranscript(r, &answer))
	root, err := proof.RootFrom(private, r.X25519Public, r.Token, proof.EnrollTranscript(r, &answer))
	if err != nil {
		return nil, http.StatusForbidden, err.Error()
	}
	record = &enrolled{device: string(r.DevicePublic), request: transcript, response: answer, root: root}
	e.tokens[r.Token] = record
	return record, 0, ""
}

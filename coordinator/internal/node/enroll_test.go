package node_test

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// world is a node store on a database of its own, with a clock that tests move.
type world struct {
	*node.Store
	pool         *db.Pool
	pools        *pool.Store
	enrolmentKey ed25519.PublicKey
	clock        time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{pool: dbtest.New(t), enrolmentKey: public, clock: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.clock }
	w.pools = pool.NewStore(w.pool, now)
	w.Store = node.NewStore(node.Config{
		Pool: w.pool, Box: seal.New(proof.Key{1}), EnrolmentKey: private, MQTT: []string{"broker:8883"}, CAPEM: func() string { return "pem" },
		Join: pool.Join, Leave: pool.Leave, Now: now,
	})
	return w
}

// device is a machine that enrols.
type device struct {
	private *ecdh.PrivateKey
	key     ed25519.PrivateKey
}

// board is the hash of a board's serial number.
func board(serial string) string {
	sum := sha256.Sum256([]byte(serial))
	return hex.EncodeToString(sum[:])
}

func newDevice(t testing.TB) device {
	t.Helper()
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return device{private, key}
}

func (d device) request(t testing.TB, token string, inventory wire.Inventory) *wire.EnrollRequest {
	t.Helper()
	raw, err := json.Marshal(inventory)
	if err != nil {
		t.Fatal(err)
	}
	req := &wire.EnrollRequest{
		V: wire.ProtocolVersion, Token: token, X25519Public: d.private.PublicKey().Bytes(),
		DevicePublic: d.key.Public().(ed25519.PublicKey), Inventory: raw,
	}
	req.Signature = ed25519.Sign(d.key, proof.EnrollRequestTranscript(req))
	return req
}

func (w *world) token(t *testing.T, tok node.Token) string {
	t.Helper()
	if tok.Life == 0 {
		tok.Life = time.Hour
	}
	token, err := w.CreateToken(t.Context(), audit.By{Actor: audit.CLI}, tok)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) enroll(t *testing.T, req *wire.EnrollRequest) *wire.EnrollResponse {
	t.Helper()
	resp, err := w.Enroll(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestEnrolledDeviceLogsInWithTheKeysItDerives(t *testing.T) {
	w, d := newWorld(t), newDevice(t)
	home, err := w.pools.Create(t.Context(), audit.By{Actor: audit.CLI}, pool.New{Name: "home"})
	if err != nil {
		t.Fatal(err)
	}
	req := d.request(t, w.token(t, node.Token{PoolNo: &home.No}), wire.Inventory{Hostname: "kitchen pi", SerialHash: board("s1")})
	resp := w.enroll(t, req)
	if err := proof.VerifyEnrollResponse(w.enrolmentKey, req, resp); err != nil {
		t.Fatalf("coordinator's signature: %v", err)
	}
	root, err := proof.RootFrom(d.private, resp.X25519Public, req.Token, proof.EnrollTranscript(req, resp))
	if err != nil {
		t.Fatal(err)
	}
	no, epoch, err := w.Authenticate(t.Context(), resp.NodeID, []byte(root.Derive().MQTTPassword))
	if err != nil || epoch != 1 {
		t.Fatalf("login with key %d: %v", epoch, err)
	}
	if _, _, err := w.Authenticate(t.Context(), resp.NodeID, []byte("guess")); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("wrong password: %v", err)
	}
	if _, _, err := w.Authenticate(t.Context(), "node_nobody", []byte("guess")); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("unknown node: %v", err)
	}
	n, err := w.Get(t.Context(), resp.NodeID)
	if err != nil {
		t.Fatal(err)
	}
	if n.No != no || n.Name != "kitchen-pi" || n.Status != node.Starting || n.PoolID != home.ID || n.Inventory.SerialHash != board("s1") {
		t.Errorf("stored node: %+v", n)
	}
}

func TestSameRequestAgainGetsTheSameAnswer(t *testing.T) {
	w, d := newWorld(t), newDevice(t)
	req := d.request(t, w.token(t, node.Token{}), wire.Inventory{})
	first := w.enroll(t, req)
	w.clock = w.clock.Add(48 * time.Hour) // a power cut, and the token has expired meanwhile
	if again := w.enroll(t, req); !reflect.DeepEqual(first, again) {
		t.Errorf("answers differ:\n%+v\n%+v", first, again)
	}
}

func TestEnrolmentIsRefused(t *testing.T) {
	w := newWorld(t)
	used := w.token(t, node.Token{})
	w.enroll(t, newDevice(t).request(t, used, wire.Inventory{SerialHash: board("board")}))
	expired := w.token(t, node.Token{Life: time.Minute})
	otherBoard := w.token(t, node.Token{Serials: []string{"other"}})
	w.clock = w.clock.Add(2 * time.Minute)
	forged := newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{})
	forged.PayoutAddress = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ" // not what was signed

	for name, c := range map[string]struct {
		req  *wire.EnrollRequest
		want fault.Code
	}{
		"unknown token":          {newDevice(t).request(t, "enroll_x", wire.Inventory{}), fault.BadEnrolmentToken},
		"used by another":        {newDevice(t).request(t, used, wire.Inventory{}), fault.BadEnrolmentToken},
		"expired token":          {newDevice(t).request(t, expired, wire.Inventory{}), fault.BadEnrolmentToken},
		"token of another board": {newDevice(t).request(t, otherBoard, wire.Inventory{SerialHash: board("mine")}), fault.BadEnrolmentToken},
		"altered after signing":  {forged, fault.Validation},
		"board that has a node":  {newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("board")}), fault.StateNotAllowed},
	} {
		if _, err := w.Enroll(t.Context(), c.req); !fault.Has(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, total, _, err := w.List(t.Context(), node.Filter{Limit: 10}); err != nil || total != 1 {
		t.Errorf("%d nodes stored (%v), want the one that enrolled", total, err)
	}
}

func TestConcurrentUsesOfOneTokenMakeOneNode(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, node.Token{})
	const devices = 8
	errs := make(chan error, devices)
	for range devices {
		req := newDevice(t).request(t, token, wire.Inventory{})
		go func() {
			_, err := w.Enroll(context.WithoutCancel(t.Context()), req)
			errs <- err
		}()
	}
	accepted := 0
	for range devices {
		if err := <-errs; err == nil {
			accepted++
		} else if !fault.Has(err, fault.BadEnrolmentToken) {
			t.Errorf("unexpected refusal: %v", err)
		}
	}
	if accepted != 1 {
		t.Errorf("%d devices were enrolled by one token", accepted)
	}
}

func TestTokenBoundToANodeStartsItsNextKeyEpoch(t *testing.T) {
	w, before, after := newWorld(t), newDevice(t), newDevice(t)
	old := before.request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("board")})
	first := w.enroll(t, old)
	no, _, err := w.LiveKeys(t.Context(), first.NodeID)
	if err != nil {
		t.Fatal(err)
	}
	second := w.enroll(t, after.request(t, w.token(t, node.Token{NodeNo: &no}), wire.Inventory{SerialHash: board("board")}))
	if second.NodeID != first.NodeID || second.KeyEpoch != 2 {
		t.Errorf("enrolled again as %s, epoch %d", second.NodeID, second.KeyEpoch)
	}
	root, err := proof.RootFrom(before.private, first.X25519Public, old.Token, proof.EnrollTranscript(old, first))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Authenticate(t.Context(), first.NodeID, []byte(root.Derive().MQTTPassword)); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("the old key still logs in: %v", err)
	}
}

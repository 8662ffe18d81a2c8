package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
)

var admin = audit.By{Actor: "user_admin"}

// office is a store on a database of its own, with a clock that the test moves.
type office struct {
	*Store
	t    *testing.T
	db   *db.Pool
	time time.Time
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, db: dbtest.New(t), time: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	o.Store = NewStore(Config{
		Pool: o.db, Box: seal.New(proof.Key{1}), Now: func() time.Time { return o.time }, Source: "https://lucid.example", Version: "1.2.3",
	})
	return o
}

func (o *office) make(n New) (Endpoint, string) {
	o.t.Helper()
	e, secret, err := o.Create(o.t.Context(), admin, n)
	if err != nil {
		o.t.Fatal(err)
	}
	return e, secret
}

func (o *office) enqueue(alerts ...alert.Alert) {
	o.t.Helper()
	if err := db.InTx(o.t.Context(), o.db, func(tx db.Tx) error { return o.Enqueue(o.t.Context(), tx, alerts) }); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) run() {
	o.t.Helper()
	if err := o.RunOnce(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) endpoint() Endpoint {
	o.t.Helper()
	list, total, err := o.List(o.t.Context(), 10, 0)
	if err != nil || total != 1 {
		o.t.Fatalf("%v %d", err, total)
	}
	return list[0]
}

func (o *office) deliveries(id string) []Delivery {
	o.t.Helper()
	list, total, err := o.Deliveries(o.t.Context(), id, 100, 0)
	if err != nil || total != len(list) {
		o.t.Fatalf("%v %d", err, total)
	}
	return list
}

// got is a request that a receiver saw.
type got struct {
	header http.Header
	path   string
	body   []byte
}

// receiver is a real HTTP server that keeps what it gets and answers by a
// function, 200 without one.
type receiver struct {
	*httptest.Server
	got    []got
	answer func(w http.ResponseWriter, n int)
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.got = append(r.got, got{request.Header, request.URL.Path, body}) // one endpoint: one request at a time
		if r.answer != nil {
			r.answer(w, len(r.got))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// wantSigned checks a request as a receiver does that knows the documentation
// only.
func wantSigned(t *testing.T, g got, secret string, now time.Time) Message {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) != 32 || !strings.HasPrefix(secret, "whsec_") {
		t.Fatalf("secret %q: %v", secret, err)
	}
	seconds := g.header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, g.header.Get("webhook-id")+"."+seconds+".")
	mac.Write(g.body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); g.header.Get("webhook-signature") != want {
		t.Errorf("signature %q, want %q", g.header.Get("webhook-signature"), want)
	}
	if seconds != strconv.FormatInt(now.Unix(), 10) {
		t.Errorf("timestamp %s at %s", seconds, now)
	}
	if g.header.Get("Content-Type") != "application/json" || g.header.Get("User-Agent") != "lucid-coordinator/1.2.3" {
		t.Errorf("%v", g.header)
	}
	var m Message
	if err := json.Unmarshal(g.body, &m); err != nil {
		t.Fatalf("%v: %s", err, g.body)
	}
	return m
}

func overheated() alert.Alert {
	at := time.Date(2026, 5, 4, 11, 50, 0, 0, time.UTC)
	return alert.Alert{
		No: 17, NodeID: "node_a", NodeName: "attic-pi", PoolID: "pool_home", Kind: alert.Temperature, State: alert.Firing,
		Severity: alert.Warning, Worst: alert.Warning, Value: 77.9, Threshold: 75, StartedAt: at, FiredAt: &at, ObservedAt: at,
	}
}

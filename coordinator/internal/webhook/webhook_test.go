package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
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

func TestDeliveryIsSigned(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, secret := o.make(New{Type: Signed, URL: r.URL + "/hook?token=s3cret"})
	o.enqueue(overheated())
	o.run()
	o.run()
	if len(r.got) != 1 {
		t.Fatalf("%d requests", len(r.got))
	}
	m := wantSigned(t, r.got[0], secret, o.time)
	if a := m.Data.Alerts; m.V != 1 || m.Type != "alerts" || len(a) != 1 || a[0].AlertID != "alert_17" || a[0].NodeName != "attic-pi" ||
		a[0].Summary != "processor at 77.9 °C, threshold 75.0 °C" {
		t.Errorf("%+v", m)
	}
	if list := o.deliveries(e.ID); len(list) != 1 || list[0].State != "delivered" || *list[0].Status != 200 || list[0].MessageID != r.got[0].header.Get("webhook-id") {
		t.Errorf("%+v", list)
	}
	if e := o.endpoint(); e.SucceededAt == nil || e.Failures != 0 {
		t.Errorf("%+v", e)
	}
	var sealed []byte
	var record string
	err := o.db.QueryRow(t.Context(), `SELECT secret_box, (SELECT string_agg(after::text, '') FROM audit_entry) FROM webhook`).Scan(&sealed, &record)
	if err != nil || strings.Contains(record, "s3cret") || strings.Contains(record, secret) || !strings.Contains(record, r.URL) {
		t.Errorf("%v: the audit log says %s", err, record)
	}
}

// What failed comes again with the same id and bytes, later and later, and
// nothing overtakes it.
func TestDeliveryIsTriedAgainInOrder(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, secret := o.make(New{Type: Signed, URL: r.URL})
	r.answer = func(w http.ResponseWriter, n int) {
		if n <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "come\nback")
		}
	}
	ended := overheated()
	ended.State, ended.ResolvedAt = alert.Resolved, &o.time
	o.enqueue(overheated())
	o.enqueue(ended)
	o.run()
	o.run() // at once: it is left in peace
	if len(r.got) != 1 {
		t.Fatalf("%d requests", len(r.got))
	}
	if e := o.endpoint(); e.Failures != 1 || e.LastError != "answered 503 come back" || e.FailedAt == nil {
		t.Errorf("%+v", e)
	}
	o.time = o.time.Add(5 * time.Second)
	o.run()
	o.time = o.time.Add(10 * time.Second)
	o.run()
	if len(r.got) != 4 {
		t.Fatalf("%d requests, want two failures and two deliveries", len(r.got))
	}
	first := r.got[0]
	for _, g := range r.got[1:3] {
		if g.header.Get("webhook-id") != first.header.Get("webhook-id") || string(g.body) != string(first.body) {
			t.Errorf("the same message again is another: %s", g.body)
		}
	}
	if m := wantSigned(t, r.got[3], secret, o.time); m.Data.Alerts[0].State != alert.Resolved {
		t.Errorf("the last message is %+v", m)
	}
	if list := o.deliveries(e.ID); list[0].State != "delivered" || list[1].State != "delivered" || list[1].Attempts != 3 || o.endpoint().Failures != 0 {
		t.Errorf("%+v", list)
	}
}

func TestWhatTheReceiverRefusesIsGivenUp(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, _ := o.make(New{Type: Signed, URL: r.URL})
	r.answer = func(w http.ResponseWriter, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
	}
	o.enqueue(overheated())
	o.enqueue(overheated())
	o.run()
	if list := o.deliveries(e.ID); len(r.got) != 2 || list[1].State != "failed" || list[0].State != "delivered" {
		t.Errorf("%d requests, %+v", len(r.got), list)
	}
}

func TestDeliveryIsGivenUpAfterADay(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, _ := o.make(New{Type: Signed, URL: r.URL})
	r.Close()
	o.enqueue(overheated())
	o.run()
	o.time = o.time.Add(24 * time.Hour)
	o.run()
	if list := o.deliveries(e.ID); list[0].State != "failed" || list[0].Attempts != 2 || list[0].Status != nil || strings.Contains(list[0].LastError, r.URL) {
		t.Errorf("%+v", list)
	}
	o.time = o.time.Add(31 * 24 * time.Hour)
	o.run()
	if list := o.deliveries(e.ID); len(list) != 0 {
		t.Errorf("after a month: %+v", list)
	}
}

// What is too old is given up together: one try a time says that the receiver
// still fails, and it is left in peace as before.
func TestReceiverThatFailsForDaysIsLeftInPeace(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, _ := o.make(New{Type: Signed, URL: r.URL})
	r.answer = func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusInternalServerError) }
	for range 20 {
		o.enqueue(overheated())
	}
	o.run()
	o.time = o.time.Add(23 * time.Hour)
	o.enqueue(overheated())
	o.time = o.time.Add(2 * time.Hour)
	o.run()
	o.run()
	if len(r.got) != 2 {
		t.Errorf("%d tries, want 2", len(r.got))
	}
	states := map[string]int{}
	for _, d := range o.deliveries(e.ID) {
		states[d.State]++
	}
	if states["failed"] != 20 || states["open"] != 1 {
		t.Errorf("%v, want 20 given up and the young one open", states)
	}
	if e := o.endpoint(); e.Failures != 2 {
		t.Errorf("%d failures in a row, want 2", e.Failures)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	o, r, elsewhere := newOffice(t), newReceiver(t), newReceiver(t)
	e, _ := o.make(New{Type: Signed, URL: r.URL})
	r.answer = func(w http.ResponseWriter, _ int) {
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	o.enqueue(overheated())
	o.run()
	if len(elsewhere.got) > 0 {
		t.Error("it was followed")
	}
	if list := o.deliveries(e.ID); list[0].State != "open" || *list[0].Status != 307 || !strings.Contains(list[0].LastError, "redirects") {
		t.Errorf("%+v", list)
	}
}

// A receiver that never answers, or never stops answering, holds nobody up.
func TestReceiverIsBounded(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	o.make(New{Type: Signed, URL: r.URL})
	o.client.Timeout = 200 * time.Millisecond
	leave := make(chan struct{})
	r.answer = func(w http.ResponseWriter, n int) {
		if n == 1 {
			<-leave
			return
		}
		for range 1000 { // far more than is read
			io.WriteString(w, strings.Repeat("x", 1024))
		}
	}
	o.enqueue(overheated())
	o.run()
	close(leave)
	if e := o.endpoint(); e.Failures != 1 || len(e.LastError) > maxErrorBytes {
		t.Errorf("%+v", e)
	}
	o.client.Timeout = timeLimit
	o.time = o.time.Add(time.Minute)
	o.run()
	if e := o.endpoint(); e.Failures != 0 || e.SucceededAt == nil {
		t.Errorf("%+v", e)
	}
}

// Also a name that leads to such an address is refused, when it is dialled.
func TestForbiddenAddressIsNotDialled(t *testing.T) {
	o := newOffice(t)
	status, problem := o.post(t.Context(), "http://169.254.169.254/latest/meta-data/", nil, nil)
	if status != 0 || !strings.Contains(problem, "not an address that webhooks may reach") {
		t.Errorf("%d %q", status, problem)
	}
}

// The client writes a URL in its own way, which may differ from what was given.
func TestProblemHoldsNoURL(t *testing.T) {
	s := NewStore(Config{})
	for _, url := range []string{"http://127.0.0.1:1/hunter2", "HTTP://127.0.0.1:1/hunter2", "http://127.0.0.1:1/a b/hunter2", `http://127.0.0.1:1/"?t=hunter2`} {
		if _, problem := s.post(t.Context(), url, nil, nil); problem == "" || strings.Contains(problem, "hunter2") {
			t.Errorf("%s: %q", url, problem)
		}
	}
}

func TestCreateIsChecked(t *testing.T) {
	o := newOffice(t)
	for name, n := range map[string]New{
		"no type":        {URL: "https://a.example"},
		"no scheme":      {Type: Signed, URL: "a.example/x"},
		"another scheme": {Type: Signed, URL: "ftp://a.example"},
		"no host":        {Type: Signed, URL: "https:///x"},
		"password":       {Type: Signed, URL: "https://u:p@a.example"},
		"metadata":       {Type: Signed, URL: "http://169.254.169.254/"},
		"metadata in v6": {Type: Alertmanager, URL: "http://[::ffff:169.254.169.254]/"},
		"kind":           {Type: Signed, URL: "https://a.example", Kinds: []alert.Kind{"noise"}},
		"severity":       {Type: Signed, URL: "https://a.example", MinSeverity: "bad"},
	} {
		if _, _, err := o.Create(t.Context(), admin, n); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

func TestDeletedWebhookGetsNothing(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, _ := o.make(New{Type: Signed, URL: r.URL})
	o.enqueue(overheated())
	if err := o.Delete(t.Context(), admin, e.ID); err != nil {
		t.Fatal(err)
	}
	o.enqueue(overheated())
	o.run()
	if len(r.got) != 0 || o.Delete(t.Context(), admin, e.ID) == nil || o.Test(t.Context(), admin, e.ID) == nil {
		t.Errorf("%d requests", len(r.got))
	}
	var open int
	if err := o.db.QueryRow(t.Context(), "SELECT count(*) FROM webhook_delivery WHERE state = 'open'").Scan(&open); err != nil || open != 0 {
		t.Errorf("%d open deliveries, %v", open, err)
	}
}

// What is enqueued stands exactly if the transaction does, and goes only to
// those whom it concerns.
func TestEnqueue(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	disk, _ := o.make(New{Type: Signed, URL: r.URL, Kinds: []alert.Kind{alert.Disk}})
	heat, _ := o.make(New{Type: Signed, URL: r.URL, Kinds: []alert.Kind{alert.Temperature}})
	undone := errors.New("undone")
	err := db.InTx(t.Context(), o.db, func(tx db.Tx) error {
		return errors.Join(o.Enqueue(t.Context(), tx, []alert.Alert{overheated()}), undone)
	})
	if !errors.Is(err, undone) || len(o.deliveries(heat.ID)) != 0 {
		t.Errorf("%v, %v", err, o.deliveries(heat.ID))
	}
	many := make([]alert.Alert, alertsInMessage+1)
	for i := range many {
		many[i] = overheated()
	}
	o.enqueue(many...)
	if n, none := len(o.deliveries(heat.ID)), len(o.deliveries(disk.ID)); n != 2 || none != 0 {
		t.Errorf("%d and %d deliveries", n, none)
	}
}

func TestTestMessage(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, secret := o.make(New{Type: Signed, URL: r.URL})
	if err := o.Test(t.Context(), admin, e.ID); err != nil {
		t.Fatal(err)
	}
	o.run()
	if m := wantSigned(t, r.got[0], secret, o.time); m.Type != "test" || m.Data.Alerts == nil || len(m.Data.Alerts) != 0 {
		t.Errorf("%+v", m)
	}
}

// A program that stops in the middle of an attempt knows nothing of its end:
// it is made again.
func TestStoppingLosesNothing(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	e, _ := o.make(New{Type: Signed, URL: r.URL})
	o.enqueue(overheated())
	ctx, stop := context.WithCancel(t.Context())
	gone := make(chan struct{})
	r.answer = func(_ http.ResponseWriter, n int) {
		if n == 1 {
			stop()
			<-gone // else the answer could be first
		}
	}
	_ = o.RunOnce(ctx)
	close(gone)
	if list := o.deliveries(e.ID); list[0].State != "open" || list[0].Attempts != 0 {
		t.Errorf("%+v", list)
	}
	o.run()
	if list := o.deliveries(e.ID); list[0].State != "delivered" || len(r.got) != 2 {
		t.Errorf("%+v", list)
	}
}

// docs/alerts.md shows a message as it is sent.
func TestMessageIsDocumented(t *testing.T) {
	a := overheated()
	a.NodeID = "node_4f1c2a"
	a.StartedAt = time.Date(2026, 5, 4, 11, 55, 0, 0, time.UTC)
	fired := a.StartedAt.Add(5 * time.Minute)
	a.FiredAt = &fired
	line, err := json.Marshal(Message{V: 1, Type: "alerts", Timestamp: fired, Data: Data{[]Alert{alertOf(a)}}})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/alerts.md")
	if err != nil || !strings.Contains(string(page), "\n"+string(line)+"\n") {
		t.Errorf("%v: docs/alerts.md has no such line:\n%s", err, line)
	}
}

package webhook

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/alert"
)

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

// For some seconds two coordinators may take themselves for the leader: both send
// what is open, under the one id by which the receiver knows it, and it is one message.
func TestTwoLeadersSendOneMessage(t *testing.T) {
	for _, second := range []int{http.StatusBadRequest, http.StatusServiceUnavailable} {
		o, r := newOffice(t), newReceiver(t)
		e, _ := o.make(New{Type: Signed, URL: r.URL})
		r.answer = func(w http.ResponseWriter, n int) {
			if n > 1 {
				return
			}
			if err := o.RunOnce(t.Context()); err != nil { // the other one, which is answered first
				t.Error(err)
			}
			w.WriteHeader(second)
		}
		o.enqueue(overheated())
		o.run()
		o.run()
		if len(r.got) != 2 || r.got[0].header.Get("webhook-id") != r.got[1].header.Get("webhook-id") || string(r.got[0].body) != string(r.got[1].body) {
			t.Errorf("%d requests, want the same twice: %+v", len(r.got), r.got)
		}
		if list := o.deliveries(e.ID); len(list) != 1 || list[0].State != "delivered" || *list[0].Status != http.StatusOK {
			t.Errorf("%+v, want one that is delivered, though the second answer is %d", list, second)
		}
		if e := o.endpoint(); e.Failures != 0 || e.LastError != "" {
			t.Errorf("%+v, want no failure of an endpoint that took it, though the second answer is %d", e, second)
		}
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

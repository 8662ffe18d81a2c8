package webhook

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/db"
)

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

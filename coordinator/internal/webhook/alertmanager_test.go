package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
)

// firing stores an alert that fires.
func (o *office) firing(node, kind, severity string) {
	o.t.Helper()
	o.exec(`INSERT INTO node (node_id, name, status) VALUES ($1, $1, 'active') ON CONFLICT DO NOTHING`, node)
	o.exec(`INSERT INTO alert (node_no, kind, state, severity, worst, value, threshold, started_at, fired_at, observed_at)
		SELECT node_no, $2, 'firing', $3, $3, 600, 300, $4, $4, $4 FROM node WHERE node_id = $1`, node, kind, severity, o.time)
}

func (o *office) exec(sql string, args ...any) {
	o.t.Helper()
	dbtest.Exec(o.t, o.db, sql, args...)
}

func TestAlertmanagerIsToldHowThingsStand(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	o.make(New{Type: Alertmanager, URL: r.URL + "/am/"})
	o.firing("node_a", "offline", "warning")
	began := o.time
	o.run()
	o.run() // not again at once
	if len(r.got) != 1 || r.got[0].path != "/am/api/v2/alerts" {
		t.Fatalf("%+v", r.got)
	}
	told := func() []postable {
		t.Helper()
		var list []postable
		if err := json.Unmarshal(r.got[len(r.got)-1].body, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	a := told()
	if len(a) != 1 || a[0].Labels["alertname"] != "lucid_offline" || a[0].Labels["severity"] != "warning" || a[0].Labels["node_id"] != "node_a" ||
		!a[0].StartsAt.Equal(began) || !a[0].EndsAt.Equal(began.Add(4*time.Minute)) || a[0].Annotations["summary"] != "node_a: offline for 10m0s" ||
		a[0].GeneratorURL != "https://lucid.example/api/v1/alerts?node_id=node_a" {
		t.Errorf("%+v", a)
	}
	o.time = o.time.Add(time.Minute)
	o.run()
	if a := told(); len(r.got) != 2 || !a[0].EndsAt.Equal(o.time.Add(4*time.Minute)) {
		t.Errorf("after a minute: %+v", a)
	}
	o.exec("UPDATE alert SET state = 'resolved', resolved_at = $1, told_at = $1", o.time)
	ended := o.time
	o.time = o.time.Add(time.Minute)
	o.run()
	if a := told(); len(r.got) != 3 || !a[0].EndsAt.Equal(ended) {
		t.Errorf("after its end: %+v", a)
	}
	o.time = o.time.Add(20 * time.Minute)
	o.run()
	if body := string(r.got[len(r.got)-1].body); body != "[]" {
		t.Errorf("long after its end: %+v", told())
	}
}

// Many alerts are told in several requests, which may take as long together as
// one may alone.
func TestSlowAlertmanagerIsLeft(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	o.make(New{Type: Alertmanager, URL: r.URL})
	o.firing("node_a", "offline", "critical")
	o.pushLimit, o.client.Timeout = 50*time.Millisecond, 0 // that of each request
	left := make(chan struct{})
	r.answer = func(http.ResponseWriter, int) { <-left }
	o.run()
	close(left)
	if e := o.endpoint(); e.Failures != 1 || e.LastError != "took longer than 50ms for 1 alerts" {
		t.Errorf("%+v", e)
	}
}

func TestAlertmanagerIsNotToldOfSilencedAlerts(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	o.make(New{Type: Alertmanager, URL: r.URL, MinSeverity: "critical"})
	o.firing("node_a", "offline", "critical")
	o.firing("node_b", "offline", "warning")
	o.exec(`INSERT INTO alert_silence (starts_at, ends_at, reason, author, created_at) VALUES ($1, $1::timestamptz + interval '1 hour', 'quiet', 'user_1', $1)`, o.time)
	o.run()
	if len(r.got) != 1 || string(r.got[0].body) != "[]" {
		t.Errorf("%+v", r.got)
	}
	o.time = o.time.Add(time.Hour)
	o.run()
	var list []postable
	if len(r.got) != 2 || json.Unmarshal(r.got[1].body, &list) != nil || len(list) != 1 || list[0].Labels["node_id"] != "node_a" {
		t.Errorf("%+v", r.got)
	}
}

func TestAlertmanagerThatFailsIsLeftInPeace(t *testing.T) {
	o, r := newOffice(t), newReceiver(t)
	o.make(New{Type: Alertmanager, URL: r.URL})
	o.firing("node_a", "offline", "critical")
	r.answer = func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusInternalServerError) }
	o.run()
	if e := o.endpoint(); e.Failures != 1 || e.LastError == "" {
		t.Errorf("%+v", e)
	}
	o.run()
	if len(r.got) != 1 {
		t.Errorf("%d requests at once", len(r.got))
	}
}

// heldAddress is a loopback address for a program that sets SO_REUSEADDR, as every
// one in Go does. A socket holds it that does not listen until the test ends: nobody
// else is given its port before the program opens it.
func heldAddress(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// alertmanager starts the real one, Debian's prometheus-alertmanager.
func alertmanager(t *testing.T) (url string) {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Skip("NOT TESTED: alerts pushed to a real Alertmanager; sh scripts/setup.sh --services installs one")
	}
	folder := t.TempDir()
	config := filepath.Join(folder, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := heldAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	command := exec.CommandContext(ctx, program, "--config.file="+config, "--storage.path="+folder, "--web.listen-address="+address, "--cluster.listen-address=")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = command.Wait() })
	url = "http://" + address
	for deadline := time.Now().Add(time.Minute); ; {
		response, err := http.Get(url + "/-/ready")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return url
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", program, err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// TestRealAlertmanager: it takes what we push, shows it as active, and drops it
// when we say that it ended.
func TestRealAlertmanager(t *testing.T) {
	url := alertmanager(t)
	o := newOffice(t)
	o.time = time.Now().UTC().Truncate(time.Microsecond) // its clock is not ours to move
	o.make(New{Type: Alertmanager, URL: url})
	o.run() // nothing to tell is taken as well
	if e := o.endpoint(); e.SucceededAt == nil || e.Failures > 0 {
		t.Fatalf("it did not take an empty list: %+v", e)
	}
	o.exec("UPDATE webhook SET next_at = created_at")
	o.firing("node_a", "offline", "critical")
	active := func() string {
		t.Helper()
		response, err := http.Get(url + "/api/v2/alerts?active=true")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var list []struct {
			Labels       map[string]string `json:"labels"`
			GeneratorURL string            `json:"generatorURL"`
			Status       struct {
				State string `json:"state"`
			} `json:"status"`
		}
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		text := ""
		for _, a := range list {
			text += fmt.Sprintln(a.Labels["alertname"], a.Labels["severity"], a.Labels["node_id"], a.GeneratorURL)
		}
		return text
	}
	o.run()
	if e := o.endpoint(); e.SucceededAt == nil || e.Failures > 0 {
		t.Fatalf("it did not take them: %+v", e)
	}
	if got, want := active(), "lucid_offline critical node_a https://lucid.example/api/v1/alerts?node_id=node_a\n"; got != want {
		t.Errorf("it shows %q, want %q", got, want)
	}
	o.exec("UPDATE alert SET state = 'resolved', resolved_at = $1, told_at = $1", time.Now())
	o.time = o.time.Add(time.Minute)
	o.run()
	if got := active(); got != "" {
		t.Errorf("after its end it shows %q", got)
	}
}

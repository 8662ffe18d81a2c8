package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var servers = []string{"127.0.0.1:8883"}

func newEnrolment(t *testing.T) *coordtest.Enrolment {
	t.Helper()
	return coordtest.NewEnrolment(t, coordtest.NewAuthority(t), false, servers, "first", "second")
}

func ticketOf(t *testing.T, text string) *Ticket {
	t.Helper()
	ticket, err := ParseTicket("enroll.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func TestEnrolSharesTheRootWithTheCoordinator(t *testing.T) {
	for _, plain := range []bool{false, true} { // plain HTTP to loopback is allowed
		e := coordtest.NewEnrolment(t, coordtest.NewAuthority(t), plain, servers, "first")
		dir := filepath.Join(t.TempDir(), "a", "state")
		result, err := Enrol(context.Background(), dir, ticketOf(t, e.Ticket("first")), wire.Inventory{Model: "<Pi> & more"})
		if err != nil || result != (Result{NodeID: "node_test"}) {
			t.Fatalf("result = %+v, %v", result, err)
		}
		id, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, dir, e.Root("first"), 1)
		if id.NodeID != "node_test" || id.Servers[0] != servers[0] {
			t.Errorf("identity = %s at %s", id.NodeID, id.Servers)
		}
		onlyFiles(t, dir, deviceFile, identityFile)
	}
}

// onlyFiles checks the folder's content and that nobody else may read it.
func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", e.Name(), info.Mode())
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("folder holds %v, want %v", got, want)
	}
}

func TestEnrolAgainWithTheSameTicketChangesNothing(t *testing.T) {
	e, dir := newEnrolment(t), t.TempDir()+"/state"
	ticket := ticketOf(t, e.Ticket("first"))
	if _, err := Enrol(context.Background(), dir, ticket, wire.Inventory{}); err != nil {
		t.Fatal(err)
	}
	e.Before = func(http.ResponseWriter, *wire.EnrollRequest, *wire.EnrollResponse) bool {
		t.Error("an enrolled machine asked again")
		return false
	}
	result, err := Enrol(context.Background(), dir, ticket, wire.Inventory{})
	if err != nil || !result.Already {
		t.Errorf("result = %+v, %v", result, err)
	}
}

func TestNewTicketEnrolsAnewWithTheSameDevice(t *testing.T) {
	e, dir := newEnrolment(t), t.TempDir()+"/state"
	for _, token := range []string{"first", "second"} {
		if _, err := Enrol(context.Background(), dir, ticketOf(t, e.Ticket(token)), wire.Inventory{}); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, dir, e.Root(token), map[string]uint32{"first": 1, "second": 2}[token])
	}
}

// TestCrashAtEveryStep interrupts enrolment before each step that changes
// the disk or sends, and once more after the answer was lost on the way,
// then lets it run again with the same token.
func TestCrashAtEveryStep(t *testing.T) {
	errCrash := errors.New("power cut")
	steps := 0
	for at := 0; ; at++ {
		e, dir := newEnrolment(t), t.TempDir()+"/state"
		ticket := ticketOf(t, e.Ticket("first"))
		f, err := makeFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		f.step = func(string) error {
			if n++; n > at {
				return errCrash
			}
			return nil
		}
		_, err = f.enrol(context.Background(), ticket, wire.Inventory{})
		if err == nil {
			steps = at
			break
		}
		if !errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", at, err)
		}
		if _, err := Enrol(context.Background(), dir, ticket, wire.Inventory{Model: "changed meanwhile"}); err != nil {
			t.Fatalf("after a crash at step %d: %v", at, err)
		}
		wantKeys(t, dir, e.Root("first"), 1) // another epoch: enrolled twice
		onlyFiles(t, dir, deviceFile, identityFile)
	}
	if want := 11; steps != want { // 4 files written in 2 steps each, 1 sent, 2 removed
		t.Errorf("enrolment took %d steps, want %d", steps, want)
	}
}

func TestLostAnswerIsAskedForAgain(t *testing.T) {
	e, dir := newEnrolment(t), t.TempDir()+"/state"
	ticket := ticketOf(t, e.Ticket("first"))
	e.After = func(answer *wire.EnrollResponse) { answer.Signature = nil } // damaged on its way
	if _, err := Enrol(context.Background(), dir, ticket, wire.Inventory{}); err == nil {
		t.Fatal("an unsigned answer was accepted")
	}
	if _, err := Load(dir); !errors.Is(err, ErrNotEnrolled) {
		t.Fatalf("load = %v, want ErrNotEnrolled", err)
	}
	e.After = nil
	if _, err := Enrol(context.Background(), dir, ticket, wire.Inventory{}); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, dir, e.Root("first"), 1) // another epoch: enrolled twice
}

func TestRefusedAnswers(t *testing.T) {
	other := coordtest.NewAuthority(t)
	signed := func(change func(*wire.EnrollResponse)) func(*coordtest.Enrolment) {
		return func(e *coordtest.Enrolment) {
			e.Before = func(_ http.ResponseWriter, _ *wire.EnrollRequest, a *wire.EnrollResponse) bool {
				change(a)
				return false
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*coordtest.Enrolment)
		ticket func(*Ticket)
		want   string
	}{
		{"wrong signature", func(e *coordtest.Enrolment) {
			e.After = func(a *wire.EnrollResponse) { a.NodeID = "node_evil" }
		}, nil, "not signed by the enrolment key of the enrolment file"},
		{"other enrolment key", nil, func(t *Ticket) { t.EnrolmentKey = make([]byte, 32) }, "not signed by the enrolment key"},
		{"wrong pin", nil, func(t *Ticket) { t.CAPin[0] ^= 1 }, "does not show the CA of the enrolment file"},
		{"unknown token", nil, func(t *Ticket) { t.Token = "guessed" }, "LUCID_ERR_2004 unknown token (request_id " + coordtest.RequestID + ")"},
		{"other CA", signed(func(a *wire.EnrollResponse) { a.CAPEM = other.PEM }), nil, "not the one of the enrolment file"},
		{"a CA and more", signed(func(a *wire.EnrollResponse) { a.CAPEM += "junk" }), nil, "not a PEM certificate"},
		{"no CA", signed(func(a *wire.EnrollResponse) { a.CAPEM = "" }), nil, "names 0 CAs"},
		{"bad node id", signed(func(a *wire.EnrollResponse) { a.NodeID = "admin" }), nil, `node id "admin"`},
		{"no MQTT address", signed(func(a *wire.EnrollResponse) { a.MQTT = nil }), nil, "0 MQTT addresses"},
		{"bad MQTT address", signed(func(a *wire.EnrollResponse) { a.MQTT = []string{"host"} }), nil, `MQTT address "host"`},
		{"not a coordinator", func(e *coordtest.Enrolment) {
			e.Before = func(w http.ResponseWriter, _ *wire.EnrollRequest, _ *wire.EnrollResponse) bool {
				w.WriteHeader(http.StatusTeapot)
				return true
			}
		}, nil, "HTTP status 418 and no reason"},
		{"redirect", func(e *coordtest.Enrolment) {
			e.Before = func(w http.ResponseWriter, _ *wire.EnrollRequest, _ *wire.EnrollResponse) bool {
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}
		}, nil, "HTTP status 307"},
		{"other version", signed(func(a *wire.EnrollResponse) { a.V = 9 }), nil, "protocol version 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, dir := newEnrolment(t), t.TempDir()+"/state"
			if c.change != nil {
				c.change(e)
			}
			ticket := ticketOf(t, e.Ticket("first"))
			if c.ticket != nil {
				c.ticket(ticket)
			}
			_, err := Enrol(context.Background(), dir, ticket, wire.Inventory{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
			if _, err := Load(dir); !errors.Is(err, ErrNotEnrolled) {
				t.Errorf("load = %v, want ErrNotEnrolled", err)
			}
		})
	}
}

func TestUsedTokenOfAnotherDevice(t *testing.T) {
	e := newEnrolment(t)
	ticket := ticketOf(t, e.Ticket("first"))
	if _, err := Enrol(context.Background(), t.TempDir()+"/state", ticket, wire.Inventory{}); err != nil {
		t.Fatal(err)
	}
	_, err := Enrol(context.Background(), t.TempDir()+"/state", ticket, wire.Inventory{})
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Code != "LUCID_ERR_2004" || refusal.Status != http.StatusForbidden {
		t.Errorf("error = %v, want LUCID_ERR_2004", err)
	}
}

func TestRefusedForGood(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   bool
	}{
		{"token", http.StatusForbidden, `{"error":{"code":"LUCID_ERR_2004"}}`, true},
		{"input", http.StatusUnprocessableEntity, `{"error":{"code":"LUCID_ERR_1002"}}`, true},
		{"state", http.StatusConflict, `{"error":{"code":"LUCID_ERR_4003"}}`, true},
		{"too often", http.StatusTooManyRequests, `{"error":{"code":"LUCID_ERR_3001"}}`, false},
		{"too slow", http.StatusRequestTimeout, `{"error":{"code":"LUCID_ERR_5002"}}`, false},
		{"database down", http.StatusServiceUnavailable, `{"error":{"code":"LUCID_ERR_5001"}}`, false},
		{"not the coordinator's", http.StatusForbidden, `<html>sign in to this network</html>`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := errors.Is(refusal("enrolment", c.status, []byte(c.body)), ErrRefused); got != c.want {
				t.Errorf("refused for good: %v, want %v", got, c.want)
			}
		})
	}
}

// TestPlainHTTPToAServerThatSpeaksHTTPS meets one that answers in plain HTTP
// that it does, as Go's does, and one that just hangs up, as a coordinator
// does.
func TestPlainHTTPToAServerThatSpeaksHTTPS(t *testing.T) {
	const want = "it probably speaks HTTPS"
	e := newEnrolment(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if conn, err := listener.Accept(); err == nil {
			conn.Close() // with a request unread: a reset
		}
	}()
	closed := "http://" + listener.Addr().String()
	t.Cleanup(func() { listener.Close() })
	for name, address := range map[string]string{
		"answers":  strings.Replace(e.URL, "https:", "http:", 1),
		"hangs up": closed,
	} {
		ticket := ticketOf(t, e.Ticket("first"))
		if ticket.Coordinator, err = url.Parse(address); err != nil {
			t.Fatal(err)
		}
		if _, err := Enrol(context.Background(), t.TempDir()+"/state", ticket, wire.Inventory{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	listener.Close() // now nobody is there, and nothing is known of them
	ticket := ticketOf(t, e.Ticket("first"))
	if ticket.Coordinator, err = url.Parse(closed); err != nil {
		t.Fatal(err)
	}
	if _, err := Enrol(context.Background(), t.TempDir()+"/state", ticket, wire.Inventory{}); err == nil || strings.Contains(err.Error(), want) {
		t.Errorf("nobody: %v, does not want %q", err, want)
	}
}

func TestPinnedChain(t *testing.T) {
	authority := coordtest.NewAuthority(t)
	chain := func(config *tls.Config) (certs []*x509.Certificate) {
		for _, der := range config.Certificates[0].Certificate {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			certs = append(certs, c)
		}
		return certs
	}
	var pin [32]byte
	if _, err := hex.Decode(pin[:], []byte(authority.Pin)); err != nil {
		t.Fatal(err)
	}
	ours := chain(authority.Server(t, "coordinator.example"))
	stranger := chain(coordtest.NewAuthority(t).Server(t, "coordinator.example"))
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		host  string
		want  string // "": trusted
	}{
		{"ours", ours, "coordinator.example", ""},
		{"other host name", ours, "127.0.0.1", "127.0.0.1"},
		{"a name twice", chain(authority.Server(t, "localhost", "localhost", "127.0.0.1")), "elsewhere",
			"the server's certificate is valid for 127.0.0.1, localhost, not elsewhere"},
		{"CA not shown", ours[:1], "coordinator.example", "does not show the CA"},
		{"other CA", stranger, "coordinator.example", "does not show the CA"},
		{"our CA shown beside a foreign certificate", append(stranger[:1:1], ours[1]), "coordinator.example", "unknown authority"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := verifyChain(c.chain, pin, c.host)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
		})
	}
}

package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
)

// listen serves every connection with serve until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func withTLS(config *tls.Config) func(net.Conn) {
	return func(conn net.Conn) { _ = tls.Server(conn, config).Handshake() }
}

func TestServer(t *testing.T) {
	ours, other := coordtest.NewAuthority(t), coordtest.NewAuthority(t)
	portal := func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 302 Found\r\nLocation: http://login.hotel/\r\n\r\n") }
	closed := listen(t, func(net.Conn) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := l.Addr().String()
	l.Close()
	right := listen(t, withTLS(ours.Server(t, "127.0.0.1")))
	for name, c := range map[string]struct {
		server string
		ca     string
		later  time.Duration
		level  Level
		found  string
		remedy string
	}{
		"all is well":            {right, ours.PEM, 0, OK, "certificate right", ""},
		"not enrolled":           {right, "", 0, Unknown, "without an enrolment", ""},
		"another authority":      {listen(t, withTLS(other.Server(t, "127.0.0.1"))), ours.PEM, 0, Problem, "another authority", "captive portal"},
		"another name":           {listen(t, withTLS(ours.Server(t, "lucid.example"))), ours.PEM, 0, Problem, "127.0.0.1", "LUCID_PUBLIC_HOSTS"},
		"a clock two hours fast": {right, ours.PEM, 2 * time.Hour, Problem, "not valid at", "clock"},
		"a captive portal":       {listen(t, portal), ours.PEM, 0, Problem, "does not speak TLS", "captive portal"},
		"hangs up":               {closed, ours.PEM, 0, Problem, "TLS: ", "proxy"},
		"nobody listens":         {refused, ours.PEM, 0, Problem, "nobody listens", "running"},
		"not an address":         {"coordinator", ours.PEM, 0, Problem, "not host:port", "settings"},
	} {
		t.Run(name, func(t *testing.T) {
			m := machine{Config{CAPEM: c.ca, Now: func() time.Time { return time.Now().Add(c.later) }}}
			f := m.server(t.Context(), c.server)
			expect(t, f, c.level, c.found)
			if !strings.Contains(f.Remedy, c.remedy) {
				t.Errorf("remedy %q, want %q in it", f.Remedy, c.remedy)
			}
		})
	}
}

// TestNoName asks a name server that does not answer.
func TestNoName(t *testing.T) {
	silent := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("the name server is away")
	}}
	m := machine{Config{Now: time.Now, Network: Network{Resolver: silent}}}
	expect(t, m.server(t.Context(), "lucid.example:8883"), Problem, "has no address")
}

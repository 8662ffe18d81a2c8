package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

func TestRequestIDs(t *testing.T) {
	w := newWorld(t)
	for _, given := range []string{"a", "trace-1.2_X", strings.Repeat("a", 64)} {
		a := w.send(http.MethodGet, "/nothing", "", func(r *http.Request) { r.Header.Set("X-Request-ID", given) })
		if d := w.wantError(a, 404, "LUCID_ERR_1004"); d.RequestID != given {
			t.Errorf("given %q, got %q", given, d.RequestID)
		}
	}
	seen := map[string]bool{}
	for _, given := range []string{"", " ", "a b", "a\x00b", "<script>", "é", strings.Repeat("a", 65)} {
		a := w.send(http.MethodGet, "/nothing", "", func(r *http.Request) { r.Header["X-Request-Id"] = []string{given} })
		id := w.wantError(a, 404, "LUCID_ERR_1004").RequestID
		if id == given || len(id) != 36 || seen[id] {
			t.Errorf("given %q, got %q; want a fresh id", given, id)
		}
		seen[id] = true
	}
}

func TestSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/v1/nodes/", "/health", "/nothing", "/metrics"} {
		a := w.send(http.MethodGet, path, "", nil)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cache-Control": "no-store",
			"Strict-Transport-Security": "",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	a := w.send(http.MethodGet, "/health", "", func(r *http.Request) { r.TLS = &tls.ConnectionState{} })
	if got := a.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security over TLS is %q", got)
	}
}

func TestProbesAreLoggedQuietly(t *testing.T) {
	w := newWorld(t)
	w.send(http.MethodGet, "/health", "", nil)
	w.send(http.MethodGet, "/api/v1/nodes/", "", as(w.keys[access.Viewer]))
	for _, line := range strings.Split(strings.TrimSpace(w.log.String()), "\n") {
		probe := strings.Contains(line, `"path":"/health"`)
		if quiet := strings.Contains(line, `"level":"DEBUG"`); quiet != probe {
			t.Errorf("level of %s", line)
		}
	}
}

// TestRealServer sends what no client library would, over a real connection.
func TestRealServer(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(w.engine, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		<-done
	})
	const host = "Host: localhost\r\nConnection: close\r\n"
	for request, want := range map[string]int{
		"GET /health HTTP/1.1\r\n" + host + "\r\n":                                                                                200,
		"HEAD /health HTTP/1.1\r\n" + host + "\r\n":                                                                               405,
		"OPTIONS /api/v1/nodes/ HTTP/1.1\r\n" + host + "\r\n":                                                                     405,
		"BREW /api/v1/nodes/ HTTP/1.1\r\n" + host + "\r\n":                                                                        405,
		"GET http://localhost HTTP/1.1\r\n" + host + "\r\n":                                                                       404,
		"GET /api/v1/nodes/%00 HTTP/1.1\r\n" + host + "Authorization: Bearer KEY\r\n\r\n":                                         422,
		"POST /api/v1/enroll HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n":                                    400,
		"POST /api/v1/enroll HTTP/1.1\r\n" + host + "Content-Length: 10\r\nContent-Type: application/json\r\n\r\n{\"v\":1}   ":    422,
		"GET /health HTTP/1.1\r\n" + host + "X-Filler: " + strings.Repeat("a", 64<<10) + "\r\n\r\n":                               431,
		"GET /api/v1/nodes/ HTTP/1.1\r\n" + host + "Authorization: Bearer " + strings.Repeat("a", 16<<10) + "\r\n\r\n":            401,
		"POST /api/v1/enroll HTTP/1.1\r\n" + host + fmt.Sprintf("Content-Length: %d\r\n\r\n", 70000) + strings.Repeat("a", 70000): 413,
	} {
		request = strings.Replace(request, "KEY", w.keys[access.Viewer], 1)
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(connection, request) }() // the server may close before it has read all
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil || response.StatusCode != want {
			t.Errorf("%.60q: %+v, %v; want %d", request, response, err, want)
		}
		connection.Close()
	}
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrust: the server is believed by its CA's file or pin only. Its
// certificate here is its own CA, shown twice, as a chain.
func TestTrust(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"pools":[],"pagination":{"has_next":false}}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the refused handshakes
	server.StartTLS()
	defer server.Close()
	shown := &server.TLS.Certificates[0]
	shown.Certificate = append(shown.Certificate, shown.Certificate[0])
	sum := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	pin := hex.EncodeToString(sum[:])
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, url: server.URL, home: t.TempDir()}
	for name, c := range map[string]struct {
		flags []string
		want  int
	}{
		"file":      {[]string{"--ca", file}, 0},
		"pin":       {[]string{"--ca-sha256", pin}, 0},
		"neither":   {nil, exitFailed},
		"other pin": {[]string{"--ca-sha256", strings.Repeat("ab", 32)}, exitFailed},
		"both":      {[]string{"--ca", file, "--ca-sha256", pin}, exitUsage},
		"no PEM":    {[]string{"--ca", os.Args[0]}, exitUsage},
	} {
		if o := f.as("key", append(c.flags, "pools", "list", "-o", "json")...); o.code != c.want {
			t.Errorf("%s: exit code %d, want %d: %s", name, o.code, c.want, o.notes)
		} else if strings.Contains(o.notes, "--ca-sha256 (ca_sha256 of any enroll.toml)") != (name == "neither") {
			t.Errorf("%s: %s", name, o.notes)
		}
	}
}

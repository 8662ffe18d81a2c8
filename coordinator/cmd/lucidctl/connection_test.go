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

// tlsServer answers over TLS; its certificate's file and pin are of its CA.
func tlsServer(t *testing.T) (server *httptest.Server, file, pin string) {
	t.Helper()
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"pools":[],"pagination":{"has_next":false}}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the refused handshakes
	server.StartTLS()
	t.Cleanup(server.Close)
	shown := &server.TLS.Certificates[0]
	shown.Certificate = append(shown.Certificate, shown.Certificate[0])
	sum := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, file, hex.EncodeToString(sum[:])
}

// TestTrust: the server is believed by its CA's file or pin only. Its
// certificate here is its own CA, shown twice, as a chain.
func TestTrust(t *testing.T) {
	server, file, pin := tlsServer(t)
	f := &fleet{t: t, url: server.URL, home: t.TempDir()}
	f.forgetEnvironment()
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

// TestFaultsOfAConnectionNameWhatGaveIt: who set a variable looks for its name.
func TestFaultsOfAConnectionNameWhatGaveIt(t *testing.T) {
	server, file, pin := tlsServer(t)
	plain := "http://" + strings.TrimPrefix(server.URL, "https://")
	for name, c := range map[string]struct {
		environment map[string]string
		flags       []string
		code        int
		want        string
	}{
		"no such file":         {map[string]string{"LUCID_CA": "nope"}, nil, exitUsage, "LUCID_CA: open nope:"},
		"no such file, flag":   {nil, []string{"--ca", "nope"}, exitUsage, "--ca: open nope:"},
		"no PEM":               {map[string]string{"LUCID_CA": os.Args[0]}, nil, exitUsage, "LUCID_CA " + os.Args[0] + " holds no certificate"},
		"bad pin":              {map[string]string{"LUCID_CA_SHA256": "abc"}, nil, exitUsage, `LUCID_CA_SHA256 "abc": want 64 hexadecimal digits`},
		"bad pin, flag":        {map[string]string{"LUCID_CA": file}, []string{"--ca-sha256", "abc"}, exitUsage, `--ca-sha256 "abc": want 64`},
		"other pin":            {map[string]string{"LUCID_CA_SHA256": strings.Repeat("ab", 32)}, nil, exitFailed, "the CA of LUCID_CA_SHA256:"},
		"both":                 {map[string]string{"LUCID_CA": file, "LUCID_CA_SHA256": pin}, nil, exitUsage, "LUCID_CA and LUCID_CA_SHA256 are both given"},
		"bad URL":              {map[string]string{"LUCID_URL": "lucid.example"}, nil, exitUsage, `LUCID_URL "lucid.example": want http`},
		"bad URL, flag":        {map[string]string{"LUCID_URL": server.URL}, []string{"--url", "lucid.example"}, exitUsage, `--url "lucid.example": want http`},
		"http abroad":          {map[string]string{"LUCID_URL": "http://lucid.example"}, nil, exitUsage, "LUCID_URL http://lucid.example: over http others can read"},
		"http to a TLS port":   {map[string]string{"LUCID_URL": plain}, nil, exitFailed, "speaks TLS: give LUCID_URL with https://, and --ca-sha256"},
		"the same, by a flag":  {nil, []string{"--url", plain}, exitFailed, "speaks TLS: give --url with https://, and --ca-sha256"},
		"all right, variables": {map[string]string{"LUCID_CA_SHA256": pin, "LUCID_URL": server.URL}, nil, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fleet{t: t, home: t.TempDir()}
			f.forgetEnvironment()
			t.Setenv("LUCID_URL", server.URL)
			for variable, value := range c.environment {
				t.Setenv(variable, value)
			}
			if o := f.at(terminal{}, append([]string{"--key", "k", "pools", "list"}, c.flags...)...); o.code != c.code || !strings.Contains(o.notes, c.want) {
				t.Errorf("exit code %d, %s; want %d, %s", o.code, o.notes, c.code, c.want)
			}
		})
	}
}

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"lucid.internal/coordinator/client"
	"lucid.internal/coordinator/internal/hostname"
)

const (
	defaultURL     = "http://127.0.0.1:8095"
	requestTimeout = 30 * time.Second
)

// connection is how the API is reached and who calls.
type connection struct {
	URL      string `placeholder:"URL" help:"Where the API is (default: LUCID_URL, else that of the session, else http://127.0.0.1:8095)."`
	Key      string `placeholder:"KEY" help:"API key. Others on this machine see flags: rather use LUCID_API_KEY or --key-file."`
	KeyFile  string `placeholder:"FILE" help:"File that holds the API key (default: LUCID_API_KEY_FILE)."`
	CA       string `name:"ca" placeholder:"FILE" help:"CA certificate (PEM) that the API's certificate must come from (default: LUCID_CA)."`
	CASHA256 string `name:"ca-sha256" placeholder:"HEX" help:"Pin of the project's own CA, as in an enroll.toml (ca_sha256) (default: LUCID_CA_SHA256)."`

	// What gave each of them: a flag, a variable, or the session.
	urlFrom, caFrom, pinFrom, keyFrom string

	ignored string // the variable that says another key
	keySent bool
}

// fillIn takes from the environment what no flag says. Two ways to say the same
// thing are one: a flag for either leaves the environment's other one aside.
func (c *connection) fillIn(getenv func(string) string) {
	c.fillInKey(getenv)
	c.urlFrom, c.caFrom, c.pinFrom = "--url", "--ca", "--ca-sha256"
	if url := getenv("LUCID_URL"); c.URL == "" && url != "" {
		c.URL, c.urlFrom = url, "LUCID_URL"
	}
	if c.CA == "" && c.CASHA256 == "" {
		c.CA, c.CASHA256 = getenv("LUCID_CA"), getenv("LUCID_CA_SHA256")
		c.caFrom, c.pinFrom = "LUCID_CA", "LUCID_CA_SHA256"
	}
}

func (c *connection) fillInKey(getenv func(string) string) {
	key, file := getenv("LUCID_API_KEY"), getenv("LUCID_API_KEY_FILE")
	switch {
	case c.Key != "":
		c.keyFrom = "--key"
	case c.KeyFile != "":
		c.keyFrom = "--key-file"
	case key != "":
		c.Key, c.keyFrom = key, "LUCID_API_KEY"
		if file != "" {
			c.ignored = "LUCID_API_KEY_FILE"
		}
	case file != "":
		c.KeyFile, c.keyFrom = file, "LUCID_API_KEY_FILE"
	}
}

// explain adds what to do to an error that does not tell it.
func (c *connection) explain(err error) error {
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is && c.CA == "" && c.CASHA256 == "" {
		return fmt.Errorf("%w\n  if it is the project's own CA: give --ca-sha256 (ca_sha256 of any enroll.toml) or --ca FILE", err)
	}
	if errors.Is(err, errSpeaksTLS) {
		return fmt.Errorf("%w: give %s with https://, and --ca-sha256 (ca_sha256 of any enroll.toml) for the project's own CA", err, c.urlFrom)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w\n  nobody listens there: is the coordinator running, and is --url (LUCID_URL) its address?", err)
	}
	if c.keySent && exitCode(err) == exitNotAllowed {
		return fmt.Errorf("%w\n  the key is from %s", err, c.whichKey())
	}
	return err
}

// whichKey tells where the key is from, since several may be set.
func (c *connection) whichKey() string {
	text := c.keyFrom
	if c.KeyFile != "" {
		text += " " + c.KeyFile
	}
	if c.ignored != "" {
		text += "; " + c.ignored + " is ignored"
	}
	return text
}

// wrongUse is an error of whoever typed the command.
type wrongUse struct{ error }

func usage(format string, args ...any) error { return wrongUse{fmt.Errorf(format, args...)} }

// api is the client of the API, with the credential that the flags, the
// environment or the session give.
func (a *app) api() (*client.Client, error) {
	credential, err := a.credential()
	if err != nil {
		return nil, err
	}
	return a.open(credential)
}

// open is the client of the API; credential may be nil.
func (a *app) open(credential func(context.Context) (string, error)) (*client.Client, error) {
	address, err := a.address()
	if err != nil {
		return nil, err
	}
	httpClient, err := a.httpClient()
	if err != nil {
		return nil, err
	}
	return client.NewClient(address, client.WithHTTPClient(httpClient), client.WithRequestEditorFn(func(ctx context.Context, r *http.Request) error {
		r.Header.Set("User-Agent", "lucidctl/"+version)
		if credential == nil {
			return nil
		}
		text, err := credential(ctx)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+text)
		return nil
	}))
}

// address is the API's URL. A credential is not sent where others could read it.
func (a *app) address() (string, error) {
	text, from := a.cli.URL, a.cli.urlFrom
	if text == "" {
		s, _ := a.readSession() // without one the default holds
		text, from = cmp.Or(s.URL, defaultURL), "the session's URL"
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usage("%s %q: want http://host:port or https://host:port", from, text)
	}
	if u.Scheme == "http" && !hostname.Loopback(u.Hostname()) {
		return "", usage("%s %s: over http others can read the credential; use https, with --ca-sha256 for the project's own CA", from, text)
	}
	return strings.TrimSuffix(text, "/"), nil
}

// credential tells who calls: the flags and the environment go before the session.
func (a *app) credential() (func(context.Context) (string, error), error) {
	key := a.cli.Key
	if key != "" && a.cli.KeyFile != "" {
		return nil, usage("give --key or --key-file, not both")
	}
	if a.cli.KeyFile != "" {
		content, err := os.ReadFile(a.cli.KeyFile)
		if err != nil {
			return nil, usage("%s: %w", a.cli.keyFrom, err)
		}
		if key = strings.TrimSpace(string(content)); key == "" {
			return nil, usage("%s %s is empty", a.cli.keyFrom, a.cli.KeyFile)
		}
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) { // no header would take it
		return nil, usage("%s holds more than an API key: want the key alone, in one line", a.cli.whichKey())
	}
	if key != "" {
		a.cli.keySent = true
		return func(context.Context) (string, error) { return key, nil }, nil
	}
	s, err := a.readSession()
	switch {
	case err != nil:
		return nil, err
	case s.AccessToken == "":
		return nil, notAllowed{errors.New("no credential: set LUCID_API_KEY, give --key-file, or `lucidctl login`")}
	}
	if address, err := a.address(); err != nil {
		return nil, err
	} else if address != s.URL {
		return nil, notAllowed{fmt.Errorf("the session is for %s, not for %s; log in there, or give a key", s.URL, address)}
	}
	return a.sessionToken, nil
}

func (a *app) httpClient() (*http.Client, error) {
	config, err := a.tlsConfig()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.ResponseHeaderTimeout = requestTimeout // the body of a stream of events may take for ever
	return &http.Client{Transport: transport}, nil
}

// tlsConfig trusts what the flags say, else what the session was opened with,
// else the system.
func (a *app) tlsConfig() (*tls.Config, error) {
	file, pin, fileFrom, pinFrom := a.cli.CA, a.cli.CASHA256, a.cli.caFrom, a.cli.pinFrom
	if file == "" && pin == "" {
		if s, err := a.readSession(); err == nil && (a.cli.URL == "" || a.cli.URL == s.URL) {
			file, pin, fileFrom, pinFrom = s.CA, s.CASHA256, "the session's CA file", "the session's pin of the CA"
		}
	}
	switch {
	case file != "" && pin != "":
		return nil, usage("%s and %s are both given: give one", fileFrom, pinFrom)
	case pin != "":
		return pinned(pin, pinFrom)
	case file != "":
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, usage("%s: %w", fileFrom, err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(content) {
			return nil, usage("%s %s holds no certificate in PEM", fileFrom, file)
		}
		return &tls.Config{RootCAs: roots}, nil
	}
	return &tls.Config{}, nil
}

// pinned trusts the one CA whose public key has this SHA-256; the coordinator
// shows it with its own certificate. from is what gave the pin.
func pinned(pin, from string) (*tls.Config, error) {
	want, err := hex.DecodeString(pin)
	if err != nil || len(want) != sha256.Size {
		return nil, usage("%s %q: want 64 hexadecimal digits, as in an enroll.toml (ca_sha256)", from, pin)
	}
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does more
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, ca := range state.PeerCertificates[1:] {
				if sha256.Sum256(ca.RawSubjectPublicKeyInfo) != [sha256.Size]byte(want) {
					continue
				}
				roots := x509.NewCertPool()
				roots.AddCert(ca)
				_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: state.ServerName})
				return err
			}
			return fmt.Errorf("the server does not show the CA of %s: wrong server, or somebody is in between", from)
		},
	}, nil
}

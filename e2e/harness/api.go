package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxBodyBytes bounds an answer that is read.
const maxBodyBytes = 8 << 20

// URL is where the API is.
func (c *Coordinator) URL() string {
	if c.TLS {
		return "https://" + c.HTTP
	}
	return "http://" + c.HTTP
}

// Pin makes every further call insist on a CA, as an agent does: pin is the
// hexadecimal SHA-256 of the CA's public key, from a token's file. Until then
// any certificate will do, so that /ready can be asked before there is a token.
func (c *Coordinator) Pin(pin string) {
	c.client.CloseIdleConnections()
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: PinnedTLS(pin)}}
}

// PinnedTLS insists on the CA of that pin; "" takes any certificate.
func PinnedTLS(pin string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does more
		VerifyConnection: func(state tls.ConnectionState) error {
			if pin == "" {
				return nil
			}
			return verifyPinned(state, pin)
		},
	}
}

// verifyPinned checks the chain up to the pinned CA, and the host's name.
func verifyPinned(state tls.ConnectionState, pin string) error {
	for _, ca := range state.PeerCertificates[1:] {
		if sum := sha256.Sum256(ca.RawSubjectPublicKeyInfo); hex.EncodeToString(sum[:]) != pin {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(ca)
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: state.ServerName})
		return err
	}
	return fmt.Errorf("none of %d certificates is the pinned CA's", len(state.PeerCertificates))
}

// MakeAdminKey makes the key that dev makes by itself.
func (c *Coordinator) MakeAdminKey(ctx context.Context) error {
	key, err := c.Run(ctx, "apikey", "create", "--data", c.Data, "--name", "e2e-admin", "--role", "admin")
	if err != nil {
		return err
	}
	return os.WriteFile(c.AdminKeyFile(), []byte(key), 0o600)
}

// AdminKeyFile is where dev leaves the key of its first administrator.
func (c *Coordinator) AdminKeyFile() string { return filepath.Join(c.Data, "admin.key") }

// Get asks the API, as administrator once the key exists.
func (c *Coordinator) Get(ctx context.Context, path string) (status int, body []byte, err error) {
	return c.call(ctx, http.MethodGet, path, nil)
}

// Post sends a JSON body.
func (c *Coordinator) Post(ctx context.Context, path string, body any) (status int, answer []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	return c.call(ctx, http.MethodPost, path, text)
}

// Send calls with any method and a JSON text, "" for none.
func (c *Coordinator) Send(ctx context.Context, method, path, body string) (status int, answer []byte, err error) {
	return c.call(ctx, method, path, []byte(body))
}

// GetJSON reads an answer that must be 200 into out.
func (c *Coordinator) GetJSON(ctx context.Context, path string, out any) error {
	status, body, err := c.Get(ctx, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: status %d: %s", path, status, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("GET %s: %w: %s", path, err, body)
	}
	return nil
}

func (c *Coordinator) call(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.URL()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if key, err := os.ReadFile(c.AdminKeyFile()); err == nil {
		req.Header.Set("X-API-Key", strings.TrimSpace(string(key)))
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes))
	return resp.StatusCode, answer, err
}

// Metric sums the samples of a Prometheus metric whose labels, as written,
// contain every one of the given texts. A metric that is not there is 0.
func (c *Coordinator) Metric(ctx context.Context, name string, labels ...string) (float64, error) {
	status, body, err := c.Get(ctx, "/metrics")
	if err != nil || status != http.StatusOK {
		return 0, fmt.Errorf("GET /metrics: status %d: %w", status, err)
	}
	return sumMetric(string(body), name, labels)
}

func sumMetric(text, name string, labels []string) (float64, error) {
	var sum float64
lines:
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(strings.TrimSpace(line), name)
		if !found || rest == "" || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(rest, label) {
				continue lines
			}
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum += value
	}
	return sum, nil
}

package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"lucid.internal/shared/wire"
)

const (
	askTimeout     = 30 * time.Second
	maxAnswerBytes = 256 << 10
)

// Refusal is an answer other than an identity.
type Refusal struct {
	Status  int    // of HTTP
	Code    string // LUCID_ERR_..., "" when the answer is not the coordinator's
	Message string
}

func (r *Refusal) Error() string {
	if r.Code == "" {
		return fmt.Sprintf("enrolment failed: the server answers with HTTP status %d and no reason; is it a coordinator?", r.Status)
	}
	return fmt.Sprintf("enrolment refused: %s %s", r.Code, r.Message)
}

// ask sends the request and gives the coordinator's answer, unchecked.
func ask(ctx context.Context, ticket *Ticket, request *wire.EnrollRequest) (*wire.EnrollResponse, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	target := ticket.Coordinator.JoinPath(wire.EnrollPath).String()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	post.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{ // no proxy: it is the coordinator or nobody
		TLSClientConfig: pinned(ticket.CAPin, ticket.Coordinator.Hostname()),
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(post)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", target, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, refusal(answer.StatusCode, content)
	}
	response := new(wire.EnrollResponse)
	if err := json.Unmarshal(content, response); err != nil {
		return nil, fmt.Errorf("answer of %s: %w", target, err)
	}
	return response, nil
}

func refusal(status int, content []byte) *Refusal {
	var envelope struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(content, &envelope) // not the coordinator's envelope: no code
	return &Refusal{Status: status, Code: envelope.Error.Code, Message: envelope.Error.Message}
}

// pinned trusts one CA, known by the hash of its key alone. Go's own
// verification needs the certificate, which the server's chain must carry;
// so it is replaced by verification against the pinned certificate found
// there. Nothing is skipped: chain, validity, purpose and name are checked.
func pinned(pin [32]byte, host string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		ServerName:         host,
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyChain(state.PeerCertificates, pin, host)
		},
	}
}

func verifyChain(chain []*x509.Certificate, pin [32]byte, host string) error {
	roots, others, found := x509.NewCertPool(), x509.NewCertPool(), false
	for _, c := range chain {
		if c.IsCA && sha256.Sum256(c.RawSubjectPublicKeyInfo) == pin {
			roots.AddCert(c)
			found = true
		} else {
			others.AddCert(c)
		}
	}
	if !found {
		return fmt.Errorf("the server does not show the CA of the ticket (ca_sha256 %x): wrong server, or somebody is in between", pin)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, DNSName: host,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// checkCA makes sure that the CA given for MQTT is the pinned one and
// nothing else.
func checkCA(text string, pin [32]byte) error {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) != 0 {
		return errors.New("the answer's CA is not one PEM certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("the answer's CA: %w", err)
	}
	if !c.IsCA || sha256.Sum256(c.RawSubjectPublicKeyInfo) != pin {
		return errors.New("the answer's CA is not the one of the ticket (ca_sha256)")
	}
	return nil
}

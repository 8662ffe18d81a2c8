package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"lucid.internal/shared/wire"
)

const (
	askTimeout     = 30 * time.Second
	maxAnswerBytes = 256 << 10
)

// ErrRefused is a refusal for good: the same enrolment file will be refused
// again.
var ErrRefused = errors.New("the coordinator refuses this enrolment file")

// Refusal is an answer other than what was asked for.
type Refusal struct {
	Asked     string // for what: enrolment, ...
	Status    int    // of HTTP
	Code      string // LUCID_ERR_..., "" when the answer is not the coordinator's
	Message   string
	RequestID string // under which the coordinator's log has it
}

func (r *Refusal) Error() string {
	if r.Code == "" {
		return fmt.Sprintf("%s failed: the server answers with HTTP status %d and no reason; is it a coordinator?", r.Asked, r.Status)
	}
	return fmt.Sprintf("%s refused: %s %s (request_id %s)", r.Asked, r.Code, r.Message, r.RequestID)
}

// Is makes ErrRefused of what the coordinator itself holds against the
// request; not of haste, of its own troubles or of what others answer.
func (r *Refusal) Is(target error) bool {
	return target == ErrRefused && r.Code != "" && r.Status/100 == 4 &&
		r.Status != http.StatusRequestTimeout && r.Status != http.StatusTooManyRequests
}

// ask sends the request and gives the coordinator's answer, unchecked.
func ask(ctx context.Context, ticket *Ticket, request *wire.EnrollRequest) (*wire.EnrollResponse, error) {
	response, err := exchange(ctx, ticket, request)
	if err != nil && ticket.Coordinator.Scheme == "http" && wantsTLS(err) {
		return nil, fmt.Errorf("%w; it probably speaks HTTPS: write https:// for http:// in the enrolment file", err)
	}
	return response, err
}

// wantsTLS guesses from what became of a request in plain HTTP: a server that
// waits for TLS hangs up, or answers with nothing of ours.
func wantsTLS(err error) bool {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal.Code == ""
	}
	network, ok := errors.AsType[*net.OpError](err)
	unreached := ok && network.Op == "dial"
	return !unreached && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

func exchange(ctx context.Context, ticket *Ticket, request *wire.EnrollRequest) (*wire.EnrollResponse, error) {
	target := ticket.Coordinator.JoinPath(wire.EnrollPath).String()
	content, err := post(ctx, "enrolment", target, pinned(ticket.CAPin, ticket.Coordinator.Hostname()), request)
	if err != nil {
		return nil, err
	}
	response := new(wire.EnrollResponse)
	if err := json.Unmarshal(content, response); err != nil {
		return nil, fmt.Errorf("answer of %s: %w", target, err)
	}
	return response, nil
}

// post sends what is asked for, and gives the answer; a Refusal when it is not
// one of success.
func post(ctx context.Context, asked, target string, trust *tls.Config, request any) ([]byte, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	post.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{TLSClientConfig: trust} // no proxy: it is the coordinator or nobody
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
	if answer.StatusCode/100 != 2 {
		return nil, refusal(asked, answer.StatusCode, content)
	}
	return content, nil
}

func refusal(asked string, status int, content []byte) *Refusal {
	var envelope struct {
		Error struct {
			Code      string `json:"code"`
			Message   string `json:"message"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	_ = json.Unmarshal(content, &envelope) // not the coordinator's envelope: no code
	e := envelope.Error
	return &Refusal{Asked: asked, Status: status, Code: e.Code, Message: e.Message, RequestID: e.RequestID}
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
		return fmt.Errorf("the server does not show the CA of the enrolment file (ca_sha256 %x): wrong server, or somebody is in between", pin)
	}
	if chain[0].VerifyHostname(host) != nil {
		return fmt.Errorf("the server's certificate is valid for %s, not %s", names(chain[0]), host)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, DNSName: host,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// names that a certificate is valid for, each once.
func names(c *x509.Certificate) string {
	list := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// checkCAs makes sure that the pinned CA is among those given for MQTT: while
// one follows the other there are two, and the enrolment key signed both.
func checkCAs(text string, pin [32]byte) error {
	cas, err := parseCAs(text)
	if err != nil {
		return fmt.Errorf("the answer is not usable: %w", err)
	}
	pinned := func(c *x509.Certificate) bool { return sha256.Sum256(c.RawSubjectPublicKeyInfo) == pin }
	if !slices.ContainsFunc(cas, pinned) {
		return errors.New("the answer's CA is not the one of the enrolment file (ca_sha256)")
	}
	return nil
}

package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// patience bounds one question and its whole answer.
	patience = 10 * time.Second
	// maxAnswerBytes: a full block of mainnet is about 1 MB of JSON.
	maxAnswerBytes = 16 << 20
)

// Node is one server of the network's HTTP API, below /wallet or /walletsolidity.
type Node struct {
	base   string // without a slash at its end
	host   string // its name in errors: the rest of a URL may hold an access key
	client *http.Client
}

// NewNode makes the client of a server, https://host or http://host:port with
// an optional path. transport may be nil.
func NewNode(base string, transport http.RoundTripper) (*Node, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("TRON node: not a URL like https://host or http://host:port")
	}
	client := &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the node that was named answers, or none
	}}
	return &Node{strings.TrimRight(base, "/"), u.Host, client}, nil
}

// Host is the server's name and port.
func (n *Node) Host() string { return n.host }

// ask posts one question and reads the answer into out.
func (n *Node) ask(ctx context.Context, path string, question, out any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s%s: %w", n.host, path, withoutURL(err))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := n.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s%s: %w", n.host, path, withoutURL(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s%s: read the answer: %w", n.host, path, err)
	case len(answer) > maxAnswerBytes:
		return fmt.Errorf("%s%s: the answer has more than %d bytes", n.host, path, maxAnswerBytes)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s%s: status %d", n.host, path, response.StatusCode)
	}
	if err := refusalOf(answer); err != nil {
		return fmt.Errorf("%s%s: %w", n.host, path, err)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s%s: the answer is not what was asked for: %w", n.host, path, err)
	}
	return nil
}

// refusalOf reads the form in which nodes tell of an error under status 200.
func refusalOf(answer []byte) error {
	var refusal struct {
		Error any `json:"Error"`
	}
	if json.Unmarshal(answer, &refusal) == nil && refusal.Error != nil {
		text := fmt.Sprint(refusal.Error)
		return fmt.Errorf("refused: %.200s", text)
	}
	return nil
}

// withoutURL is what went wrong, without the URL, which may hold a key.
func withoutURL(err error) error {
	if wrapped, ok := err.(*url.Error); ok {
		return wrapped.Err
	}
	return err
}

package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"lucid.internal/e2e/harness"
)

// API is a coordinator's REST API and the key to make nodes by it.
type API struct {
	URL      string // https://host:port, no path
	Key      string // of an operator or administrator
	CASHA256 string // pin of the coordinator's CA; "" takes any certificate
}

const (
	nodesPath = "/api/v1/nodes/"
	callTime  = time.Minute
	maxAnswer = 1 << 20
)

// caller keeps the connections of an API.
type caller struct {
	API
	client *http.Client
}

func (a API) open(atOnce int) *caller {
	return &caller{a, &http.Client{Timeout: callTime, Transport: &http.Transport{
		TLSClientConfig: harness.PinnedTLS(a.CASHA256), MaxIdleConnsPerHost: atOnce,
	}}}
}

// post sends a body and reads the answer, which must be 200 or 201.
func (c *caller) post(ctx context.Context, path string, body, answer any) error {
	return c.send(ctx, http.MethodPost, path, body, answer)
}

// put is post for a change.
func (c *caller) put(ctx context.Context, path string, body, answer any) error {
	return c.send(ctx, http.MethodPut, path, body, answer)
}

func (c *caller) send(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.call(ctx, method, path, text, answer)
}

// get reads an answer, which must be 200.
func (c *caller) get(ctx context.Context, path string, answer any) error {
	return c.call(ctx, http.MethodGet, path, nil, answer)
}

func (c *caller) call(ctx context.Context, method, path string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Key != "" {
		req.Header.Set("X-API-Key", c.Key)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s %s: status %d: %s", method, path, resp.StatusCode, got)
	}
	return json.Unmarshal(got, answer)
}

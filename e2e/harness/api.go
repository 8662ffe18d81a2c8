package harness

import (
	"bytes"
	"context"
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
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.HTTP+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if key, err := os.ReadFile(c.AdminKeyFile()); err == nil {
		req.Header.Set("X-API-Key", strings.TrimSpace(string(key)))
	}
	resp, err := http.DefaultClient.Do(req)
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

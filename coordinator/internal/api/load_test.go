package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
)

const (
	loadNodes       = 10_000
	loadConnections = 64
)

type loadBody struct {
	One int `json:"one"`
}

// BenchmarkLoad measures reads over real connections, with a token, beside
// SELECT 1 through the same server, on a fleet of 10,000 nodes. Client, server
// and Postgres share the machine, so only the relation says much:
//
//	go test ./internal/api -run '^$' -bench Load -benchtime 5s
func BenchmarkLoad(b *testing.B) {
	w := newWorld(b)
	w.createPool("pool_home", 0)
	n := w.enrol("attic-pi", "pool_home")
	w.judge(n, "valid", "")
	// Rows as an enrolment leaves them, without the work of ten thousand.
	_, err := w.db.Exec(b.Context(), `INSERT INTO node (node_id, name, node_type, status, inventory, created_at, updated_at)
		SELECT 'node_load' || i, 'load-' || i, 'worker', 'active', (SELECT inventory FROM node WHERE node_id = $2),
			$3::timestamptz + i * interval '1 second', $3 FROM generate_series(1, $1) i`, loadNodes-1, n.ID, w.now())
	if err == nil {
		_, err = w.db.Exec(b.Context(), "ANALYZE")
	}
	if err != nil {
		b.Fatal(err)
	}
	register(w.server, operation{
		id: "selectOne", method: http.MethodGet, path: basePath + "/load", tag: "load", role: access.Viewer, summary: "-", description: "-",
	}, func(ctx context.Context, _ *struct{}) (*answer[loadBody], error) {
		var body loadBody
		err := w.db.QueryRow(ctx, "SELECT 1").Scan(&body.One)
		if err != nil {
			return nil, err
		}
		return answered(body)
	})
	var token tokenBody
	w.decode(w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Service])).body, &token)
	server := httptest.NewServer(w.engine)
	defer server.Close()
	for _, path := range []string{
		"/load", "/nodes/?limit=20", "/nodes/node_load5000", "/nodes/node_load5000/status", "/nodes/" + n.ID + "/poot/score",
	} {
		b.Run(path[1:min(12, len(path))], func(b *testing.B) { load(b, server.URL+basePath+path, token.AccessToken) })
	}
}

// load asks b.N times over all connections, and reports the rate and p99.
func load(b *testing.B, url, token string) {
	transport := &http.Transport{MaxIdleConnsPerHost: loadConnections, MaxConnsPerHost: loadConnections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	took := make([]time.Duration, b.N)
	var next, failed atomic.Int64
	var wait sync.WaitGroup
	b.ResetTimer()
	for range loadConnections {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				began := time.Now()
				if err := ask(b.Context(), client, url, token); err != nil && failed.Add(1) == 1 {
					b.Error(err)
				}
				took[i] = time.Since(began)
			}
		})
	}
	wait.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(took[len(took)*99/100])/float64(time.Millisecond), "p99-ms")
}

func ask(ctx context.Context, client *http.Client, url, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d %s", url, response.StatusCode, body)
	}
	return err
}

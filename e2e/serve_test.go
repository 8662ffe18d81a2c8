package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
)

// TestServe is production: a database of the operator's, HTTPS from the
// project's own CA that devices pin, and a SIGTERM that drains and leaves the
// database alone.
func TestServe(t *testing.T) {
	data := dataDir(t)
	pg := startPostgres(t, data)
	l := start(t, harness.Options{Data: data, Serve: pg, TLS: true})
	ctx := within(t, manyWaits)
	if resp, err := http.Get("http://" + l.HTTP + "/health"); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("serve speaks plain HTTP")
		}
	}
	if err := l.MakeAdminKey(ctx); err != nil {
		t.Fatal(err)
	}
	file, err := l.NewToken(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Pin(strings.Repeat("00", 32))
	if _, _, err := l.Get(ctx, "/health"); err == nil {
		t.Error("a certificate was accepted under a pin that is not its CA's")
	}
	l.Pin(file.CASHA256)
	n, err := l.device().Enroll(ctx, l.Coordinator, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.connect(n).Send(ctx, message(t, n, 1)); err != nil {
		t.Fatal(err)
	}
	var latest struct {
		Memory struct {
			TotalBytes uint64 `json:"total_bytes"`
		} `json:"memory"`
	}
	l.await(ctx, "the sample through the API", func(ctx context.Context) error {
		err := l.GetJSON(ctx, "/api/v1/nodes/"+n.ID+"/resources", &latest)
		if err != nil {
			return err
		}
		return unless(latest.Memory.TotalBytes == 3_980_464_128, "%+v", latest)
	})
	if err := l.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if n := l.samples(n); n != 1 { // the operator's database runs on
		t.Errorf("%d samples in the database, want 1", n)
	}
}

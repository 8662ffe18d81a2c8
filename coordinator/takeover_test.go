package coordinator

import (
	"context"
	"errors"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/outage"
)

// A leader whose connection is cut may find that its standby was quicker. Its
// nodes are offline on record by then, so it must let them go.
func TestLeaderEndsWhenItsStandbyTookOver(t *testing.T) {
	f := newFoundation(t, testConfig(t))
	c, err := New(f, Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	select {
	case <-c.Serving():
	case err := <-ended:
		t.Fatalf("ended before it served: %v", err)
	}
	rival, err := outage.NewHeartbeat(outage.Config{Pool: f.DB})
	if err != nil {
		t.Fatal(err)
	}
	if err := rival.RunOnce(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, outage.ErrSuperseded) {
		t.Errorf("ended with %v, want that another one took over", err)
	}
}

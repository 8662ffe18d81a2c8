package harness

import (
	"context"
	"fmt"
	"time"
)

// lookEvery is the gap between two looks at a condition of another process.
const lookEvery = 50 * time.Millisecond

// Until looks again and again until look returns nil. When ctx ends first, its
// error says what was waited for and what the last look saw.
func Until(ctx context.Context, what string, look func(context.Context) error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last seen: %w", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

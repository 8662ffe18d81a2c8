package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// lookEvery is the mean gap between two looks at a condition of another process.
// The gaps differ: what comes and goes with the beat of a second would else be
// missed by every look, or seen by every one.
const lookEvery = 50 * time.Millisecond

// Until looks again and again until look returns nil. When ctx ends first, its
// error says what was waited for and what the last look saw.
func Until(ctx context.Context, what string, look func(context.Context) error) error {
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last seen: %w", what, context.Cause(ctx), err)
		case <-time.After(lookEvery/2 + rand.N(lookEvery)):
		}
	}
}

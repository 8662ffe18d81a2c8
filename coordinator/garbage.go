package coordinator

import (
	"context"

	"lucid.internal/coordinator/internal/garbage"
)

// PaceCollector has the garbage collector follow the load until ctx ends. It is
// for the whole process, so a program calls it once.
func PaceCollector(ctx context.Context) { garbage.Pace(ctx) }

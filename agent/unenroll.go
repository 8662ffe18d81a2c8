package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/agent/internal/identity"
)

// UnenrolConfig says how to give a node up.
type UnenrolConfig struct {
	StateDir    string
	Coordinator string // address of its API; "": where this machine enrolled
	Force       bool   // also when the coordinator cannot be told
	Now         func() time.Time
}

// Unenrolled is what giving a node up led to.
type Unenrolled struct {
	NodeID string // "" when the machine was not enrolled, or nobody knows as what
	Untold error  // why the coordinator does not know, which lists the node on; nil: it knows
}

// Unenrol gives this machine's node up: the coordinator deletes it, then the
// identity is removed here. It may be repeated, after a power cut at any step
// too; ErrNotEnrolled says that nothing is left to do. A coordinator that cannot
// be told leaves all as it is, unless it is forced.
func Unenrol(ctx context.Context, config UnenrolConfig) (Unenrolled, error) {
	id, err := identity.GiveUp(ctx, config.StateDir, config.Coordinator, config.Now())
	if errors.Is(err, ErrNotEnrolled) || err != nil && !config.Force {
		return Unenrolled{NodeID: id}, err
	}
	if forgetting := identity.Forget(config.StateDir); forgetting != nil {
		return Unenrolled{NodeID: id, Untold: err}, fmt.Errorf("the identity cannot be removed: %w", errors.Join(forgetting, err))
	}
	return Unenrolled{NodeID: id, Untold: err}, nil
}

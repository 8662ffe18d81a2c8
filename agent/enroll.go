package agent

import (
	"context"
	"errors"
	"io/fs"

	"lucid.internal/agent/internal/collect"
	"lucid.internal/agent/internal/identity"
)

// EnrolConfig says how to enrol.
type EnrolConfig struct {
	File     string // the enroll.toml
	StateDir string
	Version  string
	Root     string // where proc, sys and etc are found; default "/"
}

// Enrolled is what an enrolment led to.
type Enrolled struct {
	NodeID string
	Before bool // the machine was enrolled already; nothing was changed
}

// Enrol gives this machine its identity. It may be repeated: an enrolled
// machine without a new file, or with the file it used, stays as it is.
func Enrol(ctx context.Context, config EnrolConfig) (Enrolled, error) {
	ticket, err := identity.ReadTicket(config.File)
	if errors.Is(err, fs.ErrNotExist) {
		id, loadErr := identity.Load(config.StateDir)
		if loadErr == nil {
			return Enrolled{NodeID: id.NodeID, Before: true}, nil
		}
		if !errors.Is(loadErr, ErrNotEnrolled) {
			return Enrolled{}, loadErr
		}
	}
	if err != nil {
		return Enrolled{}, err
	}
	inventory := collect.New(collect.Config{Root: config.Root}).Inventory()
	inventory.AgentVersion = config.Version
	result, err := identity.Enrol(ctx, config.StateDir, ticket, inventory)
	return Enrolled{NodeID: result.NodeID, Before: result.Already}, err
}

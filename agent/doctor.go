package agent

import (
	"context"
	"errors"

	"lucid.internal/agent/internal/doctor"
	"lucid.internal/agent/internal/identity"
)

// Finding is what one check of the doctor found.
type Finding = doctor.Finding

// Levels of a finding.
const (
	FindingOK      = doctor.OK
	FindingWarning = doctor.Warning
	FindingProblem = doctor.Problem
	FindingUnknown = doctor.Unknown
)

// Examine looks the machine over as the settings describe it. It works
// beside a running agent, and without an enrolment as far as that goes.
func Examine(ctx context.Context, config Config) ([]Finding, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	look := doctor.Config{Root: config.Root, Servers: config.Servers, Folder: config.StateDir, Now: config.Now}
	id, err := identity.Load(config.StateDir)
	switch {
	case err == nil:
		look.CAPEM = id.CAPEM
		if len(look.Servers) == 0 {
			look.Servers = id.Servers
		}
	case errors.Is(err, ErrNotEnrolled): // the check of the state folder says so
	default:
		found := Finding{Check: "identity", Level: FindingProblem, Found: err.Error(),
			Remedy: "run this as lucid-agent or root; if the file is damaged, enrol again with a new enroll.toml"}
		return append([]Finding{found}, doctor.Examine(ctx, look)...), nil
	}
	return doctor.Examine(ctx, look), nil
}

package agent

import (
	"context"
	"errors"
	"strings"
	"time"

	"lucid.internal/agent/internal/doctor"
	"lucid.internal/agent/internal/identity"
	"lucid.internal/agent/internal/link"
)

// Finding is what one check of the doctor found.
type Finding = doctor.Finding

// FindingProblem is the level of a finding by which the agent does not do its work.
const FindingProblem = doctor.Problem

// Examine looks the machine over as the settings describe it. It works
// beside a running agent, and without an enrolment as far as that goes.
func Examine(ctx context.Context, config Config) ([]Finding, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.Now == nil {
		config.Now = time.Now
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
	findings := doctor.Examine(ctx, look)
	if found, refused := refusedLogin(config); refused {
		findings = append(findings, found)
	}
	return findings, nil
}

// refusedLogin tells what the running agent was told last, which is not tried
// here: a second login would end the agent's own.
func refusedLogin(config Config) (found Finding, refused bool) {
	r, err := ReadReport(config.StatusFile)
	if err != nil || r.Connected || !r.Running(config.Now()) || !strings.Contains(r.LastError, link.ErrUnknown.Error()) {
		return Finding{}, false
	}
	return Finding{Check: "login", Level: FindingProblem,
		Found:  "the coordinator at " + r.Server + " does not know this node or its keys any more",
		Remedy: "if the node was not deleted on purpose, enrol again with a new enroll.toml"}, true
}

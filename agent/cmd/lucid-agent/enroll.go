package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"lucid.internal/agent"
)

// enroll is the command `enroll`.
func enroll(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("enroll", flag.ContinueOnError)
	file := flags.String("file", "enroll.toml", "enrolment `file` from the operator: coordinator, ca_sha256, enrolment_key, token, payout_address")
	boot := flags.String("boot", "", "boot partition's `folder`: takes lucid/enroll.toml there, writes lucid/enroll.status beside it, and removes the file when it has served")
	result := flags.String("result", "", "`file` that is to say in one line how it went")
	stateDir := flags.String("state-dir", agent.Default().StateDir, "state `folder`, for keys and identity; made with mode 0700")
	about := "get an identity from a coordinator; may be repeated after any failure with the same file; " +
		"exit code 4: refused for good, get a new file; 5: the file is wrong, correct it"
	if code, done := parse(flags, args, about, stdout, stderr); done {
		return code
	}
	config := agent.EnrolConfig{File: *file, StateDir: *stateDir, Result: *result, Version: version}
	if *boot != "" {
		config.OnBootPartition(*boot)
	}
	enrolled, err := agent.Enrol(ctx, config)
	switch {
	case errors.Is(err, agent.ErrTicket):
		fmt.Fprintf(stderr, "lucid-agent enroll: %v\n", err)
		return exitTicket
	case errors.Is(err, agent.ErrRefused):
		fmt.Fprintf(stderr, "lucid-agent enroll: %v\n", err)
		return exitRefused
	case err != nil:
		return failed("enroll", err, stderr)
	case enrolled.Before:
		fmt.Fprintf(stdout, "already enrolled as %s\n", enrolled.NodeID)
	default:
		fmt.Fprintf(stdout, "enrolled as %s\n", enrolled.NodeID)
	}
	return exitOK
}

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"lucid.internal/agent"
)

// sign is the command `sign`. It speaks to nobody: who reads what it prints
// carries it to the coordinator.
func sign(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sign", flag.ContinueOnError)
	address := flags.String("payout-address", "", "TRON `address` that this node's earnings shall be paid to")
	stateDir := flags.String("state-dir", agent.Default().StateDir, "state `folder`, with keys and identity")
	about := "sign a new payout address with this machine's device key, as JSON; the coordinator takes it within 15 minutes"
	if code, done := parse(flags, args, about, stdout, stderr); done {
		return code
	}
	if *address == "" {
		fmt.Fprintln(stderr, "lucid-agent sign: --payout-address is missing (-h lists the flags)")
		return exitUsage
	}
	change, err := agent.SignPayoutAddress(*stateDir, *address, time.Now())
	if err == nil {
		var text []byte
		text, err = json.Marshal(change)
		fmt.Fprintf(stdout, "%s\n", text)
	}
	if errors.Is(err, agent.ErrNotEnrolled) {
		err = fmt.Errorf("%w: no identity in %s", err, *stateDir)
	}
	if err != nil {
		return failed("sign", err, stderr)
	}
	return exitOK
}

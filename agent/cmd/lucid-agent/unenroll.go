package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"lucid.internal/agent"
)

// unenroll is the command `unenroll`.
func unenroll(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("unenroll", flag.ContinueOnError)
	config := agent.UnenrolConfig{Now: time.Now}
	flags.StringVar(&config.StateDir, "state-dir", agent.Default().StateDir, "state `folder`, with keys and identity")
	flags.StringVar(&config.Coordinator, "coordinator", "", "`address` of the coordinator's API, https://host:port, instead of the enrolment's")
	flags.BoolVar(&config.Force, "force", false, "remove the identity from this machine even if the coordinator cannot be told, which then lists the node until an admin deletes it")
	about := "give this machine's node up, for good: the coordinator retires its keys and deletes it, then the identity is removed here. " +
		"What it has earned stays payable to its payout address, which cannot be changed any more; what is held because vetting is not over stays held. " +
		"It is refused while a payment is on its way, while a changed payout address waits, and while something is earned and there is no address. " +
		"May be repeated after any failure"
	if code, done := parse(flags, args, about, stdout, stderr); done {
		return code
	}
	gone, err := agent.Unenrol(ctx, config)
	switch {
	case errors.Is(err, agent.ErrNotEnrolled) && isMissing(config.StateDir):
		return failed("unenroll", fmt.Errorf("there is no folder %s: nothing is given up; name the folder of this machine's enrolment with --state-dir", config.StateDir), stderr)
	case errors.Is(err, agent.ErrNotEnrolled):
		fmt.Fprintf(stdout, "nothing to give up: %v: no identity in %s\n", err, config.StateDir)
	case err != nil:
		code := failed("unenroll", err, stderr)
		fmt.Fprintln(stderr, "the identity is still here: run it again once that is mended, or with --force to remove it from this machine only")
		return code
	case gone.Untold != nil:
		fmt.Fprintf(stderr, "lucid-agent unenroll: the coordinator does not know: %v\n"+
			"the identity is removed from this machine; end an agent that still runs here: sudo systemctl stop lucid-agent\n"+
			"ask the coordinator's admin to say: lucidctl nodes delete %s\n",
			gone.Untold, cmp.Or(gone.NodeID, "NODE_ID"))
	default:
		fmt.Fprintf(stdout, "%s is given up\nan agent that still runs here ends by itself\n", gone.NodeID)
	}
	return exitOK
}

// isMissing tells a folder that was never an agent's, a mistyped one say, from
// one whose identity was given up before.
func isMissing(folder string) bool {
	_, err := os.Lstat(folder)
	return errors.Is(err, fs.ErrNotExist)
}

// Command lucid-agent runs on a node: it reports what the machine does and
// proves that the node holds its token.
//
// This package owns the command line, the environment and exit codes; the
// work is in package agent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// version is set by the release build: -ldflags "-X main.version=1.2.3".
var version = "dev"

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2 // wrong flags or configuration; a crash of any Go program too, so no unit ends at it
	exitOffline = 1 // status: the agent runs but is not connected
	exitDown    = 3 // status: no agent is running
	// Trying again will not help: the systemd units end at these.
	exitRefused     = 4 // enroll: the coordinator refused
	exitNotEnrolled = 4 // run: this machine is not enrolled, or no longer
	exitTicket      = 5 // enroll: the enrolment file is wrong
)

const usage = `lucid-agent reports what this machine does to a Lucid coordinator.

  lucid-agent enroll    get an identity from a coordinator, once
  lucid-agent run       run the agent
  lucid-agent status    show what the running agent is doing
  lucid-agent doctor    look this machine over and say what to do
  lucid-agent sign      sign a new payout address with this machine's device key
  lucid-agent withdraw  take this machine out of Home Assistant
  lucid-agent unenroll  give this machine's node up, for good
  lucid-agent version   show the version

"lucid-agent COMMAND -h" explains a command's flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command runs one command line and gives its exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "run":
		return run(ctx, args[1:], stdout, stderr)
	case "enroll":
		return enroll(ctx, args[1:], stdout, stderr)
	case "status":
		return status(args[1:], stdout, stderr)
	case "doctor":
		return examine(ctx, args[1:], stdout, stderr)
	case "sign":
		return sign(args[1:], stdout, stderr)
	case "withdraw":
		return withdraw(ctx, args[1:], stdout, stderr)
	case "unenroll":
		return unenroll(ctx, args[1:], stdout, stderr)
	case "version", "-version", "--version":
		fmt.Fprintf(stdout, "lucid-agent %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
		return exitOK
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	fmt.Fprintf(stderr, "lucid-agent: no command %q\n\n%s", args[0], usage)
	return exitUsage
}

// parse reads a command's flags. done: the command ends here with the code,
// because help was asked for or the flags are wrong.
func parse(flags *flag.FlagSet, args []string, about string, stdout, stderr io.Writer) (code int, done bool) {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	switch {
	case err == nil:
		return exitOK, false
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "lucid-agent %s: %s\n\n", flags.Name(), about)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return exitOK, true
	}
	fmt.Fprintf(stderr, "lucid-agent %s: %v (-h lists the flags)\n", flags.Name(), err)
	return exitUsage, true
}

// failed tells why a command failed, and what to do when this user may not
// use a file or folder.
func failed(name string, err error, stderr io.Writer) int {
	fmt.Fprintf(stderr, "lucid-agent %s: %v\n", name, err)
	if errors.Is(err, fs.ErrPermission) {
		fmt.Fprintln(stderr, "run it as its owner (sudo -u lucid-agent lucid-agent ...), or with a state folder of your own: --state-dir FOLDER")
	}
	return exitFailed
}

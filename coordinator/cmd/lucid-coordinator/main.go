// Command lucid-coordinator is the centre of a Lucid fleet: the broker that
// agents speak to, the database work behind it, and the REST API.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // nodes name their time zone, also where the system knows none

	"github.com/alecthomas/kong"

	"lucid.internal/coordinator"
	"lucid.internal/coordinator/cmd/internal/mistype"
)

// version is set by the build.
var version = "dev"

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2 // wrong flags or settings
)

type cli struct {
	Serve      serveCmd      `cmd:"" help:"Run the coordinator on a database of yours (production)."`
	Dev        devCmd        `cmd:"" help:"Run everything on this machine: private Postgres, coordinator and a local agent."`
	Migrate    migrateCmd    `cmd:"" help:"Bring the database's schema up to date, then exit."`
	Pool       poolCmd       `cmd:"" help:"Pools."`
	Payout     payoutCmd     `cmd:"" help:"Payouts: what to pay, and recording what was paid."`
	Wallet     walletCmd     `cmd:"" help:"The key that pays over TRON."`
	Rail       railCmd       `cmd:"" help:"Payouts over TRON: what is under way, and what needs somebody."`
	Token      tokenCmd      `cmd:"" help:"One-time tokens with which devices enrol."`
	Provision  provisionCmd  `cmd:"" help:"Folders for the boot partitions of many devices, with a token each."`
	Apikey     apikeyCmd     `cmd:"" name:"apikey" help:"API keys of people and programs."`
	User       userCmd       `cmd:"" help:"People who log in."`
	SigningKey signingKeyCmd `cmd:"" name:"signing-key" help:"Keys that sign tokens."`
	Keys       keysCmd       `cmd:"" help:"Keys of nodes, the master key and the CA: how far rotations are, and to begin one."`
	Fraud      fraudCmd      `cmd:"" help:"Rules about fraud."`
	Audit      auditCmd      `cmd:"" help:"The log of who changed what."`
	Update     updateCmd     `cmd:"" help:"Versions of the agent that are announced."`
	Ledger     ledgerCmd     `cmd:"" help:"The ledger of all money."`
	Statement  statementCmd  `cmd:"" help:"What a node earned, line by line, with all evidence."`
	Export     exportCmd     `cmd:"" help:"Write all that was closed and posted in a span of time, so that others can recompute it."`
	Verify     verifyCmd     `cmd:"" help:"Recompute an export from itself alone, without a database."`
	Broker     brokerCmd     `cmd:"" help:"A broker that is not the coordinator's own."`
	Config     configCmd     `cmd:"" help:"Settings."`
	Version    versionCmd    `cmd:"" help:"Show the version."`

	ShowVersion kong.VersionFlag `name:"version" help:"Show the version."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var c cli
	parser := kong.Must(&c, kong.Name("lucid-coordinator"), kong.UsageOnError(), kong.Vars{"version": "lucid-coordinator " + version},
		kong.Description("Coordinator of a fleet of Lucid nodes. Every setting can also stand in a file or the environment: see `config print`."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}))
	selected, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%s", mistype.Explain(err))
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer endInTime(ctx)()
	if os.Getenv("GOGC") == "" { // else the environment says it
		go coordinator.PaceCollector(ctx)
	}
	selected.BindTo(ctx, (*context.Context)(nil))
	if err := selected.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "lucid-coordinator:", err)
		if errors.As(err, new(coordinator.Faults)) {
			return exitUsage
		}
		return exitFailed
	}
	return 0
}

// stopLimit is the last resort of a stop: ten seconds are promised, and a
// database that hangs can hold up each of its connections for longer. Nothing
// that was acknowledged is lost then.
const stopLimit = 9 * time.Second

// endInTime ends the process when a stop that was asked for takes too long. The
// function that it gives calls that off.
func endInTime(ctx context.Context) func() {
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		select {
		case <-ended:
		case <-time.After(stopLimit):
			fmt.Fprintf(os.Stderr, "lucid-coordinator: not everything stopped within %s, ending at once\n", stopLimit)
			os.Exit(exitFailed)
		}
	})
	return func() { close(ended) }
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("lucid-coordinator", version)
	return nil
}

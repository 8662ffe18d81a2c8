// Command lucidctl is the daily work with a fleet from a shell: nodes, pools,
// earnings, statements, payouts and events, over the REST API.
//
// Data goes to standard output, notes to standard error. It must never know
// more than the API tells: whatever it can do, any client can.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"lucid.internal/coordinator/cmd/internal/mistype"
	"lucid.internal/coordinator/cmd/internal/tty"
)

// version is set by the build.
var version = "dev"

// Exit codes.
const (
	exitFailed     = 1
	exitUsage      = 2 // wrong flags, or input that the API finds wrong
	exitNotAllowed = 4 // no credential, a bad one, or one that may not
)

type cli struct {
	connection
	Output  string `short:"o" enum:"table,wide,json,jsonl,csv" default:"table" help:"table, wide (all columns), json, jsonl (an object a line) or csv."`
	Yes     bool   `short:"y" help:"Do not ask before something is deleted."`
	NoInput bool   `help:"Never ask; fail where an answer would be needed."`

	ShowVersion kong.VersionFlag `name:"version" help:"Show the version."`

	Nodes       nodesCmd       `cmd:"" help:"Nodes."`
	Pools       poolsCmd       `cmd:"" help:"Pools."`
	Tokens      tokensCmd      `cmd:"" help:"Enrolment tokens, with which devices become nodes."`
	Fleet       fleetCmd       `cmd:"" help:"The fleet in numbers."`
	Score       scoreCmd       `cmd:"" help:"A node's score."`
	History     historyCmd     `cmd:"" help:"A node's verdicts, newest first."`
	Earnings    earningsCmd    `cmd:"" help:"What a node has earned."`
	Statements  statementsCmd  `cmd:"" help:"A node's statement: each epoch's share, with all evidence."`
	Payouts     payoutsCmd     `cmd:"" help:"Payouts."`
	Fraud       fraudCmd       `cmd:"" help:"What speaks against nodes, appeals and decisions."`
	Alerts      alertsCmd      `cmd:"" help:"What is wrong with nodes."`
	Thresholds  thresholdsCmd  `cmd:"" help:"From when on alerts fire."`
	Silences    silencesCmd    `cmd:"" help:"When alerts are not delivered."`
	Webhooks    webhooksCmd    `cmd:"" help:"Where alerts are sent."`
	Events      eventsCmd      `cmd:"" help:"What happens, while it happens."`
	Apikeys     apikeysCmd     `cmd:"" name:"apikeys" help:"API keys of people and programs."`
	Grants      grantsCmd      `cmd:"" help:"What API keys may read over MQTT."`
	Users       usersCmd       `cmd:"" help:"People who log in."`
	DeadLetters deadLettersCmd `cmd:"" name:"dead-letters" help:"Messages of nodes that are no data."`
	Audit       auditCmd       `cmd:"" help:"Who changed what."`
	Login       loginCmd       `cmd:"" help:"Log in by name and password; later commands use the session."`
	Logout      logoutCmd      `cmd:"" help:"End the session."`
	Whoami      whoamiCmd      `cmd:"" help:"Whose credential is used, and what it may do."`
	Completion  completionCmd  `cmd:"" help:"Print a script that completes commands in a shell."`
	Version     versionCmd     `cmd:"" help:"Show the version."`
}

// terminal is where the program runs: everything that a test gives instead.
type terminal struct {
	in            io.Reader
	out, notes    io.Writer
	outIsTerminal bool
	inIsTerminal  bool
	color         bool
	configFolder  string
	now           func() time.Time
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], realTerminal())
	stop()
	os.Exit(code)
}

func realTerminal() terminal {
	folder, err := os.UserConfigDir()
	if err != nil {
		folder = "" // then there are no sessions, and login says so
	}
	out := tty.Is(os.Stdout)
	return terminal{
		in: os.Stdin, out: os.Stdout, notes: os.Stderr, outIsTerminal: out, inIsTerminal: tty.Is(os.Stdin),
		color: out && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", configFolder: folder, now: time.Now,
	}
}

// ended is how kong's own end of the program, after --help, gets to run.
type ended int

func newParser(c *cli, t terminal) (*kong.Kong, error) {
	return kong.New(c, kong.Name("lucidctl"), kong.Vars{"version": "lucidctl " + version, "alert_kinds": alertKinds}, kong.Writers(t.out, t.notes), kong.Exit(func(code int) { panic(ended(code)) }),
		kong.Description("A fleet of Lucid nodes from the shell. Exit codes: 0 done, 1 failed, 2 usage, 4 not allowed."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true}))
}

func run(ctx context.Context, args []string, t terminal) (code int) {
	defer func() {
		if v := recover(); v != nil {
			e, is := v.(ended)
			if !is {
				panic(v)
			}
			code = int(e)
		}
	}()
	var c cli
	parser, err := newParser(&c, t)
	if err != nil {
		fmt.Fprintln(t.notes, "lucidctl:", err)
		return exitFailed
	}
	selected, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(t.notes, "lucidctl: %s\n%s --help shows more\n", mistype.Explain(err), typed(err))
		return exitUsage
	}
	c.fillIn(os.Getenv)
	a := &app{terminal: t, cli: &c, parser: parser, printer: &printer{format: c.Output, terminal: t}}
	selected.BindTo(ctx, (*context.Context)(nil))
	err = selected.Run(a)
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return 0
	}
	fmt.Fprintln(t.notes, "lucidctl:", c.explain(err))
	return exitCode(err)
}

// typed is the command that was typed as far as it was understood.
func typed(err error) string {
	if p, is := errors.AsType[*kong.ParseError](err); is {
		if node := p.Context.Selected(); node != nil {
			return node.FullPath()
		}
		for _, step := range slices.Backward(p.Context.Path) {
			if step.Command != nil {
				return step.Command.FullPath()
			}
		}
	}
	return "lucidctl"
}

// app is what every command is given.
type app struct {
	terminal
	cli     *cli
	parser  *kong.Kong
	printer *printer
}

// note says something beside the data.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.notes, format+"\n", args...) }

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.out, "lucidctl", version)
	return err
}

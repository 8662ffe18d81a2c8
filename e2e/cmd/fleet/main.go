// Command fleet simulates Raspberry Pis against a coordinator: each enrols,
// keeps a connection of its own, sends samples, proves itself, and suffers
// faults or cheats as told. In the end every acknowledged sample is looked up
// in the database. It exits with 1 when one is missing, stored twice or was
// never sent, when an honest node was judged a cheat or is held for one, or when
// too few nodes were connected or too few samples acknowledged.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"lucid.internal/e2e/fleet"
)

// options are the flags.
type options struct {
	fleet    fleet.Config
	self     bool
	tls      bool
	database string
	replay   string
	record   string
	asJSON   bool
	// With self only.
	difficulty int
	interval   time.Duration
}

func main() {
	log.SetFlags(0)
	o, err := parse(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		log.Print(err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = simulate(ctx, o)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

const usage = `lucid-fleet simulates Raspberry Pis against a coordinator.

  lucid-fleet --self --nodes 1000 --duration 1m
  lucid-fleet --record NODE_ID --database postgres://... > FILE
  lucid-fleet --api https://host:8095 --token KEY --enrolment-key BASE64 --database postgres://... \
        --nodes 1000 --duration 10m --churn 0.2 --cuts 1 --duplicates 0.05 --delays 0.05 --clock-skew 0.1 \
        --cheat clone=5 --cheat sybil=20

Rates are those of one node, a minute: --cuts 1 breaks each connection about once a minute. Shares lie
between 0 and 1. Kinds of --cheat KIND=N:

%s

`

// parse reads the flags; what --help tells goes to out.
func parse(args []string, out io.Writer) (*options, error) {
	o := &options{fleet: fleet.Config{Cheats: map[fleet.Kind]int{}}}
	c, f := &o.fleet, &o.fleet.Faults
	flags := flag.NewFlagSet("lucid-fleet", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // of a mistyped flag it would print all of the help
	flags.IntVar(&c.Nodes, "nodes", 100, "how many `machines` enrol; a cloned one connects twice")
	flags.DurationVar(&c.Duration, "duration", time.Minute, "how long they live, from the last connection on")
	flags.StringVar(&c.API.URL, "api", "", "`URL` of the coordinator's API, like https://host:8095")
	flags.StringVar(&c.API.Key, "token", "", "API `key` of an operator, with which the nodes are made")
	flags.StringVar(&c.API.CASHA256, "ca-sha256", "", "`pin` of the coordinator's CA, from a token's file; none: any certificate will do")
	flags.StringVar(&c.File.EnrolmentKey, "enrolment-key", "", "coordinator's enrolment `key`, from a token's file (lucid-coordinator token create)")
	flags.Func("pool", "`pool` that the nodes join; may be repeated: those of a kind take turns; none: as the coordinator assigns them", func(id string) error {
		c.Pools = append(c.Pools, id)
		return nil
	})
	flags.StringVar(&c.Model, "model", "", "`name` of the board that all nodes are who do not cheat about it: "+strings.Join(fleet.Models(), ", ")+"; none: they are drawn")
	flags.StringVar(&c.PlainAddr, "plain", "", "MQTT `address` without TLS; none: TLS, where the enrolment says")
	flags.StringVar(&o.database, "database", "", "connection `URL` of the coordinator's database, to compare with")
	flags.BoolVar(&o.self, "self", false, "start a coordinator and a Postgres of its own, in a temporary folder")
	flags.BoolVar(&o.tls, "tls", false, "with --self: MQTT over TLS instead of plain")
	flags.IntVar(&o.difficulty, "difficulty", 10, "with --self: `bits` of each puzzle; a coordinator's default is 14, for machines that are not simulated on 2 cores")
	flags.DurationVar(&o.interval, "poot-interval", 300*time.Second, "with --self: mean gap between two challenges of a node")
	flags.DurationVar(&c.SampleInterval, "sample-interval", 10*time.Second, "between two samples of a node")
	flags.DurationVar(&c.PublishInterval, "publish-interval", time.Minute, "between two messages of a node")
	flags.DurationVar(&c.Backlog, "backlog", 0, "what nodes sampled before they first connect, as after an outage")
	flags.StringVar(&o.replay, "replay", "", "`file` of samples to send instead of random walks: one JSON object a line, as in \"samples\" of a metrics message")
	flags.StringVar(&o.record, "record", "", "write what --database has of this `node`, as --replay reads it, to standard output, and nothing else")
	flags.Uint64Var(&c.Seed, "seed", rand.Uint64()>>32, "of series, faults and cheats: the same `number`, the same fleet")
	flags.IntVar(&c.EnrolAtOnce, "enrol-at-once", 8, "enrolments under way")
	flags.Float64Var(&c.ConnectRate, "connect-rate", 200, "connections begun a second at the start")
	flags.IntVar(&c.Solvers, "solvers", 1, "puzzles solved at once")
	flags.Float64Var(&f.Churn, "churn", 0, "`rate` of restarts: a new run, a quarter of them a new boot")
	flags.Float64Var(&f.Cuts, "cuts", 0, "`rate` of connections cut with no goodbye")
	flags.Float64Var(&f.Duplicates, "duplicates", 0, "`share` of messages sent twice")
	flags.Float64Var(&f.Delays, "delays", 0, "`share` of messages held back")
	flags.Float64Var(&f.ClockSkew, "clock-skew", 0, "`share` of nodes with a wrong clock")
	flags.DurationVar(&f.Away, "away", 5*time.Second, "mean time without connection after a cut or restart")
	flags.DurationVar(&f.Delay, "max-delay", 20*time.Second, "longest delay")
	flags.DurationVar(&f.MaxSkew, "max-skew", 30*time.Minute, "farthest a wrong clock is off; beyond 10m ahead samples are refused")
	flags.Func("cheat", "`KIND=N`: that many of the nodes cheat; may be repeated", o.cheat)
	flags.BoolVar(&o.asJSON, "json", false, "print the report as JSON")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(out, usage, fleet.Kinds())
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w; lucid-fleet --help shows more", err)
	}
	return o, o.check(flags.Args())
}

func (o *options) cheat(text string) error {
	kind, number, _ := strings.Cut(text, "=")
	count, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("want KIND=N, like clone=3")
	}
	o.fleet.Cheats[fleet.Kind(kind)] += count
	return nil
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unknown argument %q; see --help", rest[0])
	case o.record != "" && o.database == "":
		return errors.New("--record reads from --database: say which")
	case o.record != "":
		return nil
	case o.self && o.fleet.API.URL != "":
		return errors.New("either --self or --api: one coordinator is enough")
	case !o.self && (o.fleet.API.URL == "" || o.fleet.API.Key == "" || o.database == ""):
		return errors.New("--api, --token and --database say which coordinator; --self starts one")
	case !o.self && o.fleet.File.EnrolmentKey == "":
		return errors.New("--enrolment-key is needed to tell the coordinator from another; `lucid-coordinator token create` prints it")
	}
	if err := o.fleet.Check(); err != nil {
		return err
	}
	return o.readRecording()
}

func (o *options) readRecording() (err error) {
	if o.replay == "" {
		return nil
	}
	file, err := os.Open(o.replay)
	if err != nil {
		return err
	}
	defer file.Close()
	if o.fleet.Recording, err = fleet.ReadRecording(file); err != nil {
		return fmt.Errorf("%s: %w", o.replay, err)
	}
	return nil
}

func simulate(ctx context.Context, o *options) (err error) {
	if o.record != "" {
		samples, err := fleet.Record(ctx, o.database, o.record, os.Stdout)
		if err == nil {
			log.Printf("%d samples of %s", samples, o.record)
		}
		return err
	}
	o.fleet.Progress = func(p fleet.Progress) {
		if p.At == 0 {
			log.Printf("enrolled %d", p.Enrolled)
			return
		}
		log.Printf("%5.0fs  %d connected  %d samples acknowledged (%.0f/s)  %d challenges answered",
			p.At.Seconds(), p.Connected, p.Acked, p.PerSecond, p.Answers)
	}
	watch := map[string]int{}
	if o.self {
		own, err := startOwn(ctx, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, own.stop()) }()
		watch["coordinator"] = own.coordinator.PID()
	}
	f, err := fleet.New(o.fleet)
	if err != nil {
		return err
	}
	if err := f.Enrol(ctx); err != nil {
		return err
	}
	if err := f.Run(ctx, watch); err != nil {
		return err
	}
	report, err := f.Check(context.WithoutCancel(ctx), o.database) // also of a run that Ctrl-C made short
	if err != nil {
		return err
	}
	if err := show(report, o.asJSON); err != nil {
		return err
	}
	return errors.Join(report.Err(), report.Shortfall())
}

func show(r *fleet.Report, asJSON bool) error {
	if !asJSON {
		return r.Write(os.Stdout)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

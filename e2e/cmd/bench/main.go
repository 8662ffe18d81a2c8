// Command bench measures the real binaries and prints one markdown table: each
// figure beside a reference that was measured in the same run, because
// machines are noisy and only the relation says much.
//
// It owns what is measured and how; it must never change a setting of the
// programs that an operator could not change, and never leave one out of the
// table.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"time"

	"lucid.internal/e2e/harness"
	"lucid.internal/shared/wire"
)

// options are the flags.
type options struct {
	duration    time.Duration
	connections int
	window      int
	watch       time.Duration
	only        string
	asJSON      bool
}

func main() {
	log.SetFlags(0)
	if os.Getenv(brokerRole) != "" {
		log.Fatal(serveEmptyBroker(os.Stdout))
	}
	var o options
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long each rate is measured, after a warm-up")
	flag.IntVar(&o.connections, "connections", 1000, "MQTT connections of the ingest figures")
	flag.IntVar(&o.window, "window", wire.MaxUnacknowledged, "messages on their way on each of them; an agent with a backlog has as many as by default")
	flag.DurationVar(&o.watch, "watch", 2*time.Minute, "how long the agent is watched")
	flag.StringVar(&o.only, "only", "", "measure one part only: ingest, scale, proof, settlement, payouts, reads or agent")
	flag.BoolVar(&o.asJSON, "json", false, "print JSON instead of a table")
	flag.Parse()
	if o.duration <= 0 || o.connections <= 0 || o.window <= 0 || o.window > 1000 || o.watch <= 0 || flag.NArg() > 0 ||
		!slices.Contains([]string{"", "ingest", "scale", "proof", "settlement", "payouts", "reads", "agent"}, o.only) {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := measure(ctx, o)
	if err == nil {
		err = show(r, o.asJSON)
	}
	if err != nil {
		stop()
		log.Fatal(err)
	}
}

// measure runs every figure, one after another: they share the machine.
func measure(ctx context.Context, o options) (*report, error) {
	dir, err := harness.TempDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	log.Print("building ...")
	binaries, err := harness.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	r := &report{Machine: fmt.Sprintf("%s, %d cores, everything on it", cpuModel(), runtime.NumCPU()), At: time.Now().UTC()}
	for _, part := range []struct {
		name string
		run  func(context.Context, options, harness.Binaries, string) ([]figure, error)
	}{{"ingest", measureIngest}, {"scale", measureScale}, {"proof", measureProof}, {"settlement", measureSettlement}, {"payouts", measurePayouts}, {"reads", measureReads}, {"agent", measureAgent}} {
		if o.only != "" && o.only != part.name {
			continue
		}
		figures, err := part.run(ctx, o, binaries, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		r.Figures = append(r.Figures, figures...)
	}
	return r, nil
}

func show(r *report, asJSON bool) error {
	if !asJSON {
		return r.markdown(os.Stdout)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

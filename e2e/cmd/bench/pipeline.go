package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lucid.internal/e2e/harness"
)

// minTimesPipeline is how many times as much as the pipeline durable ingest is
// to store.
const minTimesPipeline = 3

// pipelineFigure sets durable ingest beside what is usually put together for it:
// Mosquitto, telegraf and PostgreSQL, sent the same messages by the same client.
func pipelineFigure(ctx context.Context, o options, l load, ours float64, dir string) (figure, error) {
	log.Print("reference: mosquitto, telegraf and PostgreSQL ...")
	program, absent := findPipeline(ctx)
	if absent != nil {
		return besidePipeline(o, ours, stored{}, absent), nil
	}
	p, err := openPipeline(ctx, program, filepath.Join(dir, "pipeline"))
	if err != nil {
		return figure{}, err
	}
	got, err := p.measure(ctx, o, l)
	return besidePipeline(o, ours, got, nil), p.close(err)
}

// besidePipeline compares; absent says why there is nothing to compare with.
func besidePipeline(o options, ours float64, got stored, absent error) figure {
	f := figure{
		Name:     fmt.Sprintf("durable ingest beside Mosquitto, telegraf %s and PostgreSQL, sent the same messages over as many connections", telegrafVersion),
		Measured: fmt.Sprintf("%s samples/s acknowledged after commit, as above", thousands(ours)),
		Target:   fmt.Sprintf(">= %d x the reference", minTimesPipeline),
		Command:  ingestCommand(o),
	}
	if absent != nil {
		f.Reference = fmt.Sprintf("none: %v", absent)
		return f
	}
	f.Measured += fmt.Sprintf(" (%.1f x the reference)", ours/got.perSecond)
	f.Reference = fmt.Sprintf("%s rows/s from the first message to the last row (CPU a message: %s; all %s messages that Mosquitto acknowledged, before they were stored and at %s/s, found in the table)",
		thousands(got.perSecond), got.cost, thousands(float64(got.rows)), thousands(got.acked))
	f.Met = judged(ours >= minTimesPipeline*got.perSecond)
	return f
}

// findPipeline gives telegraf's path. The error says what is missing here.
func findPipeline(ctx context.Context) (program string, err error) {
	if _, err := harness.FindMosquitto(); err != nil {
		return "", err
	}
	return buildTelegraf(ctx)
}

// pipeline is the reference: three programs, on a database of their own.
type pipeline struct {
	addr      string // of Mosquitto
	postgres  *harness.Postgres
	mosquitto *harness.Mosquitto
	telegraf  *telegraf
}

// mosquittoSettings let everybody in and nothing wait: by default Mosquitto
// drops what more than 1,000 acknowledged messages wait behind.
const mosquittoSettings = `listener %s %s
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
connection_messages false
`

func openPipeline(ctx context.Context, program, dir string) (p *pipeline, err error) {
	p = new(pipeline)
	defer func() {
		if err != nil {
			err = p.close(err)
		}
	}()
	if p.postgres, err = harness.StartPostgres(ctx, dir); err != nil {
		return p, err
	}
	if p.addr, err = harness.FreeAddr(); err != nil {
		return p, err
	}
	if err := p.startMosquitto(ctx, dir); err != nil {
		return p, err
	}
	database, err := p.postgres.URL()
	if err == nil {
		p.telegraf, err = startTelegraf(program, dir, p.addr, database)
	}
	return p, err
}

func (p *pipeline) startMosquitto(ctx context.Context, dir string) error {
	host, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "mosquitto.conf"), fmt.Appendf(nil, mosquittoSettings, port, host), 0o600); err != nil {
		return err
	}
	p.mosquitto, err = harness.StartMosquitto(ctx, dir, p.addr)
	return err
}

// close ends what was started; wrong is what went wrong before.
func (p *pipeline) close(wrong error) error {
	if p.telegraf != nil {
		wrong = p.telegraf.stop(wrong)
	}
	if p.mosquitto != nil {
		wrong = errors.Join(wrong, p.mosquitto.Stop())
	}
	if p.postgres != nil {
		wrong = errors.Join(wrong, p.postgres.Stop())
	}
	return wrong
}

// stored is what a pipeline did.
type stored struct {
	perSecond float64 // rows
	acked     float64 // messages a second, by Mosquitto
	rows      uint64
	cost      string
}

// measure counts what arrives in Postgres. Mosquitto takes messages faster than
// telegraf does, so most of them are stored after the client has ended.
func (p *pipeline) measure(ctx context.Context, o options, l load) (stored, error) {
	l.addr = p.addr
	if err := p.awaitTelegraf(ctx, l); err != nil {
		return stored{}, err
	}
	before, err := p.rows(ctx)
	if err != nil {
		return stored{}, err
	}
	used, err := p.processorTime()
	if err != nil {
		return stored{}, err
	}
	got, err := l.run(ctx, o.duration, func() error { return nil })
	if err != nil {
		return stored{}, err
	}
	took, err := p.awaitRows(ctx, got.Began, before+int64(got.Acked))
	if err != nil {
		return stored{}, err
	}
	cost, err := p.cost(used, got.Acked)
	return stored{perSecond: float64(got.Acked) / took.Seconds(), acked: got.PerSecond, rows: got.Acked, cost: cost}, err
}

// awaitTelegraf returns when a message was stored: Mosquitto keeps nothing for
// a session that there has not been yet. Each message has time to arrive before
// the next, so that none comes later.
func (p *pipeline) awaitTelegraf(ctx context.Context, l load) error {
	const first, each = time.Minute, 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, first)
	defer cancel()
	return harness.Until(ctx, "telegraf", func(ctx context.Context) error {
		if err := l.sendOne(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, each)
		defer cancel()
		return harness.Until(ctx, "a row", func(ctx context.Context) error {
			n, err := p.rows(ctx)
			if err == nil && n == 0 {
				err = errors.New("the table is empty")
			}
			return err
		})
	})
}

func (p *pipeline) rows(ctx context.Context) (int64, error) {
	return p.postgres.Int64(ctx, "SELECT count(*) FROM "+telegrafTable)
}

// awaitRows gives how long after began all of the rows were there. Counting
// takes processor time from what is measured, so it is done when half of those
// that miss may have come.
func (p *pipeline) awaitRows(ctx context.Context, began time.Time, want int64) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Since(began))
	defer cancel()
	for {
		n, err := p.rows(ctx)
		took := time.Since(began)
		switch {
		case err != nil:
			return 0, fmt.Errorf("counting to %d rows: %w", want, err)
		case n > want:
			return 0, fmt.Errorf("%d messages acknowledged, %d rows stored", want, n)
		case n == want:
			return took, nil
		}
		half := time.Duration(float64(took) * float64(want-n) / float64(2*n))
		if err := pass(ctx, nil, max(half, 50*time.Millisecond)); err != nil {
			return 0, fmt.Errorf("%d of %d rows stored after %s: %w", n, want, took, err)
		}
	}
}

// processorTime is what each part has used, and this client.
func (p *pipeline) processorTime() (used [4]time.Duration, err error) {
	server, err := p.postgres.PID()
	if err != nil {
		return used, err
	}
	var errs [len(used)]error
	used[0], errs[0] = harness.CPUTime(p.mosquitto.PID())
	used[1], errs[1] = harness.CPUTime(p.telegraf.cmd.Process.Pid)
	used[2], errs[2] = harness.FamilyCPUTime(server)
	used[3], errs[3] = harness.CPUTime(os.Getpid())
	return used, errors.Join(errs[:]...)
}

// cost shares what was used since then out among messages.
func (p *pipeline) cost(since [4]time.Duration, messages uint64) (string, error) {
	used, err := p.processorTime()
	parts := make([]string, len(used))
	for i, who := range []string{"Mosquitto", "telegraf", "Postgres", "client"} {
		parts[i] = fmt.Sprintf("%s %.1f µs", who, float64(used[i]-since[i])/1e3/float64(max(messages, 1)))
	}
	return strings.Join(parts, ", "), err
}

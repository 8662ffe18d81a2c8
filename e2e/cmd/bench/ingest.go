package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"lucid.internal/e2e/harness"
	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

// measureIngest is the figure of durable ingest: samples acknowledged after
// their commit, a second, over plain MQTT on loopback. The pipeline comes when
// nothing of ours runs any more.
func measureIngest(ctx context.Context, o options, binaries harness.Binaries, dir string) ([]figure, error) {
	ours, err := measureDurable(ctx, o, binaries, dir)
	if err != nil {
		return nil, err
	}
	beside, err := pipelineFigure(ctx, o, load{credentials: ours.nodes, samples: 1, window: o.window}, ours.perSecond[0], dir)
	return slices.Insert(ours.figures, 1, beside), err
}

// durable is what was measured, and with whom.
type durable struct {
	nodes     []node
	figures   []figure
	perSecond []float64 // of each figure
}

func measureDurable(ctx context.Context, o options, binaries harness.Binaries, dir string) (d durable, err error) {
	s, err := openStage(ctx, binaries, filepath.Join(dir, "ingest"))
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	log.Printf("enrolling %d nodes ...", o.connections)
	if d.nodes, err = enrolMany(ctx, s.Coordinator, o.connections); err != nil {
		return d, err
	}
	for _, shape := range []struct {
		samples, window int
		target          float64 // samples a second; 0: none was set
	}{{1, o.window, 80_000}, {6, o.window, 150_000}, {1, 1, 0}} {
		l := load{addr: s.plain, credentials: d.nodes, samples: shape.samples, window: shape.window}
		f, perSecond, err := ingestFigure(ctx, o, s.Coordinator, l, shape.target)
		if err != nil {
			return d, err
		}
		d.figures, d.perSecond = append(d.figures, f), append(d.perSecond, perSecond)
	}
	return d, s.stop(ctx)
}

// ingestFigure measures one size of message and both of its references.
func ingestFigure(ctx context.Context, o options, c *harness.Coordinator, l load, target float64) (f figure, perSecond float64, err error) {
	log.Printf("durable ingest, %d samples a message, %d messages on their way each ...", l.samples, l.window)
	before, err := c.Database().Int64(ctx, "SELECT count(*) FROM sample")
	if err != nil {
		return f, 0, err
	}
	var m meter
	got, err := l.run(ctx, o.duration, func() error { return m.read(c) })
	if err != nil {
		return f, 0, fmt.Errorf("%w\n%s", err, c.Output())
	}
	after, err := c.Database().Int64(ctx, "SELECT count(*) FROM sample")
	if err != nil {
		return f, 0, err
	}
	if stored := after - before; stored != int64(got.Acked) {
		return f, 0, fmt.Errorf("%d samples acknowledged, %d stored", got.Acked, stored)
	}
	log.Print("reference: the broker alone ...")
	alone, _, err := measureEmptyBroker(ctx, o, l)
	if err != nil {
		return f, 0, err
	}
	log.Print("reference: COPY alone ...")
	copied, rows, err := measureCopy(ctx, c.Database())
	if err != nil {
		return f, 0, err
	}
	slower := min(alone.PerSecond, copied)
	f = figure{
		Name: fmt.Sprintf("durable ingest, %d connections, %d samples a message, %d messages on their way each, QoS 1, plain MQTT", o.connections, l.samples, l.window),
		Measured: fmt.Sprintf("%s samples/s acknowledged after commit (%.0f %% of the slower reference; CPU a sample: %s; all %s acknowledged samples found in the table)",
			thousands(got.PerSecond), 100*got.PerSecond/slower, m.perSample(got.Measured), thousands(float64(got.Acked))),
		Reference: fmt.Sprintf("broker alone with an empty hook %s/s; COPY of %s of the rows into the same table %s/s",
			thousands(alone.PerSecond), thousands(float64(rows)), thousands(copied)),
		Target:  "-",
		Command: ingestCommand(o),
	}
	if target > 0 {
		f.Target = fmt.Sprintf(">= %s/s and >= 30 %% of the slower reference", thousands(target))
		f.Met = judged(got.PerSecond >= target && got.PerSecond >= 0.3*slower)
	}
	return f, got.PerSecond, nil
}

func ingestCommand(o options) string {
	return fmt.Sprintf("go run ./cmd/bench -only ingest -connections %d -window %d -duration %s", o.connections, o.window, o.duration)
}

// node is who enrolled, and what it says of its machine.
type node struct {
	packet.Login
	inventory wire.Inventory
}

// enrolMany enrols nodes over the API, each with a token of its own. The
// tokens are written into the table directly: one command each would take
// longer than everything that is measured.
func enrolMany(ctx context.Context, c *harness.Coordinator, count int) ([]node, error) {
	file, err := c.NewToken(ctx, "")
	if err != nil {
		return nil, err
	}
	conn, err := c.Database().Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	tokens := make([]string, count)
	hashes := make([][]byte, count)
	for i := range tokens {
		tokens[i] = "enroll_" + rand.Text() + strconv.Itoa(i)
		hash := sha256.Sum256([]byte(tokens[i]))
		hashes[i] = hash[:]
	}
	if _, err := conn.Exec(ctx, `INSERT INTO enrolment_token (token_hash, expires_at)
		SELECT hash, now() + interval '1 hour' FROM unnest($1::bytea[]) AS hash`, hashes); err != nil {
		return nil, err
	}
	return redeem(ctx, c, file, tokens)
}

func redeem(ctx context.Context, c *harness.Coordinator, file harness.EnrollFile, tokens []string) ([]node, error) {
	credentials := make([]node, len(tokens))
	errs := make(chan error, len(tokens))
	slots := make(chan struct{}, 4)
	var running sync.WaitGroup
	for i := range tokens {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			mine := file
			mine.Token = tokens[i]
			device, err := harness.NewDevice()
			if err != nil {
				errs <- err
				return
			}
			n, err := device.Enroll(ctx, c, mine)
			if err != nil {
				errs <- err
				return
			}
			credentials[i] = node{packet.Login{ID: n.ID, Password: n.Keys.MQTTPassword}, device.Inventory}
		})
	}
	running.Wait()
	close(errs)
	return credentials, <-errs
}

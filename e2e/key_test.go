package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
)

// agentProcess is the real agent, enrolled.
type agentProcess struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	log bytes.Buffer // read it once the process has ended
}

// agent is enrolled into this pool; "" for none.
func (l *lab) agent(ctx context.Context, pool string) *agentProcess {
	l.t.Helper()
	a := &agentProcess{t: l.t, dir: l.t.TempDir()}
	a.enrol(ctx, l, "--pool", pool)
	l.t.Cleanup(a.kill)
	a.start()
	return a
}

// enrol uses a token for this pool or node.
func (a *agentProcess) enrol(ctx context.Context, l *lab, of ...string) {
	a.t.Helper()
	ticket, err := l.Run(ctx, append([]string{"token", "create", "--data", l.Data}, of...)...)
	if err != nil {
		a.t.Fatal(err)
	}
	file := filepath.Join(a.dir, "enroll.toml")
	if err := os.WriteFile(file, []byte(ticket), 0o600); err != nil {
		a.t.Fatal(err)
	}
	enroll := exec.CommandContext(ctx, binaries.Agent, "enroll", "--file", file, "--state-dir", a.dir+"/state")
	enroll.Env = harness.Environ()
	if out, err := enroll.CombinedOutput(); err != nil {
		a.t.Fatalf("enroll: %v\n%s", err, out)
	}
}

func (a *agentProcess) start() {
	a.t.Helper()
	a.cmd = exec.Command(binaries.Agent, "run", "--state-dir", a.dir+"/state", "--status-file", a.dir+"/status.json",
		"--sample-interval", "1s", "--publish-interval", "1s")
	a.cmd.Env, a.cmd.Stderr = harness.Environ(), &a.log
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
}

// kill is a power cut.
func (a *agentProcess) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// TestKeysAreRotatedThroughPowerCuts asks for new keys again and again, and
// kills agent or coordinator somewhere in between. The node ends up with the
// next key every time, proves itself under it, and the key before opens nothing
// once the overlap is over.
func TestKeysAreRotatedThroughPowerCuts(t *testing.T) {
	l := start(t, harness.Options{Data: dataDir(t), Args: []string{"--poot-interval", "2s"}, Env: []string{"LUCID_NODE_COMMAND_TIMEOUT=3s"}})
	ctx := within(t, manyWaits)
	a := l.agent(ctx, "pool_default")
	l.awaitProof(ctx, 1)
	rotate := func() {
		if out, err := l.Run(ctx, "keys", "rotate", "--all", "--data", l.Data); err != nil {
			t.Fatal(err, out)
		}
	}
	for round := range 2 {
		before := l.count("SELECT max(key_epoch) FROM node_key")
		rotate()
		after := time.Duration(rand.Int64N(int64(12 * time.Second))) // the offer leaves within ten
		began := time.Now()
		l.await(ctx, "a moment in the rotation", func(ctx context.Context) error {
			n, err := l.Database().Int64(ctx, "SELECT count(*) FROM node_key_offer")
			return errors.Join(err, unless(n > 0 || time.Since(began) > after, "%s of %s", time.Since(began), after))
		})
		if round%2 == 0 {
			a.kill()
			a.start()
		} else {
			l.Kill()
			l.restart()
		}
		asked := time.Now()
		l.await(ctx, "the next key", func(ctx context.Context) error {
			newest, err := l.Database().Int64(ctx, "SELECT max(key_epoch) FROM node_key")
			if newest <= before && time.Since(asked) > 15*time.Second { // an offer that the cut wasted is not made anew for ten minutes
				rotate()
				asked = time.Now()
			}
			return errors.Join(err, unless(newest > before, "newest key is %d", newest))
		})
		t.Logf("cut after %s: key %d after %s", asked.Sub(began), before, time.Since(began))
		l.awaitProof(ctx, before+1)
	}
	if err := l.Database().Exec(ctx, "UPDATE node_key SET retired_at = now() - interval '1s' WHERE rotated"); err != nil {
		t.Fatal(err)
	}
	a.kill()
	a.start()
	l.awaitProof(ctx, 3)
}

// awaitProof waits for a valid proof that begins now, under this key or a later one.
func (l *lab) awaitProof(ctx context.Context, epoch int64) {
	l.t.Helper()
	began := time.Now()
	l.await(ctx, fmt.Sprintf("a valid proof under key %d", epoch), func(ctx context.Context) error {
		n, err := l.Database().Int64(ctx, `SELECT count(*) FROM verdict JOIN challenge c USING (challenge_id)
			WHERE result = 'valid' AND c.key_epoch >= $1 AND c.issued_at >= $2`, epoch, began)
		return errors.Join(err, unless(n > 0, "none"))
	})
}

package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"lucid.internal/e2e/harness"
)

// TestRealAgentFollowsTheCAThroughItsRotation rotates the CA under two real agents
// over TLS, and moves its dates on. One is told in time, proves itself over a
// certificate of the new CA, and trusts that one alone in the end. The other one
// slept through it, knows the old CA only and connects no more; enrolled again, it
// proves itself too.
func TestRealAgentFollowsTheCAThroughItsRotation(t *testing.T) {
	data := dataDir(t)
	l := start(t, harness.Options{Data: data, Serve: startPostgres(t, data), TLS: true,
		Env: []string{"LUCID_DATA_DIR=" + data, "LUCID_POOT_CALCULATION_INTERVAL=2s"}})
	ctx := within(t, manyWaits)
	asleep := l.agent(ctx, "")
	l.awaitProof(ctx, 1)
	asleep.kill()
	awake := l.agent(ctx, "")
	l.awaitProof(ctx, 1)
	old := awake.trusted()

	if out, err := l.Run(ctx, "keys", "rotate-ca", "--data", l.Data); err != nil {
		t.Fatal(err, out)
	}
	l.again() // rather than wait the minute after which it looks
	both := awake.awaitTrusted(ctx, l, 2)
	if both[0] != old[0] || l.issuer() != old[0] {
		t.Fatal("the new CA does not come beside the old one, or makes certificates before its time")
	}

	l.moveCA(ctx, "issues_from = now() - interval '1 day'")
	if l.issuer() != both[1] {
		t.Fatal("the new CA does not make the certificates at its time")
	}
	l.awaitProof(ctx, 1)
	asleep.start()
	asleep.awaitStranger(ctx, l)

	l.moveCA(ctx, "old_until = now() - interval '1 minute'")
	if left := awake.awaitTrusted(ctx, l, 1); left[0] != both[1] {
		t.Error("the old CA is trusted when its time is over, not the new one")
	}
	awake.kill() // what it trusts is on its disk
	awake.start()
	l.awaitProof(ctx, 1)
	awake.kill()
	asleep.awaitStranger(ctx, l)
	if n := l.count("SELECT count(*) FROM node WHERE session_no > 1"); n != 1 {
		t.Errorf("%d nodes connected after the rotation began, want the one that was told", n)
	}

	asleep.kill()
	asleep.enrol(ctx, l, "--node", asleep.nodeID())
	asleep.start()
	l.awaitProof(ctx, 2)
}

// again is a restart in good order.
func (l *lab) again() {
	l.t.Helper()
	if err := l.Stop(within(l.t, patience)); err != nil {
		l.t.Fatal(err)
	}
	l.restart()
}

// moveCA lets the time of a rotation pass.
func (l *lab) moveCA(ctx context.Context, dates string) {
	l.t.Helper()
	if err := l.Database().Exec(ctx, "UPDATE ca_rotation SET announced_at = now() - interval '15 days', "+dates); err != nil {
		l.t.Fatal(err)
	}
	l.again()
}

// issuer is the pin of the CA whose certificate the broker shows.
func (l *lab) issuer() (pin string) {
	l.t.Helper()
	c, err := tls.Dial("tcp", l.MQTT, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	chain := c.ConnectionState().PeerCertificates
	if err := chain[0].CheckSignatureFrom(chain[1]); err != nil {
		l.t.Fatal(err)
	}
	return pinOf(chain[1])
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// stored reads from the agent's identity.
func (a *agentProcess) stored() (nodeID string, caPEM []byte) {
	a.t.Helper()
	text, err := os.ReadFile(a.dir + "/state/identity.json")
	if err != nil {
		a.t.Fatal(err)
	}
	var identity struct {
		NodeID string `json:"node_id"`
		CAPEM  string `json:"ca_pem"`
	}
	if err := json.Unmarshal(text, &identity); err != nil {
		a.t.Fatal(err)
	}
	return identity.NodeID, []byte(identity.CAPEM)
}

func (a *agentProcess) nodeID() string {
	id, _ := a.stored()
	return id
}

// trusted are the pins of the CAs that it keeps.
func (a *agentProcess) trusted() (pins []string) {
	a.t.Helper()
	_, rest := a.stored()
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			a.t.Fatal(err)
		}
		pins = append(pins, pinOf(c))
	}
	return pins
}

func (a *agentProcess) awaitTrusted(ctx context.Context, l *lab, many int) (pins []string) {
	a.t.Helper()
	l.await(ctx, "the agent to be told of the CAs", func(context.Context) error {
		pins = a.trusted()
		return unless(len(pins) == many, "it trusts %d, want %d", len(pins), many)
	})
	return pins
}

// awaitStranger waits until the agent, connected to nobody, says that it does not
// trust whoever answers.
func (a *agentProcess) awaitStranger(ctx context.Context, l *lab) {
	a.t.Helper()
	l.await(ctx, "the agent to refuse a certificate", func(context.Context) error {
		var status struct {
			PID       int    `json:"pid"`
			Connected bool   `json:"connected"`
			Cause     string `json:"cause"`
			LastError string `json:"last_error"`
		}
		text, err := os.ReadFile(a.dir + "/status.json")
		if err == nil {
			err = json.Unmarshal(text, &status)
		}
		return errors.Join(err, unless(status.PID == a.cmd.Process.Pid && !status.Connected && status.Cause == "stranger", "%+v", status))
	})
}

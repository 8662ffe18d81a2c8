package e2e

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
)

var bootImage = flag.String("boot-image", "", "`folder` that scripts/boot-test.sh made: a Debian for arm64 with the agent's package")

// bootTime bounds what an emulated processor does: many minutes when this
// machine is busy.
const bootTime = 20 * time.Minute

// TestBootedDebian switches on an arm64 machine as an owner does a Pi: Debian,
// the package and a provisioned card are there, nobody logs in. It enrols,
// comes online, delivers and proves itself; then its console is asked what
// systemd, the agent and the kernel say.
func TestBootedDebian(t *testing.T) {
	if *bootImage == "" {
		t.Skip("NOT TESTED: there is no machine to boot; make boot-test makes one")
	}
	data := dataDir(t)
	l := start(t, harness.Options{Data: data, Serve: startPostgres(t, data), TLS: true,
		Args: []string{"--poot-interval", "20s"}, Env: []string{"LUCID_PUBLIC_HOSTS=" + harness.HostAddress}})
	ctx := within(t, bootTime)
	if err := l.MakeAdminKey(ctx); err != nil {
		t.Fatal(err)
	}
	card := layCard(t, l.provisioned("attic-pi"))
	m, err := harness.StartMachine(*bootImage, card.image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill()
		if t.Failed() {
			t.Logf("its console said at last:\n%s", tail(m.Console()))
		}
	})
	began, on := time.Now(), m.While(ctx)
	id := l.awaitOnline(on)
	l.awaitStatus(on, id, "active")
	t.Logf("active %s after the power came", time.Since(began).Round(time.Second))
	l.await(on, "a sample of it", func(context.Context) error {
		n := l.count("SELECT count(*) FROM sample")
		return unless(n > 0, "%d samples", n)
	})
	askMachine(on, t, m)
	if err := m.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	card.wantEnrolled()
	l.await(ctx, "its goodbye", func(ctx context.Context) error {
		var node struct {
			Online bool `json:"online"`
		}
		err := l.GetJSON(ctx, "/api/v1/nodes/"+id, &node)
		if err != nil {
			return err
		}
		return unless(!node.Online, "%+v", node)
	})
}

// askMachine is what systemd, the agent and the kernel say on the console.
func askMachine(ctx context.Context, t *testing.T, m *harness.Machine) {
	t.Helper()
	for _, c := range []struct{ command, want string }{
		{"stty cols 200; systemctl --no-pager --lines 0 status lucid-agent", `(?s)Active: active \(running\).*Status: "connected`},
		{"journalctl -u lucid-enroll -o cat --no-pager", `enrolled as node_`},
		{"systemctl show -p Result,ExecMainStatus lucid-enroll", `^Result=success\nExecMainStatus=0$`},
		{"systemctl show -p NRestarts lucid-agent", `^NRestarts=0$`},
		{"systemctl --failed --no-legend --no-pager", `^$`},
		{"stat -c '%U %a' /var/lib/lucid-agent /var/lib/lucid-agent/identity.json", `^lucid-agent 700\nlucid-agent 600$`},
		{"lucid-agent status", `(?m)^connection +connected to ` + regexp.QuoteMeta(harness.HostAddress) + `(?s:.*)^last proof +valid`},
		{"lucid-agent doctor; true", `(?m)^OK +coordinator ` + regexp.QuoteMeta(harness.HostAddress)},
		{"systemctl reload lucid-agent && systemctl is-active lucid-agent", `^active$`},
		{"grep VmRSS /proc/$(systemctl show -p MainPID --value lucid-agent)/status", `^VmRSS:\s+\d+ kB$`},
	} {
		answer, status, err := m.Ask(ctx, c.command)
		if err != nil {
			t.Fatal(err)
		}
		answer = strings.TrimSpace(answer)
		t.Logf("# %s\n%s", c.command, answer)
		if status != 0 || !regexp.MustCompile(c.want).MatchString(answer) {
			t.Errorf("%s: exit status %d, want 0 and a match of %s", c.command, status, c.want)
		}
	}
}

// provisioned makes the folder of one device.
func (l *lab) provisioned(name string) (folder string) {
	l.t.Helper()
	dir := l.t.TempDir()
	fleet, out := filepath.Join(dir, "fleet.csv"), filepath.Join(dir, "out")
	if err := os.WriteFile(fleet, []byte("name\n"+name+"\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.Run(l.t.Context(), "provision", "--data", l.Data, "--fleet", fleet, "--out", out); err != nil {
		l.t.Fatal(err)
	}
	return filepath.Join(out, name)
}

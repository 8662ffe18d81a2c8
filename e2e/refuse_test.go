package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
	"lucid.internal/shared/wire"
)

func TestEnrolmentTokensAreRefused(t *testing.T) {
	l := start(t, harness.Options{})
	ctx := within(t, patience)
	used, err := l.NewToken(ctx, "pool_default")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := l.NewToken(ctx, "pool_default")
	if err != nil {
		t.Fatal(err)
	}
	err = l.Database().Exec(ctx, "UPDATE enrolment_token SET expires_at = now() - interval '1 second' WHERE token_hash = sha256($1::text::bytea)", expired.Token)
	if err != nil {
		t.Fatal(err)
	}
	unknown := used
	unknown.Token = "enroll_" + strings.Repeat("A", 52)
	first, second := l.device(), l.device()
	if status := l.enroll(first, used); status != http.StatusOK && status != http.StatusCreated {
		t.Fatalf("first use: status %d", status)
	}
	if status := l.enroll(first, used); status != http.StatusOK && status != http.StatusCreated {
		t.Errorf("the same request again: status %d, want the stored answer", status)
	}
	before := l.refusedEnrolments()
	for name, attempt := range map[string]struct {
		device *harness.Device
		file   harness.EnrollFile
	}{
		"unknown": {second, unknown},
		"used":    {second, used},
		"expired": {second, expired},
	} {
		req, err := attempt.device.Request(attempt.file)
		if err != nil {
			t.Fatal(err)
		}
		status, body, err := l.Post(ctx, wire.EnrollPath, req)
		if err != nil || status != http.StatusForbidden || !strings.Contains(string(body), "LUCID_ERR_2004") {
			t.Errorf("%s token: status %d, %s, %v; want 403 with LUCID_ERR_2004", name, status, body, err)
		}
	}
	if counted := l.refusedEnrolments() - before; counted != 3 {
		t.Errorf("%v refusals counted in /metrics, want 3", counted)
	}
	if n := l.count("SELECT count(*) FROM node"); n != 1 {
		t.Errorf("%d nodes exist, want the one of the first use", n)
	}
}

func (l *lab) device() *harness.Device {
	l.t.Helper()
	d, err := harness.NewDevice()
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

func (l *lab) enroll(d *harness.Device, file harness.EnrollFile) (status int) {
	l.t.Helper()
	req, err := d.Request(file)
	if err != nil {
		l.t.Fatal(err)
	}
	status, _, err = l.Post(within(l.t, patience), wire.EnrollPath, req)
	if err != nil {
		l.t.Fatal(err)
	}
	return status
}

func (l *lab) refusedEnrolments() float64 {
	l.t.Helper()
	n, err := l.Metric(within(l.t, patience), "lucid_api_requests_total", `operation="enroll"`, `status="403"`)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// TestHostileMessages: whatever one node sends, nothing of it becomes data,
// and its neighbour does not notice.
func TestHostileMessages(t *testing.T) {
	l := start(t, harness.Options{})
	good, bad := l.node(), l.node()
	neighbour := l.connect(good)
	if err := neighbour.Send(within(t, patience), message(t, good, 1)); err != nil {
		t.Fatal(err)
	}
	own := wire.Topic(bad.ID, wire.ChannelMetrics)
	foreign := message(t, bad, 1)
	for _, c := range []struct {
		name    string
		topic   string
		payload []byte
	}{
		{"no JSON", own, []byte("\xff\x00 nonsense")},
		{"empty", own, nil},
		{"wrong version", own, []byte(`{"v":9,"run":"` + bad.Run.String() + `","samples":[{"seq":1,"at_ms":1}]}`)},
		{"no samples", own, fmt.Appendf(nil, `{"v":1,"run":%q,"samples":[]}`, bad.Run)},
		{"time before the project", own, fmt.Appendf(nil, `{"v":1,"run":%q,"samples":[{"seq":1,"at_ms":1}]}`, bad.Run)},
		{"deep nesting", own, []byte(strings.Repeat("[", 60_000))},
		{"over the limit of a message", own, []byte(strings.Repeat("x", wire.MaxMessageBytes+1))},
		{"over the limit of a packet", own, []byte(strings.Repeat("x", 4<<20))},
		{"another node's topic", wire.Topic(good.ID, wire.ChannelMetrics), foreign.Bytes},
		{"a topic of the coordinator", wire.Topic(bad.ID, wire.ChannelChallenge), foreign.Bytes},
		{"a topic of nobody", "lucid/v1/events/node", foreign.Bytes},
		{"a system topic", "$SYS/broker/version", foreign.Bytes},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := l.connect(bad) // a fresh connection: the last one may have been closed
			err := s.Publish(within(t, patience), c.topic, c.payload)
			t.Logf("the sender saw: %v", err)
			if n := l.samples(bad); n != 0 {
				t.Errorf("%d samples of the sender are stored", n)
			}
			if n := l.samples(good); n != 1 {
				t.Errorf("%d samples of the neighbour are stored, want 1", n)
			}
		})
	}
	select {
	case err := <-neighbour.Lost():
		t.Fatalf("the neighbour lost its connection: %v", err)
	default:
	}
	if err := neighbour.Send(within(t, patience), message(t, good, 2)); err != nil {
		t.Errorf("the neighbour cannot send any more: %v", err)
	}
	if err := l.connect(bad).Send(within(t, patience), message(t, bad, 1)); err != nil {
		t.Errorf("the node cannot send properly afterwards: %v", err)
	}
	if good, bad := l.samples(good), l.samples(bad); good != 2 || bad != 1 {
		t.Errorf("%d and %d samples stored, want 2 and 1", good, bad)
	}
	if n := l.count("SELECT count(*) FROM dead_letter JOIN node USING (node_no) WHERE node_id = $1", bad.ID); n == 0 {
		t.Error("no message lies in the dead-letter table")
	}
}

func (l *lab) samples(n *harness.Node) int64 {
	l.t.Helper()
	return l.count("SELECT count(*) FROM sample JOIN node USING (node_no) WHERE node_id = $1", n.ID)
}

func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, o := range map[string]harness.Options{
		"API":  {HTTP: taken.Addr().String()},
		"MQTT": {MQTT: taken.Addr().String()},
	} {
		t.Run(name, func(t *testing.T) {
			o.Binaries, o.Data = binaries, dataDir(t)
			c, err := harness.Start(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Kill)
			awaitExit(t, c)
			if c.ExitCode() == 0 {
				t.Error("exit status 0")
			}
			lines := linesWith(c.Output(), taken.Addr().String())
			if len(lines) != 1 || !strings.Contains(lines[0], "in use") && !strings.Contains(lines[0], "taken") {
				t.Errorf("want one line that says that %s is taken, have %q in\n%s", taken.Addr(), lines, c.Output())
			}
			if left, err := c.LeftBehind(); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}

func awaitExit(t *testing.T, c *harness.Coordinator) {
	t.Helper()
	select {
	case <-c.Exited():
	case <-within(t, patience).Done():
		t.Fatalf("still running:\n%s", c.Output())
	}
}

func linesWith(text, part string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func TestWrongSettings(t *testing.T) {
	c, err := harness.Start(harness.Options{
		Binaries: binaries, Data: dataDir(t), HTTP: "127.0.0.1:99999",
		Args: []string{"--epoch", "soon"},
		Env:  []string{"LUCID_LOG_LEVEL=loud", "LUCID_POOT_PUZZLES=0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	awaitExit(t, c)
	if c.ExitCode() != 2 {
		t.Errorf("exit status %d, want 2", c.ExitCode())
	}
	for _, want := range []string{"api.port", "epoch.length", "log.level", "poot.puzzles", "LUCID_LOG_LEVEL", "LUCID_POOT_PUZZLES"} {
		if !strings.Contains(c.Output(), want) {
			t.Errorf("%s is not named in\n%s", want, c.Output())
		}
	}
}

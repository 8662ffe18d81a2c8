package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent"
	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/wire"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(bad, []byte("sample_interval = \"0s\"\ncolour = \"red\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"", 2, "", "lucid-agent enroll"},
		{"help", 0, "lucid-agent enroll", ""},
		{"frobnicate", 2, "", `no command "frobnicate"`},
		{"version", 0, "lucid-agent dev linux/", ""},
		{"run -h", 0, "-sample-interval", ""},
		{"enroll --help", 0, "-state-dir folder", ""},
		{"enroll --help", 0, "exit code 4: refused for good, get a new file; 5: the file is wrong, correct it", ""},
		{"enroll --colour red", 2, "", "flag provided but not defined: -colour"},
		{"status -h", 0, "exit code 0: connected, 1: not connected, 3: no agent running", ""},
		{"run --colour red", 2, "", "flag provided but not defined: -colour"},
		{"run extra", 2, "", `unexpected "extra"`},
		{"run --sample-interval soon --log-level loud", 2, "", "sample_interval: time: invalid duration \"soon\"\n"},
		{"run --sample-interval soon --log-level loud", 2, "", "log_level: \"loud\" is not one of"},
		{"run --config " + bad, 2, "", bad + ":2: colour: no such setting"},
		{"run --config " + bad + " --server here", 2, "", `servers: "here" is not host:port`},
		{"run -h", 0, "instead of the enrolment's", ""},
		{"run --config " + bad, 2, "", bad + ":1: sample_interval: 0s is below 1s"},
		{"run --config " + dir, 2, "", bad + ":2: colour: no such setting"}, // a folder
		{"run --config " + dir + "/none.toml", 2, "", "no such file"},
		{"run --state-dir " + dir + "/none", 4, "", "run: lucid-agent enroll --file enroll.toml --state-dir " + dir + "/none"},
		{"run --state-dir " + dir + "/none", 4, "", "or name the folder of an earlier enrolment with --state-dir"},
		{"enroll --file " + dir + "/none.toml --state-dir " + dir + "/none", 1, "", "none.toml: no such file"},
		{"enroll --file " + bad + " --state-dir " + dir + "/none", 5, "", bad + ": token: missing"},
		{"enroll --file " + bad + " --state-dir " + dir + "/none", 5, "", bad + ":2: colour: no such key"},
		{"doctor --state-dir " + dir + "/none", 1, "is not there", ""},
		{"doctor --json --state-dir " + dir + "/none", 1, `"check": "clock"`, ""},
		{"doctor --server here", 2, "", `servers: "here" is not host:port`},
		{"sign --state-dir " + dir + "/none", 2, "", "--payout-address is missing"},
		{"sign --payout-address T123 --state-dir " + dir + "/none", 1, "", "address has 4 characters; a TRON address has 34 and begins with T"},
		{"sign --payout-address TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ --state-dir " + dir + "/none", 1, "", "this machine is not enrolled: no identity in " + dir + "/none"},
		{"withdraw --state-dir " + dir + "/none", 1, "", "no home_assistant.broker in the settings"},
		{"withdraw --config " + bad, 2, "", bad + ":2: colour: no such setting"},
		{"status --status-file " + dir + "/none", 3, "", "no agent is running"},
		{"status --status-file " + bad, 1, "", "invalid character"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := command(context.Background(), strings.Fields(c.args), &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("code %d\nstdout: %s\nstderr: %s", code, &stdout, &stderr)
			}
		})
	}
}

func TestEnrollRefusedForGood(t *testing.T) {
	dir := t.TempDir()
	enrolment := coordtest.NewEnrolment(t, coordtest.NewAuthority(t), false, []string{"127.0.0.1:1"})
	file := filepath.Join(dir, "enroll.toml")
	if err := os.WriteFile(file, []byte(enrolment.Ticket("guessed")), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := command(t.Context(), []string{"enroll", "--file", file, "--state-dir", dir + "/state"}, &stdout, &stderr)
	if code != 4 || !strings.Contains(stderr.String(), "request_id "+coordtest.RequestID) {
		t.Errorf("code %d, want 4\n%s", code, &stderr)
	}
}

// A mistyped address is told here, where the file is, and before the token is used:
// systemd's unit ends at this exit code, and who has no screen reads the result.
func TestEnrollWithAMistypedAddress(t *testing.T) {
	dir := t.TempDir()
	enrolment := coordtest.NewEnrolment(t, coordtest.NewAuthority(t), false, []string{"127.0.0.1:1"}, "token")
	enrolment.Before = func(http.ResponseWriter, *wire.EnrollRequest, *wire.EnrollResponse) bool {
		t.Error("the coordinator was asked")
		return false
	}
	file, result := filepath.Join(dir, "enroll.toml"), filepath.Join(dir, "enroll.status")
	text := enrolment.Ticket("token") + "payout_address = \"TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLz\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := command(t.Context(), []string{"enroll", "--file", file, "--result", result, "--state-dir", dir + "/state"}, &stdout, &stderr)
	const fault = "enroll.toml:5: payout_address: address TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLz has a wrong checksum: check it for typing errors"
	if code != 5 || stderr.String() != "lucid-agent enroll: wrong enrolment file: "+dir+"/"+fault+"\n" {
		t.Errorf("code %d, want 5\n%s", code, &stderr)
	}
	told, err := os.ReadFile(result)
	if want := "wrong enrolment file: " + fault + ". It is not tried again before the next start: correct it\n"; err != nil || string(told) != want {
		t.Errorf("the result says %q, %v; want %q", told, err, want)
	}
}

// TestForeignStateFolder runs both commands that need the state folder on one
// that this user may not use.
func TestForeignStateFolder(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(foreign, "state")
	if os.Geteuid() == 0 { // whom no mode keeps out
		state = foreign
		if err := os.Chown(foreign, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Chmod(foreign, 0); err != nil {
		t.Fatal(err)
	}
	enrolment := coordtest.NewEnrolment(t, coordtest.NewAuthority(t), false, []string{"127.0.0.1:1"}, "token")
	file := filepath.Join(dir, "enroll.toml")
	if err := os.WriteFile(file, []byte(enrolment.Ticket("token")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run"}, {"enroll", "--file", file}} {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), append(args, "--state-dir", state), &stdout, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), "a state folder of your own: --state-dir FOLDER") {
			t.Errorf("%s: code %d, %s", args[0], code, &stderr)
		}
	}
}

func TestEnrollRunStatus(t *testing.T) {
	dir := t.TempDir()
	authority := coordtest.NewAuthority(t)
	broker := coordtest.NewBroker(t, coordtest.BrokerConfig{TLS: authority.Server(t, "127.0.0.1")})
	enrolment := coordtest.NewEnrolment(t, authority, false, []string{"127.0.0.1:1"}, "token") // not where the broker is
	ticket, state, file := filepath.Join(dir, "enroll.toml"), filepath.Join(dir, "state"), filepath.Join(dir, "status.json")
	if err := os.WriteFile(ticket, []byte(enrolment.Ticket("token")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"enrolled as node_test\n", "already enrolled as node_test\n"} {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), []string{"enroll", "--file", ticket, "--state-dir", state}, &stdout, &stderr)
		if code != 0 || stdout.String() != want {
			t.Fatalf("enroll: code %d, %q, %s", code, &stdout, &stderr)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- command(ctx, []string{"run", "--server", "127.0.0.1:1", "--server", broker.Addr, "--state-dir", state, "--status-file", file, "--sample-interval", "1s", "--publish-interval", "1s"}, &stdout, &stderr)
	}()
	for p := range broker.Published {
		if p.Topic == wire.Topic("node_test", wire.ChannelMetrics) {
			break
		}
	}
	stop() // as SIGTERM does
	if code := <-ended; code != 0 {
		t.Errorf("run: code %d\n%s", code, &stderr)
	}
	var shown bytes.Buffer
	if code := command(t.Context(), []string{"status", "--status-file", file}, &shown, &stderr); code != exitDown {
		t.Errorf("status of a stopped agent: code %d, want %d", code, exitDown)
	}
	for _, want := range []string{"node_test", "stopped ", "last ack", "0 dropped"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("status lacks %q:\n%s", want, &shown)
		}
	}
}

func TestStatusOfAnAgentThatEndedClaimsNoConnection(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		report agent.Report
		shown  bool
	}{
		"running": {agent.Report{UpdatedAt: now}, true},
		"stopped": {agent.Report{UpdatedAt: now, Stopped: true}, false},
		"killed":  {agent.Report{UpdatedAt: now.Add(-time.Minute)}, false},
	} {
		c.report.Connected, c.report.Server, c.report.HomeAssistant = true, "a:1", "connected to mqtt://home:1883"
		var text bytes.Buffer
		describe(&text, &c.report, now)
		if strings.Contains(text.String(), "connected to a:1") != c.shown || strings.Contains(text.String(), "connected to mqtt") != c.shown {
			t.Errorf("%s:\n%s", name, &text)
		}
	}
}

func TestStatusExitCodes(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name   string
		report agent.Report
		code   int
		want   string
	}{
		{"connected", agent.Report{UpdatedAt: now, Connected: true, Server: "a:1"}, 0, "connected to a:1"},
		{"just started", agent.Report{UpdatedAt: now, Server: "a:1"}, 1, "connecting now\nlast ack"},
		{"trying again", agent.Report{UpdatedAt: now, Server: "a:1", LastError: "refused", RetryAt: &now}, 1, "refused\n             connecting now\nlast ack"},
		{"offline", agent.Report{UpdatedAt: now, Server: "a:1", LastError: "connection refused"}, 1, "connection refused"},
		{"killed", agent.Report{UpdatedAt: now.Add(-time.Hour), Connected: true}, 3, "NOT RUNNING"},
		{"with a verdict", agent.Report{UpdatedAt: now, Connected: true,
			Verdict: &wire.Verdict{Verdict: "valid", ScoreNano: 987_600_000, ConfidenceNano: 500_000_000, FailuresLeft: 21}}, 0,
			"98.76 of 100, confidence 50 %, 21 failures from suspension"},
		{"with the factors of its score", agent.Report{UpdatedAt: now, Connected: true, Verdict: &wire.Verdict{Verdict: "valid", Factors: &wire.Factors{
			ReputationNano: 1_000_000_000, TimelinessNano: 995_000_000, AvailabilityNano: 870_000_000, QualityNano: 980_000_000}}}, 0,
			"= reputation 100.00 % x timeliness 99.50 % x availability 87.00 % x quality 98.00 %"},
		{"with a clock that is not set", agent.Report{UpdatedAt: now, Connected: true, ClockNotSet: true}, 0,
			"clock        NOT SET: samples wait for the time (sudo timedatectl set-ntp true)"},
		{"with a verdict and no reason", agent.Report{UpdatedAt: now, Connected: true,
			Verdict: &wire.Verdict{Verdict: "valid"}}, 0, "last proof   valid at "},
		{"with a verdict and a reason", agent.Report{UpdatedAt: now, Connected: true,
			Verdict: &wire.Verdict{Verdict: "invalid", Reason: "boot"}}, 0, "last proof   invalid (boot) at "},
		{"with a reason", agent.Report{UpdatedAt: now, Connected: true, Absent: map[string]string{"gpu": "none"}}, 0, "gpu: none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "status.json")
			b, err := json.Marshal(c.report)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			if code := command(t.Context(), []string{"status", "--status-file", file}, &stdout, &stderr); code != c.code || !strings.Contains(stdout.String(), c.want) {
				t.Errorf("code %d, want %d; output lacks %q:\n%s%s", code, c.code, c.want, &stdout, &stderr)
			}
			var asJSON bytes.Buffer
			if code := command(t.Context(), []string{"status", "--json", "--status-file", file}, &asJSON, &stderr); code != c.code || !json.Valid(asJSON.Bytes()) {
				t.Errorf("--json: code %d, %s", code, &asJSON)
			}
		})
	}
}

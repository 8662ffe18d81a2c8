package main

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/client"
	"lucid.internal/coordinator/internal/alert"
)

func TestAlertKindsAreThoseThatThereAre(t *testing.T) {
	var there []string
	for _, kind := range alert.Kinds() {
		there = append(there, string(kind))
	}
	if want := strings.Join(there, ", "); alertKinds != want {
		t.Errorf("flags take %s, want %s", alertKinds, want)
	}
}

func TestStatusTellsWhatIsWrong(t *testing.T) {
	for want, alerts := range map[string][]client.NodeAlert{
		"":                                       nil,
		"CPU at 99 %, threshold 98 % (critical)": {{Summary: "CPU at 99 %, threshold 98 %", Severity: "critical", State: "firing"}},
		"a (warning, pending); b (critical, silenced)": {
			{Summary: "a", Severity: "warning", State: "pending"}, {Summary: "b", Severity: "critical", State: "firing", Silenced: true},
		},
	} {
		if got := alertsText(alerts); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestThresholdCommands(t *testing.T) {
	f := newFleet(t)
	poolID := f.made("pool_id", "pools", "create", "home")
	nodeID := f.made("node_id", "nodes", "create", "attic-pi", "--pool", poolID)
	f.must("thresholds", "set", "cpu", "--pool", poolID, "--warning", "70", "--warning-for", "2m", "--critical", "90", "--hysteresis", "3")
	f.must("thresholds", "set", "disk", "--off")
	out := f.must("thresholds", "get", "--node", nodeID, "-o", "csv")
	for _, want := range []string{"cpu,true,70,120,90,600,3,pool,percent\n", "disk,false,,,,,2,fleet,percent\n", "temperature,true,75,300,82,300,3,default,celsius\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	f.must("thresholds", "remove", "cpu", "--pool", poolID)
	if out := f.must("thresholds", "get", "--pool", poolID, "-o", "csv"); !strings.Contains(out, "cpu,true,90,600,98,600,5,default,percent\n") {
		t.Errorf("after the removal:\n%s", out)
	}
	if o := f.run("thresholds", "set", "cpu", "--warning", "101"); o.code != exitUsage || !strings.Contains(o.notes, "cpu.warning") {
		t.Errorf("%+v", o)
	}
	if o := f.run("thresholds", "set", "heat", "--warning", "9"); o.code != exitUsage || !strings.Contains(o.notes, `"temperature"`) {
		t.Errorf("the kinds are not named: %+v", o)
	}
	if o := f.run("thresholds", "remove", "cpu"); o.code != exitFailed {
		t.Errorf("%+v", o)
	}
}

func TestSilenceCommands(t *testing.T) {
	f := newFleet(t)
	nodeID := f.made("node_id", "nodes", "create", "attic-pi")
	id := f.made("silence_id", "silences", "create", "moving the rack", "--node", nodeID, "--kind", "offline", "--life", "2h")
	if out := f.must("silences", "list", "--active"); !strings.Contains(out, id) || !strings.Contains(out, nodeID) {
		t.Errorf("%s is not in\n%s", id, out)
	}
	f.must("silences", "end", id)
	if out := f.must("silences", "list", "--active"); strings.Contains(out, id) {
		t.Errorf("%s has not ended:\n%s", id, out)
	}
}

func TestWebhookCommands(t *testing.T) {
	f := newFleet(t)
	id := f.made("webhook_id", "webhooks", "create", "https://ops.example/lucid", "--kind", "disk", "--kind", "cpu", "--min-severity", "critical")
	if secret := f.made("secret", "webhooks", "create", "https://ops.example/two"); !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("secret %q", secret)
	}
	f.must("webhooks", "test", id)
	if out := f.must("webhooks", "deliveries", id); !strings.Contains(out, "open") {
		t.Errorf("no delivery is open:\n%s", out)
	}
	if out := f.must("webhooks", "list", "-o", "wide"); !strings.Contains(out, "cpu,disk") || !strings.Contains(out, "critical") {
		t.Errorf("%s", out)
	}
	f.must("webhooks", "delete", id, "--yes")
	if out := f.must("webhooks", "list"); strings.Contains(out, id) {
		t.Errorf("%s is still there:\n%s", id, out)
	}
}

func TestGrantCommands(t *testing.T) {
	f := newFleet(t)
	key := f.made("key_id", "apikeys", "create", "grafana")
	id := f.made("grant_id", "grants", "add", key, "lucid/v1/pools/+/summary")
	if out := f.must("grants", "list", key); !strings.Contains(out, id) || !strings.Contains(out, "lucid/v1/pools/+/summary") {
		t.Errorf("%s", out)
	}
	if o := f.run("grants", "add", key, "lucid/v1/#"); o.code != exitUsage || !strings.Contains(o.notes, "filter") {
		t.Errorf("%+v", o)
	}
	f.must("grants", "revoke", key, id)
	if out := f.must("grants", "list", key, "-o", "csv"); strings.Contains(out, id) {
		t.Errorf("%s is still there:\n%s", id, out)
	}
}

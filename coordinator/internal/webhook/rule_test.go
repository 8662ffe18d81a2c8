package webhook

import (
	"encoding/base64"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/alert"
)

// The example of the specification's own reference libraries.
func TestSignIsThatOfStandardWebhooks(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWait(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 11: time.Hour, 1000: time.Hour} {
		if got := wait(failures, 1); got != want {
			t.Errorf("after %d failures at most %s, want %s", failures, got, want)
		}
		if got := wait(failures, 0); got != want/2 {
			t.Errorf("after %d failures at least %s, want %s", failures, got, want/2)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n, luck := rapid.IntRange(1, 100).Draw(t, "failures"), rapid.Float64Range(0, 1).Draw(t, "luck")
		if d := wait(n, luck); d < firstWait/2 || d > mostWait || wait(n+1, luck) < d {
			t.Fatalf("%s after %d failures, %s after one more", d, n, wait(n+1, luck))
		}
	})
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		status int
		age    time.Duration
		want   verdict
	}{
		{200, 0, delivered}, {204, 48 * time.Hour, delivered}, {0, 0, again}, {301, 0, again}, {500, 0, again}, {503, 23 * time.Hour, again},
		{400, 0, refused}, {410, 0, refused}, {422, 0, refused}, {401, 0, again}, {404, 0, again}, {429, 0, again}, {408, 0, again},
		{500, 24 * time.Hour, expired}, {0, 25 * time.Hour, expired}, {404, 24 * time.Hour, expired}, {400, 25 * time.Hour, refused},
	} {
		if got := judge(c.status, c.age); got != c.want {
			t.Errorf("%d after %s: %d, want %d", c.status, c.age, got, c.want)
		}
	}
}

func TestSelects(t *testing.T) {
	warning := alert.Alert{Kind: alert.CPU, Severity: alert.Warning, Worst: alert.Warning}
	eased := alert.Alert{Kind: alert.CPU, Severity: alert.Warning, Worst: alert.Critical}
	critical := alert.Alert{Kind: alert.Disk, Severity: alert.Critical, Worst: alert.Critical}
	for name, c := range map[string]struct {
		kinds []string
		least alert.Severity
		a     alert.Alert
		want  bool
	}{
		"all":                      {nil, alert.Warning, warning, true},
		"its kind":                 {[]string{"disk", "cpu"}, alert.Warning, warning, true},
		"another kind":             {[]string{"disk"}, alert.Warning, warning, false},
		"not bad enough":           {nil, alert.Critical, warning, false},
		"bad enough":               {nil, alert.Critical, critical, true},
		"was bad enough":           {nil, alert.Critical, eased, true},
		"bad enough, another kind": {[]string{"cpu"}, alert.Critical, critical, false},
	} {
		if got := selects(c.kinds, c.least, c.a); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAllowed(t *testing.T) {
	for address, want := range map[string][2]bool{ // by default, and with link-local allowed
		"203.0.113.7": {true, true}, "10.0.0.7": {true, true}, "127.0.0.1": {true, true}, "::1": {true, true}, "fd12::1": {true, true},
		"169.254.169.254": {false, true}, "::ffff:169.254.169.254": {false, true}, "64:ff9b::a9fe:a9fe": {false, true},
		"fe80::1": {false, true}, "fe80::1%eth0": {false, true}, "fd00:ec2::254": {false, true}, "100.100.100.200": {false, true},
		"fd00:ec2::23": {false, true}, "fd20:ce::254": {false, true}, "fd00:c1::a9fe:a9fe": {false, true},
		"0.0.0.0": {false, false}, "::": {false, false}, "224.0.0.1": {false, false}, "ff02::1": {false, false}, "255.255.255.255": {false, false},
		"64:ff9b::e000:1": {false, false}, "168.63.129.16": {false, true}, "192.0.0.192": {false, true},
		"2002:a9fe:a9fe::1": {false, true}, "64:ff9b:1::a9fe:a9fe": {false, true}, "2002:cb00:7107::1": {true, true},
	} {
		a := netip.MustParseAddr(address)
		if got := [2]bool{allowed(a, false), allowed(a, true)}; got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	if allowed(netip.Addr{}, true) {
		t.Error("no address is allowed")
	}
}

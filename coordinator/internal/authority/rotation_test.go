package authority_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/authority"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
)

// TestCAFollowsTheOneBeforeInThreeSteps: both are trusted, then the new one
// makes certificates, then it alone is trusted. A second coordinator sees the
// same once it has looked.
func TestCAFollowsTheOneBeforeInThreeSteps(t *testing.T) {
	pool, secret := dbtest.New(t), memory()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	clock := func() time.Time { return now }
	open := func() *authority.Authority {
		a, err := authority.Load(t.Context(), secret, authority.Plans(pool), clock)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first, second := open(), open()
	server, err := second.ServerTLS([]string{"pi.example"})
	if err != nil {
		t.Fatal(err)
	}
	old := first.CAPEM()
	by := audit.By{Actor: audit.CLI}
	if _, err := first.Rotate(t.Context(), by, pool, time.Minute); err == nil {
		t.Error("an overlap of a minute is taken")
	}
	if _, err := first.Rotate(t.Context(), by, pool, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	_, err = first.Rotate(t.Context(), by, pool, 24*time.Hour)
	if !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("a third CA: %v", err)
	}
	both := first.CAPEM()
	next := strings.TrimPrefix(both, old)
	if next == both || strings.Count(next, "BEGIN") != 1 {
		t.Fatalf("trusted at first: %s", both)
	}
	if second.CAPEM() != old {
		t.Error("the second coordinator knows of it before it looked")
	}
	if err := second.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, step := range []struct {
		after   time.Duration
		trusted string
		by      string // who made the server's certificate
	}{
		{0, both, old}, {24*time.Hour - 1, both, old}, {24 * time.Hour, both, next}, {48*time.Hour - 1, both, next}, {48 * time.Hour, next, next},
	} {
		now = start.Add(step.after)
		for name, a := range map[string]*authority.Authority{"first": first, "second": second, "started now": open()} {
			if a.CAPEM() != step.trusted {
				t.Errorf("after %s the %s coordinator trusts\n%s", step.after, name, a.CAPEM())
			}
		}
		if first.Pin() != second.Pin() || first.Pin() != pinOf(t, step.by) {
			t.Errorf("after %s the pin is %s", step.after, first.Pin())
		}
		leaf, err := server.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		for _, ca := range []string{old, next} {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM([]byte(ca))
			_, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "pi.example", CurrentTime: now})
			if (err == nil) != (ca == step.by) {
				t.Errorf("after %s, under one of the CAs: %v", step.after, err)
			}
		}
	}
	if _, err := second.Rotate(t.Context(), by, pool, 24*time.Hour); err != nil {
		t.Errorf("the next rotation: %v", err)
	}
	var entries int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM audit_entry WHERE action = 'ca.rotate'").Scan(&entries); err != nil || entries != 2 {
		t.Errorf("%d audit entries, want 2; %v", entries, err)
	}
}

func pinOf(t *testing.T, ca string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(ca))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

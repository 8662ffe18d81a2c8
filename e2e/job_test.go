package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
	"lucid.internal/shared/wire"
)

// TestMainJob is `make run`: this machine becomes a proven, scored and paid
// node, and Ctrl-C ends it all.
func TestMainJob(t *testing.T) {
	l := start(t, harness.Options{Agent: true, Args: []string{"--epoch", "10s", "--poot-interval", "2s"}})
	ctx := within(t, manyWaits)

	info, err := os.Stat(l.AdminKeyFile())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("admin.key: %v, %v; want mode 0600", info, err)
	}
	id := l.awaitOnline(ctx)
	checkResources(t, l, ctx, id)
	l.await(ctx, "a valid proof", func(ctx context.Context) error { return validProof(ctx, l, id) })
	l.await(ctx, "a score", func(ctx context.Context) error {
		var score struct {
			Score float64 `json:"score"`
		}
		if err := l.GetJSON(ctx, "/api/v1/nodes/"+id+"/poot/score", &score); err != nil {
			return err
		}
		return unless(score.Score > 0 && score.Score <= 100, "score %v", score.Score)
	})
	l.await(ctx, "an earning", func(ctx context.Context) error { return earned(ctx, l, id) })

	if n := l.count("SELECT count(*) FROM statement_line WHERE share > 0"); n == 0 {
		t.Error("no line of a statement gives the node a share")
	}
	if n := l.count("SELECT count(*) FROM posting"); n == 0 {
		t.Error("the ledger has no postings")
	}
	if sum := l.count(ledgerSum); sum != 0 {
		t.Errorf("postings sum to %d, want 0", sum)
	}
	for _, line := range []string{`(?i)\bsample\b`, `(?i)\bproof\b`, `(?i)\bearn`} {
		if _, err := l.AwaitLine(ctx, line); err != nil {
			t.Error(err)
		}
	}
	l.stopCleanly()
}

func (l *lab) await(ctx context.Context, what string, look func(context.Context) error) {
	l.t.Helper()
	if err := harness.Until(ctx, what, look); err != nil {
		l.t.Fatal(err)
	}
}

// unless is nil when ok, and otherwise says what was seen instead.
func unless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// awaitOnline gives the id of the only node once it is connected.
func (l *lab) awaitOnline(ctx context.Context) (id string) {
	l.t.Helper()
	l.await(ctx, "the node online", func(ctx context.Context) error {
		var list struct {
			Nodes []struct {
				NodeID string `json:"node_id"`
				Online bool   `json:"online"`
				Status string `json:"status"`
			} `json:"nodes"`
		}
		if err := l.GetJSON(ctx, "/api/v1/nodes/", &list); err != nil {
			return err
		}
		if len(list.Nodes) != 1 || !list.Nodes[0].Online {
			return fmt.Errorf("nodes %+v", list.Nodes)
		}
		id = list.Nodes[0].NodeID
		return nil
	})
	return id
}

// checkResources compares what the API says of this machine with what the
// test sees itself.
func checkResources(t *testing.T, l *lab, ctx context.Context, id string) {
	t.Helper()
	var r wire.Sample
	l.await(ctx, "two samples, so that rates are known", func(ctx context.Context) error {
		if err := l.GetJSON(ctx, "/api/v1/nodes/"+id+"/resources", &r); err != nil {
			return err
		}
		return unless(r.CPU != nil && r.CPU.UsagePercent != nil && r.Disk != nil && r.Disk.WriteIOPS != nil, "%+v", r)
	})
	if r.Memory == nil || r.Network == nil {
		t.Fatalf("memory %v, network %v", r.Memory, r.Network)
	}
	if total := memTotal(t); r.Memory.TotalBytes != total {
		t.Errorf("memory has %d bytes, /proc/meminfo says %d", r.Memory.TotalBytes, total)
	}
	if r.CPU.Cores != runtime.NumCPU() {
		t.Errorf("%d cores, this process sees %d", r.CPU.Cores, runtime.NumCPU())
	}
	if *r.CPU.UsagePercent < 0 || *r.CPU.UsagePercent > 100 {
		t.Errorf("CPU usage %v %%", *r.CPU.UsagePercent)
	}
	if r.Memory.UsedBytes == 0 || r.Memory.AvailableBytes == 0 || r.Disk.TotalBytes == 0 || r.Disk.UsedBytes == 0 {
		t.Errorf("memory %+v, disk %+v", r.Memory, r.Disk)
	}
	if len(r.Network.Interfaces) > 0 && r.Network.TotalBytesIn == 0 {
		t.Errorf("network %+v", r.Network)
	}
}

func memTotal(t *testing.T) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text)) // MemTotal: 16384 kB ...
	kib, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil || fields[0] != "MemTotal:" {
		t.Fatalf("/proc/meminfo begins with %q", fields[:2])
	}
	return kib << 10
}

func validProof(ctx context.Context, l *lab, id string) error {
	var history struct {
		History []struct {
			Verdict string `json:"verdict"`
		} `json:"history"`
	}
	if err := l.GetJSON(ctx, "/api/v1/nodes/"+id+"/poot/history", &history); err != nil {
		return err
	}
	for _, h := range history.History {
		if h.Verdict == "valid" {
			return nil
		}
	}
	return fmt.Errorf("history %+v", history.History)
}

func earned(ctx context.Context, l *lab, id string) error {
	var e struct {
		Payable float64 `json:"payable"`
		Held    float64 `json:"held"`
		Epochs  []any   `json:"epochs"`
	}
	if err := l.GetJSON(ctx, "/api/v1/nodes/"+id+"/earnings", &e); err != nil {
		return err
	}
	if len(e.Epochs) == 0 || e.Payable+e.Held <= 0 {
		return errors.New("nothing yet")
	}
	return nil
}

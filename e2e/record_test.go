package e2e

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
	"lucid.internal/shared/wire"
)

// TestRecordedNodeCanBeReplayed records what a node sent from the database, and
// reads it as the simulator does.
func TestRecordedNodeCanBeReplayed(t *testing.T) {
	l := start(t, harness.Options{})
	n := l.node()
	m, err := harness.NewMessage(n.Run, 1, time.Now().Add(-time.Second), 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.connect(n).Send(within(t, patience), m); err != nil {
		t.Fatal(err)
	}
	url, err := l.Database().URL()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if samples, err := fleet.Record(within(t, patience), url, n.ID, &file); err != nil || samples != 3 {
		t.Fatalf("%d samples, %v", samples, err)
	}
	got, err := fleet.ReadRecording(&file)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := wire.DecodeMetrics(m.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sent.Samples {
		want := sent.Samples[i]
		want.Seq = 0 // it is set anew
		if asJSON(t, got[i]) != asJSON(t, want) {
			t.Errorf("sample %d is %s, was sent as %s", i+1, asJSON(t, got[i]), asJSON(t, want))
		}
	}
	if _, err := fleet.Record(within(t, patience), url, "node_nobody", &file); err == nil {
		t.Error("a node that sent nothing was recorded")
	}
	l.stopCleanly()
}

func asJSON(t *testing.T, s wire.Sample) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

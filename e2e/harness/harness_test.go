package harness

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lucid.internal/shared/wire"
)

func TestMessagesAreValidAndOfTheRightSize(t *testing.T) {
	for _, count := range []int{1, 6} {
		m, err := NewMessage(wire.NewRunID(), 7, time.Now(), count)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := wire.DecodeMetrics(m.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if decoded.FirstSeq() != 7 || decoded.LastSeq() != m.Seq || m.Seq != 6+uint64(count) {
			t.Errorf("%d samples: sequence numbers %d..%d, message says %d", count, decoded.FirstSeq(), decoded.LastSeq(), m.Seq)
		}
		if each := len(m.Bytes) / count; each < 550 || each > 900 {
			t.Errorf("%d samples: %d bytes each, want about 600", count, each)
		}
	}
}

func TestOutputSplitsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o output
		for _, part := range []string{"first\nsec", "ond\n", "third"} {
			if n, err := o.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if o.text() != "first\nsecond\nthird" {
			t.Errorf("text %q", o.text())
		}
		c := Coordinator{}
		c.out.Write([]byte("first\nsecond\nthird"))
		line, err := c.AwaitLine(t.Context(), "^sec")
		if err != nil || line != "second" {
			t.Errorf("line %q, error %v", line, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = c.AwaitLine(ctx, "third") // not a whole line yet
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 other lines") {
			t.Errorf("error %v", err)
		}
	})
}

func TestUntilLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		err := Until(t.Context(), "the third look", func(context.Context) error {
			if looks++; looks < 3 {
				return errors.New("not yet")
			}
			return nil
		})
		if err != nil || looks != 3 {
			t.Errorf("%d looks, error %v", looks, err)
		}
	})
}

func TestSumMetric(t *testing.T) {
	const text = `# HELP lucid_x Things.
# TYPE lucid_x counter
lucid_x{kind="a",code="1"} 2
lucid_x{kind="b"} 3e1
lucid_x_total 100
lucid_plain 7
`
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"lucid_x", nil, 32},
		{"lucid_x", []string{`kind="a"`}, 2},
		{"lucid_x", []string{`kind="a"`, `code="2"`}, 0},
		{"lucid_plain", nil, 7},
		{"lucid_none", nil, 0},
	} {
		if got, err := sumMetric(text, c.name, c.labels); err != nil || got != c.want {
			t.Errorf("%s %v = %v, %v; want %v", c.name, c.labels, got, err, c.want)
		}
	}
	if _, err := sumMetric("lucid_x many\n", "lucid_x", nil); err == nil {
		t.Error("a value that is no number was read")
	}
}

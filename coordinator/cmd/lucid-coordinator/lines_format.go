package main

import (
	"fmt"
	"strings"
	"time"

	"lucid.internal/coordinator"
	"lucid.internal/coordinator/cmd/internal/bytesize"
)

func (l *lines) observer() coordinator.Observer {
	return coordinator.Observer{
		Online: func(nodeID string, online bool) {
			l.print(nodeID, "node", "%s", map[bool]string{true: "online", false: "offline"}[online])
		},
		Sample: func(nodeID string, s *coordinator.Sample) { l.print(nodeID, "sample", "%s", sampleLine(s)) },
		Verdict: func(nodeID string, v coordinator.Verdict, s coordinator.Standing) {
			text := string(v.Result)
			if v.Reason != "" {
				text += " (" + v.Reason + ")"
			}
			if v.Answered > 0 {
				text += fmt.Sprintf(" after %s", v.Answered.Round(time.Millisecond))
			}
			l.print(nodeID, "proof", "%s, score %.2f, confidence %.0f %%", text, float64(s.ScoreNano)/1e7, float64(s.ConfidenceNano)/1e7)
		},
		Earning: func(e coordinator.Earning) {
			text := fmt.Sprintf("+%s USDT for the epoch until %s", e.Share, e.EpochEnd.Local().Format(time.TimeOnly))
			if e.Held {
				text += ", held until the node is vetted"
			}
			l.print(e.NodeID, "earning", "%s; payable %s USDT", text, e.Payable)
		},
		Payout: func(nodeID, payoutID string, gross, fee coordinator.USDT) {
			l.print(nodeID, "payout", "%s pending: %s USDT, of which %s USDT is the fee", payoutID, gross, fee)
		},
	}
}

// sampleLine shows what the machine could give, and nothing for what it could
// not.
func sampleLine(s *coordinator.Sample) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if c := s.CPU; c != nil {
		if c.UsagePercent != nil {
			add("cpu %.0f %%", *c.UsagePercent)
		}
		if c.TemperatureCelsius != nil {
			add("%.0f °C", *c.TemperatureCelsius)
		}
	}
	if m := s.Memory; m != nil {
		add("memory %s of %s", bytesize.Text(float64(m.UsedBytes)), bytesize.Text(float64(m.TotalBytes)))
	}
	if d := s.Disk; d != nil {
		add("disk %s of %s", bytesize.Text(float64(d.UsedBytes)), bytesize.Text(float64(d.TotalBytes)))
	}
	if n := s.Network; n != nil {
		add("network in %s, out %s", bytesize.Text(float64(n.TotalBytesIn)), bytesize.Text(float64(n.TotalBytesOut)))
	}
	return strings.Join(parts, ", ")
}

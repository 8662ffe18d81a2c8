package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"lucid.internal/agent"
)

// status is the command `status`. It reads the status file only: it works
// without network.
func status(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print the status file's JSON")
	file := flags.String("status-file", agent.Default().StatusFile, "status `file` of the running agent")
	about := "show what the running agent is doing; exit code 0: connected, 1: not connected, 3: no agent running"
	if code, done := parse(flags, args, about, stdout, stderr); done {
		return code
	}
	report, err := agent.ReadReport(*file)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(stderr, "lucid-agent status: no agent is running (no %s)\n", *file)
		return exitDown
	}
	if err != nil {
		fmt.Fprintf(stderr, "lucid-agent status: %v\n", err)
		return exitFailed
	}
	now := time.Now()
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(report) // stdout is gone: nobody reads it
	} else {
		describe(stdout, report, now)
	}
	switch {
	case !report.Running(now):
		return exitDown
	case !report.Connected:
		return exitOffline
	}
	return exitOK
}

// within says when an update is to be installed.
func within(window string) string {
	if window == "" {
		return ""
	}
	return ", between " + strings.Replace(window, "-", " and ", 1)
}

// page is a report for people, a line for each thing that it tells.
type page struct {
	*agent.Report
	w   io.Writer
	now time.Time
}

func describe(w io.Writer, r *agent.Report, now time.Time) {
	p := page{r, w, now}
	p.line("node", "%s (agent %s, pid %d)", r.NodeID, r.Version, r.PID)
	p.connection()
	p.samples()
	p.settings()
	p.proof()
	for _, what := range slices.Sorted(maps.Keys(r.Absent)) {
		p.line("no figure", "%s: %s", what, r.Absent[what])
	}
}

func (p page) line(name, format string, args ...any) {
	fmt.Fprintf(p.w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
}

func (p page) ago(t time.Time) string { return p.now.Sub(t).Round(time.Second).String() + " ago" }

func (p page) connection() {
	switch {
	case p.Stopped:
		p.line("agent", "stopped %s", p.ago(p.UpdatedAt))
	case !p.Running(p.now):
		p.line("agent", "NOT RUNNING or stuck: last sign of life %s", p.ago(p.UpdatedAt))
	case p.Connected:
		p.line("connection", "connected to %s since %s", p.Server, p.Since.Local().Format(time.DateTime))
	default:
		p.line("connection", "NOT CONNECTED to %s since %s", p.Server, p.Since.Local().Format(time.DateTime))
		if p.LastError != "" {
			p.line("", "%s", p.LastError)
		}
		if p.RetryAt != nil && p.RetryAt.After(p.now) {
			p.line("", "next attempt in %s", p.RetryAt.Sub(p.now).Round(time.Second))
		} else {
			p.line("", "connecting now")
		}
	}
	if p.State == agent.StateStopped {
		p.line("work", "stopped by the coordinator: no samples, no proofs until it says start")
	}
}

func (p page) samples() {
	if p.LastAckAt != nil {
		p.line("last ack", "%s, sample %d", p.ago(*p.LastAckAt), p.LastAckSeq)
	} else {
		p.line("last ack", "none yet")
	}
	p.line("samples", "%d taken, %d waiting in %d messages, %d dropped", p.SamplesTaken, p.SamplesWaiting, p.MessagesWaiting, p.SamplesDropped)
	if p.ClockNotSet {
		p.line("clock", "NOT SET: samples wait for the time (sudo timedatectl set-ntp true)")
	}
	if p.SpoolBytes > 0 {
		p.line("on disk", "%d KiB of samples that wait for a connection", (p.SpoolBytes+1023)>>10)
	}
	if p.SpoolError != "" {
		p.line("on disk", "NOTHING CAN BE KEPT: %s", p.SpoolError)
	}
}

func (p page) settings() {
	whose := "its own settings"
	if p.Settings.Remote {
		whose = fmt.Sprintf("configuration %d of the coordinator", p.Settings.ConfigVersion)
	}
	p.line("settings", "a sample every %s, published every %s (%s)", p.Settings.SampleInterval, p.Settings.PublishInterval, whose)
	if u := p.Update; u != nil {
		p.line("update", "%s is announced for ring %s%s; this is %s. It is yours to install: sudo apt-get install --only-upgrade lucid-agent",
			u.Version, u.Ring, within(u.Window), p.Version)
	}
	if p.HomeAssistant != "" && p.Running(p.now) {
		p.line("at home", "Home Assistant: %s", p.HomeAssistant)
	}
}

func (p page) proof() {
	v := p.Verdict
	if v == nil {
		p.line("last proof", "none yet")
		return
	}
	verdict := v.Verdict
	if v.Reason != "" {
		verdict += " (" + v.Reason + ")"
	}
	p.line("last proof", "%s at %s", verdict, time.UnixMilli(v.AtMs).Local().Format(time.DateTime))
	p.line("score", "%.2f of 100, confidence %.0f %%, %d failures from suspension",
		float64(v.ScoreNano)/1e7, float64(v.ConfidenceNano)/1e7, v.FailuresLeft)
	if f := v.Factors; f != nil {
		p.line("", "= reputation %.2f %% x timeliness %.2f %% x availability %.2f %% x quality %.2f %%",
			float64(f.ReputationNano)/1e7, float64(f.TimelinessNano)/1e7, float64(f.AvailabilityNano)/1e7, float64(f.QualityNano)/1e7)
	}
}

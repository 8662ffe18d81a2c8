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

// describe prints a report for people.
func describe(w io.Writer, r *agent.Report, now time.Time) {
	ago := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() + " ago" }
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("node", "%s (agent %s, pid %d)", r.NodeID, r.Version, r.PID)
	switch {
	case r.Stopped:
		line("agent", "stopped %s", ago(r.UpdatedAt))
	case !r.Running(now):
		line("agent", "NOT RUNNING or stuck: last sign of life %s", ago(r.UpdatedAt))
	case r.Connected:
		line("connection", "connected to %s since %s", r.Server, r.Since.Local().Format(time.DateTime))
	default:
		line("connection", "NOT CONNECTED to %s since %s", r.Server, r.Since.Local().Format(time.DateTime))
		if r.LastError != "" {
			line("", "%s", r.LastError)
		}
		if r.RetryAt != nil && r.RetryAt.After(now) {
			line("", "next attempt in %s", r.RetryAt.Sub(now).Round(time.Second))
		} else {
			line("", "connecting now")
		}
	}
	if r.State == agent.StateStopped {
		line("work", "stopped by the coordinator: no samples, no proofs until it says start")
	}
	if r.LastAckAt != nil {
		line("last ack", "%s, sample %d", ago(*r.LastAckAt), r.LastAckSeq)
	} else {
		line("last ack", "none yet")
	}
	line("samples", "%d taken, %d waiting in %d messages, %d dropped", r.SamplesTaken, r.SamplesWaiting, r.MessagesWaiting, r.SamplesDropped)
	if r.ClockNotSet {
		line("clock", "NOT SET: samples wait for the time (sudo timedatectl set-ntp true)")
	}
	if r.SpoolBytes > 0 {
		line("on disk", "%d KiB of samples that wait for a connection", (r.SpoolBytes+1023)>>10)
	}
	if r.SpoolError != "" {
		line("on disk", "NOTHING CAN BE KEPT: %s", r.SpoolError)
	}
	whose := "its own settings"
	if r.Settings.Remote {
		whose = fmt.Sprintf("configuration %d of the coordinator", r.Settings.ConfigVersion)
	}
	line("settings", "a sample every %s, published every %s (%s)", r.Settings.SampleInterval, r.Settings.PublishInterval, whose)
	if u := r.Update; u != nil {
		line("update", "%s is announced for ring %s%s; this is %s. It is yours to install: sudo apt-get install --only-upgrade lucid-agent",
			u.Version, u.Ring, within(u.Window), r.Version)
	}
	if r.HomeAssistant != "" {
		line("at home", "Home Assistant: %s", r.HomeAssistant)
	}
	if v := r.Verdict; v != nil {
		verdict := v.Verdict
		if v.Reason != "" {
			verdict += " (" + v.Reason + ")"
		}
		line("last proof", "%s at %s", verdict, time.UnixMilli(v.AtMs).Local().Format(time.DateTime))
		line("score", "%.2f of 100, confidence %.0f %%, %d failures from suspension",
			float64(v.ScoreNano)/1e7, float64(v.ConfidenceNano)/1e7, v.FailuresLeft)
		if f := v.Factors; f != nil {
			line("", "= reputation %.2f %% x timeliness %.2f %% x availability %.2f %% x quality %.2f %%",
				float64(f.ReputationNano)/1e7, float64(f.TimelinessNano)/1e7, float64(f.AvailabilityNano)/1e7, float64(f.QualityNano)/1e7)
		}
	} else {
		line("last proof", "none yet")
	}
	for _, what := range slices.Sorted(maps.Keys(r.Absent)) {
		line("no figure", "%s: %s", what, r.Absent[what])
	}
}

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"

	"lucid.internal/agent"
)

// examine is the command `doctor`. Exit code 1: a problem was found.
func examine(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	config := agent.Default()
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	file := flags.String("config", "", "configuration `file` (TOML) of run, or a folder of them; flags win over it")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	flags.Var(new(list), "server", "`host:port` to try instead of the enrolment's addresses; may be repeated, or a list with commas")
	flags.String("state-dir", config.StateDir, "state `folder`, with keys and identity")
	flags.String("status-file", config.StatusFile, "status `file` of the running agent")
	about := "look this machine over and say what to do; exit code 0: no problem, 1: at least one"
	if code, done := parse(flags, args, about, stdout, stderr); done {
		return code
	}
	if err := configure(&config, *file, flags, "json"); err != nil {
		fmt.Fprintf(stderr, "lucid-agent doctor: wrong configuration:\n%s\n", indent(err))
		return exitUsage
	}
	findings, err := agent.Examine(ctx, config)
	if err != nil {
		return failed("doctor", err, stderr)
	}
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(findings) // stdout is gone: nobody reads it
	} else {
		prescribe(stdout, findings)
	}
	for _, f := range findings {
		if f.Level == agent.FindingProblem {
			return exitFailed
		}
	}
	return exitOK
}

// prescribe prints findings for people.
func prescribe(w io.Writer, findings []agent.Finding) {
	width := 0
	for _, f := range findings {
		width = max(width, len(f.Check))
	}
	for _, f := range findings {
		fmt.Fprintf(w, "%-8s %-*s  %s\n", strings.ToUpper(string(f.Level)), width, f.Check, f.Found)
		if f.Remedy != "" {
			fmt.Fprintf(w, "%-8s %-*s  -> %s\n", "", width, "", f.Remedy)
		}
	}
}

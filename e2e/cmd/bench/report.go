package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// report is everything one run measured.
type report struct {
	Machine string    `json:"machine"`
	At      time.Time `json:"at"`
	Figures []figure  `json:"figures"`
}

// figure is one row of the table.
type figure struct {
	Name      string `json:"figure"`
	Measured  string `json:"measured"`
	Reference string `json:"reference"`
	Target    string `json:"target"`
	Met       *bool  `json:"met"` // null where the target cannot be judged here
	Command   string `json:"command"`
}

// judged says whether the target was met.
func judged(met bool) *bool { return &met }

func (r *report) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s\n\n", r.At.Format("2006-01-02 15:04 UTC"), r.Machine)
	b.WriteString("| figure | measured | reference in the same run | target | met | command |\n|---|---|---|---|---|---|\n")
	for _, f := range r.Figures {
		met := "-"
		if f.Met != nil {
			met = map[bool]string{true: "yes", false: "no"}[*f.Met]
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | `%s` |\n", f.Name, f.Measured, f.Reference, f.Target, met, f.Command)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// thousands writes 81234 as 81,234.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

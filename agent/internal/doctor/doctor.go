// Package doctor owns looking a node over when something is wrong: each check
// says what it found, how grave it is and what to do about it.
//
// It must never change the machine, start a program, or wait without a limit.
package doctor

import (
	"context"
	"sync"
	"time"
)

// Level is how grave a finding is.
type Level string

// Levels. A problem keeps the node from working or will soon; a warning costs
// it figures or life; unknown could not be looked at.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Problem Level = "problem"
	Unknown Level = "unknown"
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"` // "" when nothing is to be done
}

// Config says what to look at. Root, Servers and CAPEM may be empty.
type Config struct {
	Root    string   // where proc, sys, dev and boot are found; default "/"
	Servers []string // MQTT over TLS, host:port
	CAPEM   string   // the coordinator's own CA; "": not enrolled
	Folder  string   // the state folder
	Now     func() time.Time

	// Clock tells whether the kernel knows its clock to be synchronised.
	Clock func() (synchronised bool, err error)
	// Network is how servers are reached; the zero value is the machine's own.
	Network Network
	Timeout time.Duration // of each check; default 10 s
}

// check is one look at the machine.
type check struct {
	name string
	run  func(ctx context.Context) Finding
}

// Examine runs every check at the same time and gives their findings in a
// fixed order. A check that does not come back in time is unknown.
func Examine(ctx context.Context, config Config) []Finding {
	if config.Root == "" {
		config.Root = "/"
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Clock == nil {
		config.Clock = ClockSynchronised
	}
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	m := machine{config}
	checks := []check{
		{"clock", m.clock}, {"state folder", m.folder}, {"certificate", m.certificate},
		{"power", m.power}, {"disk errors", m.diskErrors}, {"disk life", m.diskLife}, {"disk space", m.diskSpace},
		{"firmware", m.firmware}, {"memory control", m.memoryControl},
	}
	for _, server := range config.Servers {
		checks = append(checks, check{"coordinator " + server, func(ctx context.Context) Finding { return m.server(ctx, server) }})
	}
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	findings := make([]Finding, len(checks))
	var group sync.WaitGroup
	for i, c := range checks {
		group.Go(func() { findings[i] = c.within(ctx) })
	}
	group.Wait()
	return findings
}

// within runs a check until ctx ends: a dead disk answers never.
func (c check) within(ctx context.Context) Finding {
	result := make(chan Finding, 1)
	go func() { result <- c.run(ctx) }()
	var f Finding
	select {
	case f = <-result:
	case <-ctx.Done():
		// A check that watches ctx itself knows better what it waited for.
		select {
		case f = <-result:
		case <-time.After(time.Second):
			f = Finding{Level: Unknown, Found: "no answer in time"}
		}
	}
	f.Check = c.name
	return f
}

func ok(found string) Finding { return Finding{Level: OK, Found: found} }
func warning(found, remedy string) Finding {
	return Finding{Level: Warning, Found: found, Remedy: remedy}
}
func problem(found, remedy string) Finding {
	return Finding{Level: Problem, Found: found, Remedy: remedy}
}
func unknown(found string) Finding { return Finding{Level: Unknown, Found: found} }

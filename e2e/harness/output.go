package harness

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// output keeps what a process wrote, line by line.
type output struct {
	mu    sync.Mutex
	lines []string
	rest  []byte
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, found := bytes.Cut(o.rest, []byte{'\n'})
		if !found {
			return len(p), nil
		}
		o.lines = append(o.lines, string(line))
		o.rest = rest
	}
}

// text is everything written so far.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(append(o.lines[:len(o.lines):len(o.lines)], string(o.rest)), "\n")
}

// await waits for a line that matches and returns it.
func (o *output) await(ctx context.Context, pattern *regexp.Regexp) (string, error) {
	var match string
	return match, Until(ctx, fmt.Sprintf("a line like %q", pattern), func(context.Context) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, line := range o.lines {
			if pattern.MatchString(line) {
				match = line
				return nil
			}
		}
		return fmt.Errorf("%d other lines", len(o.lines))
	})
}

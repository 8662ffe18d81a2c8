// Package mistype owns what the programs say of a command line that cannot be
// understood, where the parser's own words mislead.
//
// It must never decide what a program takes: that is the parser's.
package mistype

import (
	"fmt"
	"regexp"
)

// swallowed is what the parser says of a flag that finds another in the place of
// its value. It proposes to take that for the value, which nobody meant.
var swallowed = regexp.MustCompile(`^(-[^:]+): expected .* value but got "(-[^"]*)" \((?:long|short) flag\)`)

// unread is what it says of a time or a duration in another form, in the words
// of the library that reads them.
var unread = regexp.MustCompile(`^(.+): (?:parsing (time)|expected (duration) but got) ("[^"]*")`)

// forms are how the two are written.
var forms = map[string]string{"time": "2026-05-04T10:00:00Z", "duration": "90s, 10m or 1h30m"}

// negative is a number below zero, which begins as a flag does.
var negative = regexp.MustCompile(`^-[0-9.]+$`)

// Explain is the parser's error in words of ours, or else in its own.
func Explain(err error) string {
	if said := unread.FindStringSubmatch(err.Error()); said != nil {
		what := said[2] + said[3]
		return fmt.Sprintf("%s: %s is no %s; write it like %s", said[1], said[4], what, forms[what])
	}
	said := swallowed.FindStringSubmatch(err.Error())
	switch {
	case said == nil:
		return err.Error()
	case negative.MatchString(said[2]):
		return fmt.Sprintf("%s needs a value, and %q reads as a flag; a number below zero is written %s=%s", said[1], said[2], said[1], said[2])
	}
	return fmt.Sprintf("%s needs a value, and %q is a flag of its own", said[1], said[2])
}

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

// negative is a number below zero, which begins as a flag does.
var negative = regexp.MustCompile(`^-[0-9.]+$`)

// Explain is the parser's error in words of ours, or else in its own.
func Explain(err error) string {
	said := swallowed.FindStringSubmatch(err.Error())
	switch {
	case said == nil:
		return err.Error()
	case negative.MatchString(said[2]):
		return fmt.Sprintf("%s needs a value, and %q reads as a flag; a number below zero is written %s=%s", said[1], said[2], said[1], said[2])
	}
	return fmt.Sprintf("%s needs a value, and %q is a flag of its own", said[1], said[2])
}

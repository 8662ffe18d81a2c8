package wire

import (
	"errors"
	"strings"
	"unicode"
)

// PoolSummaryTopic is where the state of a pool stands, retained.
func PoolSummaryTopic(poolID string) string { return "lucid/v1/pools/" + poolID + "/summary" }

// LedgerHeadTopic is where the end of the ledger's chain stands, retained.
const LedgerHeadTopic = "lucid/v1/ledger/head"

// MaxFilterBytes is above any topic filter that makes sense here.
const MaxFilterBytes = 256

// CheckFilter tells what is wrong with a topic filter, by MQTT 3.1.1, chapter
// 4.7; nil when nothing is.
func CheckFilter(filter string) error {
	switch {
	case filter == "":
		return errors.New("is empty")
	case len(filter) > MaxFilterBytes:
		return errors.New("is too long")
	case strings.ContainsFunc(filter, unicode.IsControl) || strings.ContainsRune(filter, unicode.ReplacementChar):
		return errors.New("holds characters that no topic has")
	}
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case level == "#" && more:
			return errors.New("# must be the last level")
		case level != "#" && level != "+" && strings.ContainsAny(level, "#+"):
			return errors.New("# and + must be levels of their own")
		}
	}
	return nil
}

// Covers reports whether every topic that matches filter also matches granted.
// Both are valid filters, or topics. It allocates nothing.
func Covers(granted, filter string) bool {
	if strings.HasPrefix(filter, "$") && !strings.HasPrefix(granted, "$") {
		return false // wildcards never match these topics at their first level
	}
	for {
		have, haveRest, haveMore := strings.Cut(granted, "/")
		want, wantRest, wantMore := strings.Cut(filter, "/")
		switch {
		case have == "#":
			return true
		case want == "#", have != "+" && have != want:
			return false
		case !wantMore:
			return !haveMore || haveRest == "#" // a/# is also a
		case !haveMore:
			return false
		}
		granted, filter = haveRest, wantRest
	}
}

package mistype_test

import (
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"lucid.internal/coordinator/cmd/internal/mistype"
)

// TestFlagInPlaceOfAValue goes through the parser itself, whose words may change.
func TestFlagInPlaceOfAValue(t *testing.T) {
	for want, args := range map[string][]string{
		`--node needs a value, and "--all" is a flag of its own`:                                           {"--node", "--all"},
		`--node needs a value, and "-a" is a flag of its own`:                                              {"--node", "-a"},
		`--reward needs a value, and "-1" reads as a flag; a number below zero is written --reward=-1`:     {"--reward", "-1"},
		`--reward needs a value, and "-0.5" reads as a flag; a number below zero is written --reward=-0.5`: {"--reward", "-0.5"},
		`unknown flag --rewards, did you mean "--reward"?`:                                                 {"--rewards", "1"},
	} {
		var c struct {
			Node   []string
			All    bool `short:"a"`
			Reward float64
		}
		_, err := kong.Must(&c).Parse(args)
		if err == nil {
			t.Errorf("%v is understood", args)
		} else if said := mistype.Explain(err); said != want {
			t.Errorf("%v: %s, want %s", args, said, want)
		}
	}
}

func TestTimeInAnotherForm(t *testing.T) {
	for want, args := range map[string][]string{
		`--start: "yesterday" is no time; write it like 2026-05-04T10:00:00Z`:  {"--start", "yesterday"},
		`--start: "2026-05-04" is no time; write it like 2026-05-04T10:00:00Z`: {"--start=2026-05-04"},
		`--life: "5" is no duration; write it like 90s, 10m or 1h30m`:          {"--life", "5"},
		`--life: "soon" is no duration; write it like 90s, 10m or 1h30m`:       {"--life", "soon"},
	} {
		var c struct {
			Start time.Time
			Life  *time.Duration
		}
		_, err := kong.Must(&c).Parse(args)
		if err == nil {
			t.Errorf("%v is understood", args)
		} else if said := mistype.Explain(err); said != want {
			t.Errorf("%v: %s, want %s", args, said, want)
		}
	}
}

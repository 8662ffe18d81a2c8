package ledger_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/ledger"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]ledger.Amount{
		"0":                     0,
		"-0":                    0,
		"1":                     1_000_000,
		"10.5":                  10_500_000,
		"0.000001":              1,
		"-0.000001":             -1,
		"12.340000":             12_340_000,
		"9223372036854.775807":  math.MaxInt64,
		"-9223372036854.775808": math.MinInt64,
	} {
		got, err := ledger.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"":                       "plain digits",
		"-":                      "plain digits",
		"+1":                     "plain digits",
		"--1":                    "plain digits",
		"1e3":                    "plain digits",
		"1E-3":                   "plain digits",
		"NaN":                    "plain digits",
		"Infinity":               "plain digits",
		"null":                   "plain digits",
		"0x10":                   "plain digits",
		"1_000":                  "plain digits",
		"1,5":                    "plain digits",
		" 1":                     "plain digits",
		"1 ":                     "plain digits",
		".5":                     "plain digits",
		"5.":                     "plain digits",
		"1.2.3":                  "plain digits",
		"1.-2":                   "plain digits",
		"١":                      "plain digits",
		"007":                    "leading zeros",
		"00":                     "leading zeros",
		"1.0000000":              "six decimals",
		"0.0000001":              "six decimals",
		"9223372036854.775808":   "out of range",
		"-9223372036854.775809":  "out of range",
		"99999999999999999999":   "out of range",
		strings.Repeat("9", 400): "out of range",
	} {
		got, err := ledger.Parse(text)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("Parse(%q) = %d, %v; want an error with %q", text, got, err, reason)
		} else if len(err.Error()) > 200 {
			t.Errorf("Parse(%q): the error repeats all of its input", text)
		}
	}
}

// The value is checked against exact rationals, which share no code with Amount.
func TestTextIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := ledger.Amount(rapid.Int64().Draw(t, "micro"))
		text := a.String()
		value, ok := new(big.Rat).SetString(text)
		if !ok || value.Cmp(big.NewRat(int64(a), ledger.Micro)) != 0 {
			t.Fatalf("%d is written %s", int64(a), text)
		}
		if back, err := ledger.Parse(text); err != nil || back != a {
			t.Fatalf("%s reads back as %d, %v", text, int64(back), err)
		}
	})
}

func TestJSON(t *testing.T) {
	type body struct {
		Amount ledger.Amount `json:"amount"`
	}
	text, err := json.Marshal(body{10_100_000})
	if err != nil || string(text) != `{"amount":10.1}` {
		t.Fatalf("marshals to %s, %v", text, err)
	}
	for _, text := range []string{`{"amount":10.1}`, `{"amount":"10.100000"}`} {
		var b body
		if err := json.Unmarshal([]byte(text), &b); err != nil || b.Amount != 10_100_000 {
			t.Errorf("%s reads as %d, %v", text, b.Amount, err)
		}
	}
	for _, text := range []string{
		`{"amount":1e1}`, `{"amount":0.1234567}`, `{"amount":null}`, `{"amount":""}`, `{"amount":true}`,
		`{"amount":[1]}`, `{"amount":"\u0031"}`, `{"amount":1e400}`,
	} {
		var b body
		if err := json.Unmarshal([]byte(text), &b); err == nil {
			t.Errorf("%s reads as %s; want an error", text, b.Amount)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "-0.5", "10.000001", "1e9", "9223372036854.775808", "٣", "1.", "+2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ledger.Parse(text)
		if err != nil {
			return
		}
		value, ok := new(big.Rat).SetString(text)
		if !ok || value.Cmp(big.NewRat(int64(a), ledger.Micro)) != 0 {
			t.Fatalf("%q was read as %s", text, a)
		}
		if again, err := ledger.Parse(a.String()); err != nil || again != a {
			t.Fatalf("%q: %s reads back as %s, %v", text, a, again, err)
		}
	})
}

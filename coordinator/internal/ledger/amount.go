package ledger

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Amount is money in micro-USDT. As text and in JSON it is USDT with at most
// six decimals, exact in both directions.
type Amount int64

// Micro is how many units of Amount make one USDT.
const (
	Micro    = 1_000_000
	decimals = 6
)

// USDT gives the amount of a whole number of USDT. It is meant for constants:
// n must stay below 9,223,372,036,854.
func USDT(n int64) Amount { return Amount(n * Micro) }

// Parse reads decimal text such as "10", "-0.5" or "10.000001". Anything that
// would have to be rounded or guessed is an error: more than six decimals,
// exponents, a plus sign, missing or leading zero digits, surrounding space,
// and what int64 micro-USDT cannot hold.
func Parse(text string) (Amount, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, hasPoint := strings.Cut(digits, ".")
	switch {
	case !allDigits(whole) || hasPoint && !allDigits(fraction):
		return 0, amountError(text, "write plain digits such as 12.5, without exponent, plus sign or spaces")
	case len(whole) > 1 && whole[0] == '0':
		return 0, amountError(text, "has leading zeros")
	case len(fraction) > decimals:
		return 0, amountError(text, "has more than six decimals")
	}
	units, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	limit := uint64(math.MaxInt64)
	if negative {
		limit++ // int64 holds one more below zero
	}
	if err != nil || units > limit {
		return 0, amountError(text, "is out of range")
	}
	if negative {
		return Amount(-units), nil // two's complement, right for the least value too
	}
	return Amount(units), nil
}

func amountError(text, reason string) error {
	const most = 40 // an attacker's text is not repeated in full
	if len(text) > most {
		text = text[:most] + "..."
	}
	return fmt.Errorf("amount %q: %s", text, reason)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// String writes the amount in USDT without superfluous zeros.
func (a Amount) String() string {
	units, sign := uint64(a), ""
	if a < 0 {
		units, sign = -units, "-"
	}
	text := sign + strconv.FormatUint(units/Micro, 10)
	if rest := units % Micro; rest != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%06d", rest), "0")
	}
	return text
}

// MarshalJSON writes a JSON number.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalJSON reads a JSON number or a string holding one. null is refused:
// an amount that may be absent is a *Amount.
func (a *Amount) UnmarshalJSON(text []byte) error {
	s := string(text)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return a.UnmarshalText([]byte(s))
}

// UnmarshalText reads what Parse reads; settings and flags come this way.
func (a *Amount) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

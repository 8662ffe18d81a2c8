package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"lucid.internal/coordinator/cmd/internal/bytesize"
)

// amount is money, exactly as the API wrote it.
type amount json.Number

// points is a score of 0 to 100.
type points json.Number

// size is a number of bytes.
type size float64

// sizeOf is nil where nothing is known.
func sizeOf[T int64 | float64](bytes *T) *size {
	if bytes == nil {
		return nil
	}
	s := size(*bytes)
	return &s
}

// clock is a time of which the hour matters more than how long ago it was.
type clock time.Time

// clipped is a text of any length: a table shows its begin, all else the whole.
type clipped string

// clipAt fits three such columns beside a number and a time into 120. Ids of
// nodes and users are shorter.
const clipAt = 28

// bare takes pointers off; nil is what was null, or never happened.
func bare(v any) any {
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return nil
		}
		r = r.Elem()
	}
	if !r.IsValid() {
		return nil
	}
	switch v := r.Interface().(type) {
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return v
	case json.Number:
		if v == "" {
			return nil
		}
		return v
	case amount:
		if v == "" {
			return nil
		}
		return v
	case points:
		if v == "" {
			return nil
		}
		return v
	default:
		return v
	}
}

// text is a value in a table: money whole, scores and measured figures short.
// exact clips no text.
func (p *printer) text(v any, exact bool) string {
	switch v := bare(v).(type) {
	case nil:
		return "-"
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case time.Time:
		if p.outIsTerminal {
			return relative(v, p.now())
		}
		return plain(v)
	case clock:
		if p.outIsTerminal {
			return time.Time(v).Local().Format(time.TimeOnly)
		}
		return plain(v)
	case points:
		return twoDecimals(string(v))
	case float64:
		return shortFigure(v)
	case size:
		return bytesize.Text(float64(v))
	case clipped:
		text := []rune(printable(string(v)))
		if !exact && len(text) > clipAt {
			text = append(text[:clipAt-1], '…')
		}
		return cmp.Or(string(text), "-")
	default:
		if s := printable(plain(v)); s != "" {
			return s
		}
		return "-"
	}
}

// plain is a value for programs: whole, the same everywhere.
func plain(v any) string {
	switch v := bare(v).(type) {
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case clock:
		return time.Time(v).UTC().Format(time.RFC3339)
	case amount:
		return sixDecimals(string(v))
	case points:
		return string(v)
	case []string:
		return strings.Join(v, ",")
	case json.RawMessage:
		return string(v)
	case float64: // no program wants powers of ten
		return strconv.FormatFloat(v, 'f', -1, 64)
	case size:
		return strconv.FormatFloat(float64(v), 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// sixDecimals writes an amount with all its places.
func sixDecimals(number string) string {
	whole, part, _ := strings.Cut(number, ".")
	return whole + "." + (part + "000000")[:max(6, len(part))]
}

// twoDecimals cuts a score off, never rounds up: 99.999 is not yet 100.
func twoDecimals(number string) string {
	if strings.ContainsAny(number, "eE") {
		return number // not one of the API's own
	}
	whole, part, _ := strings.Cut(number, ".")
	short := whole + "." + (part + "00")[:2]
	if strings.Trim(short, "-0.") == "" && strings.Trim(number, "-0.") != "" {
		return "<0.01"
	}
	return short
}

// shortFigure keeps three decimals, of a figure below one those that are not
// leading zeros. What was measured is no more exact; JSON and CSV have it whole.
func shortFigure(f float64) string {
	places := 3
	for least := 0.1; places < 12 && f != 0 && math.Abs(f) < least; least /= 10 {
		places++
	}
	text := strconv.FormatFloat(f, 'f', places, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// printable keeps what came from elsewhere from driving the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, s)
}

// relative tells a time by how far it is from now, in its largest unit.
func relative(at, now time.Time) string {
	d := now.Sub(at)
	format := "%s ago"
	if d < 0 {
		d, format = -d, "in %s"
	}
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf(format, fmt.Sprintf("%d s", d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf(format, fmt.Sprintf("%d min", d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf(format, fmt.Sprintf("%d h", d/time.Hour))
	}
	return fmt.Sprintf(format, fmt.Sprintf("%d d", d/(24*time.Hour)))
}

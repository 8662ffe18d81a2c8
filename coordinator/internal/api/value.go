package api

import (
	"encoding/json"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/ledger"
)

// points is a score as the API shows it: 0 to 100 with seven decimals, written
// exactly from the integer (1e9 is 100 points).
type points int64

// MarshalJSON writes the exact decimal.
func (p points) MarshalJSON() ([]byte, error) { return appendDecimal(nil, int64(p), 7), nil }

// Schema is a number between 0 and 100.
func (points) Schema(huma.Registry) *huma.Schema { return decimalSchema(0, 100) }

// signedPoints is a difference of two scores.
type signedPoints int64

// MarshalJSON writes the exact decimal.
func (p signedPoints) MarshalJSON() ([]byte, error) { return appendDecimal(nil, int64(p), 7), nil }

// Schema is a number between -100 and 100.
func (signedPoints) Schema(huma.Registry) *huma.Schema { return decimalSchema(-100, 100) }

// ratio is a factor or a confidence: 0 to 1 with nine decimals (1e9 is 1).
type ratio int64

// MarshalJSON writes the exact decimal.
func (r ratio) MarshalJSON() ([]byte, error) { return appendDecimal(nil, int64(r), 9), nil }

// Schema is a number between 0 and 1.
func (ratio) Schema(huma.Registry) *huma.Schema { return decimalSchema(0, 1) }

// seconds is a time in milliseconds, written in seconds with three decimals.
type seconds int64

// MarshalJSON writes the exact decimal.
func (s seconds) MarshalJSON() ([]byte, error) { return appendDecimal(nil, int64(s), 3), nil }

// Schema is a number of seconds.
func (seconds) Schema(huma.Registry) *huma.Schema {
	minimum := 0.0
	return &huma.Schema{Type: huma.TypeNumber, Minimum: &minimum, Extensions: exactNumber()}
}

// usdt is an amount of money: USDT with six decimals, exact.
type usdt ledger.Amount

// MarshalJSON writes the exact decimal.
func (u usdt) MarshalJSON() ([]byte, error) { return ledger.Amount(u).MarshalJSON() }

// Schema is a number with six decimals. It is for answers: huma checks an
// input's multipleOf in floats and refuses 10, so an amount that comes in must
// be declared without it and read by ledger.Parse.
func (usdt) Schema(huma.Registry) *huma.Schema {
	multipleOf := 0.000001
	return &huma.Schema{Type: huma.TypeNumber, MultipleOf: &multipleOf, Extensions: exactNumber()}
}

// exactNumber keeps code generators from making a float32 of a number.
func exactNumber() map[string]any { return map[string]any{"x-go-type": "json.Number"} }

func decimalSchema(minimum, maximum float64) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeNumber, Minimum: &minimum, Maximum: &maximum, Extensions: exactNumber(),
	}
}

// appendDecimal writes v / 10^decimals without its trailing zeros.
func appendDecimal(b []byte, v int64, decimals int) []byte {
	if v < 0 {
		b, v = append(b, '-'), -v
	}
	digits := strconv.AppendInt(nil, v, 10)
	for len(digits) <= decimals {
		digits = append([]byte{'0'}, digits...)
	}
	whole, part := digits[:len(digits)-decimals], digits[len(digits)-decimals:]
	for len(part) > 0 && part[len(part)-1] == '0' {
		part = part[:len(part)-1]
	}
	b = append(b, whole...)
	if len(part) > 0 {
		b = append(append(b, '.'), part...)
	}
	return b
}

// orNull is an object that may be null, and says so in the document, where a
// pointer would not.
type orNull[T any] struct{ value *T }

// MarshalJSON writes the object or null.
func (n orNull[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.value) }

// Schema is a reference to T's or null.
func (orNull[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// jsonObject is an object whose fields are another package's; none is null.
type jsonObject struct{ json.RawMessage }

// Schema is any object, or null.
func (jsonObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Nullable: true}
}

// orNil makes null of a zero value: what is unknown is never shown as 0.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// instant is a time in a body. One that cannot be read is zero, not an error:
// the schema has refused it by then, and an error would end the reading before
// the fields that follow.
type instant struct{ time.Time }

// UnmarshalJSON reads RFC 3339.
func (i *instant) UnmarshalJSON(text []byte) error {
	if i.Time.UnmarshalJSON(text) != nil {
		i.Time = time.Time{}
	}
	return nil
}

// Schema is that of a time.
func (instant) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[time.Time]())
}

// pointer is nil when no time was given.
func (i *instant) pointer() *time.Time {
	if i == nil {
		return nil
	}
	return &i.Time
}

// optional is a query parameter that knows whether it was given.
type optional[T any] struct {
	value T
	given bool
}

// Schema, Receiver and OnParamSet are huma's way to read a parameter into it.
func (optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver is where the parsed value goes.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(&o.value).Elem() }

// OnParamSet notes that the parameter was given.
func (o *optional[T]) OnParamSet(given bool, _ any) { o.given = given }

// pointer is nil when the parameter was not given.
func (o optional[T]) pointer() *T {
	if !o.given {
		return nil
	}
	return &o.value
}

package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// reader reads JSON straight into the structs of a message, without
// reflection: encoding/json took a third of the coordinator's time under load.
// It takes what encoding/json takes, with three differences, each the stricter
// choice: names match exactly, a field that comes twice is refused, and so is
// nesting beyond maxDepth. What the message is not asked for is skipped, but
// must be JSON.
//
// The first fault stays in err; from then on every method does nothing.
type reader struct {
	b      []byte
	at     int // what is before it has been read
	number int // where the number begins that was read last
	depth  int
	err    error
	parts  *measured // of the sample that is being read
}

// maxDepth is far above what any message has.
const maxDepth = 64

// field is how one member of an object is read. A list of them holds at most 64.
type field[T any] struct {
	name string
	read func(r *reader, into *T)
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %d: "+format, append([]any{r.at}, args...)...)
	}
}

// readMessage reads a whole payload into an object.
func readMessage[T any](r *reader, into *T, fields []field[T]) error {
	if !r.null() {
		readObject(r, into, fields)
	}
	if r.peek(); r.err == nil && r.at < len(r.b) {
		r.fail("more after the end")
	}
	return r.err
}

// readObject reads one object. Null leaves a field as it is.
func readObject[T any](r *reader, into *T, fields []field[T]) {
	var seen uint64
	expected := 0 // senders keep to the order of the list
	for more := r.open('{', '}'); more; more = r.more('}') {
		name := r.name()
		i := find(fields, name, expected)
		if i < 0 {
			r.skip()
			continue
		}
		if seen&(1<<i) != 0 {
			r.fail("%s comes twice", fields[i].name)
		}
		seen |= 1 << i
		expected = i + 1
		if r.err == nil && !r.null() { // where a value lies is counted out: none is read a second time
			fields[i].read(r, into)
		}
		if r.err != nil {
			r.err = fmt.Errorf("%s: %w", fields[i].name, r.err)
		}
	}
}

func find[T any](fields []field[T], name []byte, expected int) int {
	if expected < len(fields) && fields[expected].name == string(name) {
		return expected
	}
	for i := range fields {
		if fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// readList reads an array into a slice that is never nil; room is how many
// items are likely, most how many there may be: an item of two bytes takes up
// to a thousand in memory, so that it is not enough to count at the end.
func readList[T any](r *reader, room, most int, item func(r *reader, into *T)) []T {
	list := make([]T, 0, room)
	for more := r.open('[', ']'); more; more = r.more(']') {
		if len(list) == most {
			r.fail("more than %d items", most)
		}
		var zero T
		list = append(list, zero)
		if r.err == nil && !r.null() {
			item(r, &list[len(list)-1])
		}
	}
	return list
}

// peek passes over white space and gives the next byte, 0 at the end.
func (r *reader) peek() byte {
	for ; r.at < len(r.b); r.at++ {
		switch c := r.b[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// open reads the beginning of an object or array, and says whether it has
// something in it.
func (r *reader) open(begin, end byte) bool {
	if r.err != nil {
		return false
	}
	if r.peek() != begin {
		r.fail("want %q", begin)
		return false
	}
	r.at++
	if r.depth++; r.depth > maxDepth {
		r.fail("nested deeper than %d", maxDepth)
		return false
	}
	return !r.closed(end)
}

func (r *reader) closed(end byte) bool {
	if r.peek() != end {
		return false
	}
	r.at++
	r.depth--
	return true
}

// more reads what follows an item, and says whether another one comes.
func (r *reader) more(end byte) bool {
	if r.err != nil || r.closed(end) {
		return false
	}
	if r.peek() != ',' {
		r.fail("want a comma or %q", end)
		return false
	}
	r.at++
	return true
}

func (r *reader) name() []byte {
	name := r.text()
	if r.err == nil && r.peek() != ':' {
		r.fail("want a colon")
	}
	r.at++
	return name
}

// null reads a null, if one comes.
func (r *reader) null() bool { return r.err == nil && r.peek() == 'n' && r.literal("null") }

func (r *reader) literal(word string) bool {
	if !bytes.HasPrefix(r.b[r.at:], []byte(word)) {
		r.fail("want %s", word)
		return false
	}
	r.at += len(word)
	return true
}

func (r *reader) truth() bool {
	if r.err != nil {
		return false
	}
	switch r.peek() {
	case 't':
		return r.literal("true")
	case 'f':
		r.literal("false")
	default:
		r.fail("want true or false")
	}
	return false
}

// text reads a string. The bytes are those of the payload where nothing in
// them is escaped, else a copy.
func (r *reader) text() []byte {
	if r.err != nil {
		return nil
	}
	if r.peek() != '"' {
		r.fail("want a string")
		return nil
	}
	plain := true
	for i := r.at + 1; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '"' && plain:
			s := r.b[r.at+1 : i]
			r.at = i + 1
			return s
		case c == '"':
			return r.unquote(i + 1)
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			r.fail("control character %#x in a string", c)
			return nil
		case c >= 0x80:
			plain = false
		}
	}
	r.fail("a string does not end")
	return nil
}

// unquote leaves escapes and what is not ASCII to encoding/json; no agent has
// either in more than a few strings.
func (r *reader) unquote(end int) []byte {
	var s string
	if err := json.Unmarshal(r.b[r.at:end], &s); err != nil {
		r.fail("%.100s", err.Error())
		return nil
	}
	r.at = end
	return []byte(s)
}

// skip reads any value.
func (r *reader) skip() {
	if r.err != nil {
		return
	}
	switch r.peek() {
	case '{':
		for more := r.open('{', '}'); more; more = r.more('}') {
			r.name()
			r.skip()
		}
	case '[':
		for more := r.open('[', ']'); more; more = r.more(']') {
			r.skip()
		}
	case '"':
		r.text()
	case 't', 'f':
		r.truth()
	case 'n':
		r.null()
	default:
		r.readNumber()
	}
}

// number is a number as it stands in the message, whose bytes are r.number to
// r.at. It has no more fields than Go keeps in registers.
type number struct {
	mantissa uint64 // all digits before an exponent, if they are at most 19
	digits   int    // math.MaxInt with an exponent
	decimals int    // of them, after the point
	negative bool
}

func (r *reader) readNumber() (n number) {
	if r.err != nil {
		return n
	}
	r.peek()
	r.number = r.at
	if n.negative = r.at < len(r.b) && r.b[r.at] == '-'; n.negative {
		r.at++
	}
	first := r.at
	n.mantissa, n.digits = r.digits(0)
	ok := n.digits == 1 || n.digits > 1 && r.b[first] != '0'
	if r.at < len(r.b) && r.b[r.at] == '.' {
		r.at++
		n.mantissa, n.decimals = r.digits(n.mantissa)
		n.digits += n.decimals
		ok = ok && n.decimals > 0
	}
	if r.at < len(r.b) && r.b[r.at]|0x20 == 'e' {
		ok = r.exponent() && ok
		n.digits = math.MaxInt // the mantissa says nothing any more
	}
	if !ok {
		r.fail("want a number")
	}
	return n
}

// digits reads on in a number of which before has been read.
func (r *reader) digits(before uint64) (mantissa uint64, count int) {
	mantissa = before
	for i, c := range r.b[r.at:] {
		if c < '0' || c > '9' {
			r.at += i
			return mantissa, i
		}
		mantissa = mantissa*10 + uint64(c-'0')
	}
	count = len(r.b) - r.at
	r.at = len(r.b)
	return mantissa, count
}

// exponent passes over one, and reports whether it has digits.
func (r *reader) exponent() bool {
	r.at++
	if r.at < len(r.b) && (r.b[r.at] == '+' || r.b[r.at] == '-') {
		r.at++
	}
	_, count := r.digits(0)
	return count > 0
}

const maxExactDigits = 19 // below 2^64 whatever they are

func (r *reader) unsigned() uint64 {
	n := r.readNumber()
	if r.err != nil || n.decimals == 0 && !n.negative && n.digits <= maxExactDigits {
		return n.mantissa
	}
	v, err := strconv.ParseUint(string(r.b[r.number:r.at]), 10, 64)
	r.refuse(err, "a whole number from 0 to 2^64-1")
	return v
}

func (r *reader) signed() int64 {
	n := r.readNumber()
	if r.err != nil || n.decimals == 0 && !n.negative && n.digits < maxExactDigits {
		return int64(n.mantissa)
	}
	v, err := strconv.ParseInt(string(r.b[r.number:r.at]), 10, 64)
	r.refuse(err, "a whole number of 64 bits")
	return v
}

// float is exact: a whole number below 2^53 divided by a power of ten that is
// exact too (W. D. Clinger, "How to Read Floating Point Numbers Accurately").
// All else is for strconv.
func (r *reader) float() float64 {
	n := r.readNumber()
	if r.err != nil {
		return 0
	}
	if n.digits <= 15 {
		v := float64(n.mantissa) / powersOfTen[n.decimals]
		if n.negative {
			v = -v
		}
		return v
	}
	v, err := strconv.ParseFloat(string(r.b[r.number:r.at]), 64)
	r.refuse(err, "a number that 64 bits hold")
	return v
}

// refuse does not repeat a number of thousands of digits.
func (r *reader) refuse(err error, want string) {
	if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) {
		r.fail("%.30s is not %s", r.b[r.number:r.at], want)
	}
}

var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

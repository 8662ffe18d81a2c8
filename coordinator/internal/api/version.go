package api

import (
	"strconv"
	"strings"
)

// IfMatchInput is what operations take that change a thing with an ETag.
type IfMatchInput struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"ETag of what you have read, or several with commas between them: when it is none of them by now, nothing happens and the answer is 412. Weak ones never match. Without it, or with *, the change is made in any case."`
}

// noVersion is one that nothing has: what is no ETag of ours cannot be the
// present one.
const noVersion int64 = -1

// versions are those that the caller wants to change, by the rules of RFC 9110,
// section 13.1.1; nil for whatever is there.
func (in IfMatchInput) versions() (wanted []int64) {
	rest := strings.Trim(in.IfMatch, " \t")
	if rest == "" || rest == "*" {
		return nil
	}
	for {
		rest = strings.TrimLeft(rest, " \t,") // empty elements say nothing
		if rest == "" && len(wanted) > 0 {
			return wanted
		}
		tag, after, found := cutTag(rest)
		if !found {
			return append(wanted, noVersion)
		}
		wanted, rest = append(wanted, versionOf(tag)), after
	}
}

// cutTag takes the entity tag off the front of a list. A tag may hold commas,
// but no quotation mark.
func cutTag(list string) (tag, rest string, found bool) {
	start := len(list) - len(strings.TrimPrefix(list, "W/"))
	if !strings.HasPrefix(list[start:], `"`) {
		return "", "", false
	}
	length := strings.IndexByte(list[start+1:], '"')
	if length < 0 {
		return "", "", false
	}
	end := start + 1 + length + 1
	tag, rest = list[:end], strings.TrimLeft(list[end:], " \t")
	return tag, rest, rest == "" || rest[0] == ','
}

// versionOf is that of a strong tag of ours.
func versionOf(tag string) int64 {
	n, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	if err != nil || n <= 0 || tag != etag(n) {
		return noVersion
	}
	return n
}

func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// tagged is the output of an operation whose answer has an ETag.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"Names this version of the settings; give it as If-Match to change exactly this one."`
	Body T
}

func answeredTagged[T any](body T, version int64) (*tagged[T], error) {
	return &tagged[T]{etag(version), body}, nil
}

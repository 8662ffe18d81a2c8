package api

import "strconv"

// IfMatchInput is what operations take that change a thing with an ETag.
type IfMatchInput struct {
	IfMatch string `header:"If-Match" maxLength:"100" doc:"ETag of what you have read: when it has changed since, nothing happens and the answer is 412. Without it the change is made in any case."`
}

// anyVersion asks a store for no comparison.
const anyVersion = 0

// version is the one that the caller wants to change. What is no ETag of ours
// cannot be the present one, so it becomes a version that nothing has.
func (in IfMatchInput) version() int64 {
	if in.IfMatch == "" || in.IfMatch == "*" {
		return anyVersion
	}
	text, err := strconv.Unquote(in.IfMatch)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || in.IfMatch != etag(n) {
		return -1
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

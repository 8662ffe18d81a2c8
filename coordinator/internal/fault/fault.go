// Package fault owns the few kinds of error that a caller can be told about,
// each with its LUCID_ERR code.
//
// It must never know of HTTP, SQL or MQTT: what a kind means there is decided
// once at each edge. An error that is not a fault is internal, and strangers
// see nothing of it.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is how a caller should react.
type Kind int

// Kinds. Internal is the kind of every error that is not a fault.
const (
	Internal     Kind = iota
	Malformed         // the request cannot be read
	Invalid           // read, but its values are not allowed; Fields says which
	Unsupported       // media type or size
	NoRoute           // no such path
	NoMethod          // path exists, method does not
	Unauthorized      // who are you
	Denied            // you may not
	Limited           // too often
	NotFound          // no such thing
	Conflict          // the state of the thing does not allow it
	Stale             // changed meanwhile
	Unavailable       // a part of ours is down; try again
	Timeout           // took too long
)

// Code is one row of the table of LUCID_ERR codes.
type Code struct {
	Number int
	Kind   Kind
}

// String is the code as callers see it: LUCID_ERR_4001.
func (c Code) String() string { return fmt.Sprintf("LUCID_ERR_%04d", c.Number) }

// The table of codes. A number never changes its meaning.
var (
	BodyMalformed     = Code{1001, Malformed}
	Validation        = Code{1002, Invalid}
	MediaType         = Code{1003, Unsupported}
	RouteUnknown      = Code{1004, NoRoute}
	MethodNotAllowed  = Code{1005, NoMethod}
	NoCredentials     = Code{2001, Unauthorized}
	BadCredentials    = Code{2002, Unauthorized}
	RoleTooLow        = Code{2003, Denied}
	BadEnrolmentToken = Code{2004, Denied}
	RateLimited       = Code{3001, Limited}
	NodeNotFound      = Code{4001, NotFound}
	NameTaken         = Code{4002, Conflict}
	StateNotAllowed   = Code{4003, Conflict}
	NodeOffline       = Code{4004, Conflict}
	ChangedMeanwhile  = Code{4005, Stale}
	PoolNotFound      = Code{4101, NotFound}
	PoolFull          = Code{4102, Conflict}
	PoolNotEmpty      = Code{4103, Conflict}
	NodeInPool        = Code{4104, Conflict}
	ChallengeUnknown  = Code{4201, NotFound}
	ChallengeExpired  = Code{4202, Conflict}
	TooManyAttempts   = Code{4203, Limited}
	ChallengeOpen     = Code{4205, Conflict}
	PayoutNotFound    = Code{4301, NotFound}
	BelowMinimum      = Code{4302, Conflict}
	BalanceTooSmall   = Code{4303, Conflict}
	NotCancellable    = Code{4304, Conflict}
	IdempotencyReuse  = Code{4305, Conflict}
	BadPayoutAddress  = Code{4306, Invalid}
	PlanChanged       = Code{4307, Conflict}
	Held              = Code{4308, Conflict}
	OtherNotFound     = Code{4901, NotFound}
	InternalError     = Code{5000, Internal}
	DatabaseDown      = Code{5001, Unavailable}
	TimedOut          = Code{5002, Timeout}
)

// Field names one bad input.
type Field struct {
	Name   string `json:"field"`
	Reason string `json:"reason"`
}

// Error is a fault. Message is written for the caller: what happened, where,
// and what to do.
type Error struct {
	Code    Code
	Message string
	Fields  []Field
	cause   error
}

// New makes a fault of the given code.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault whose cause is kept for our own logs.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.cause = cause
	return e
}

// WithFields adds the bad fields.
func (e *Error) WithFields(fields ...Field) *Error {
	e.Fields = append(e.Fields, fields...)
	return e
}

// Error is one line: code, message, the bad fields, the cause.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	for i, f := range e.Fields {
		b.WriteString(map[bool]string{true: " (", false: "; "}[i == 0])
		fmt.Fprintf(&b, "%s: %s", f.Name, f.Reason)
	}
	if len(e.Fields) > 0 {
		b.WriteByte(')')
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is(err, fault.New(code, "")) compare by code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// As gives the fault inside err; an error that is none becomes InternalError.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(InternalError, err, "internal error")
}

// Has reports whether err is a fault of the given code.
func Has(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

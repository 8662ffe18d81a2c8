package proof

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const hidden = "proof.Key(hidden)"

var errHidden = errors.New("proof: a key is not written as text: seal its bytes")

// Format keeps keys out of every verb of package fmt.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String keeps keys out of what calls it directly.
func (Key) String() string { return hidden }

// GoString keeps keys out of what calls it directly.
func (Key) GoString() string { return hidden }

// LogValue keeps keys out of logs.
func (Key) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText refuses, and with it JSON: a placeholder in a file would lose
// the key.
func (Key) MarshalText() ([]byte, error) { return nil, errHidden }

// Format keeps the MQTT password out of every verb of package fmt.
func (Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue keeps the MQTT password out of logs.
func (Keys) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON refuses like Key.MarshalText.
func (Keys) MarshalJSON() ([]byte, error) { return nil, errHidden }

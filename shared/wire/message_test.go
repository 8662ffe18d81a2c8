package wire

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// absent makes with remove a key.
var absent = new(struct{})

// with gives the JSON of good with the value at a dotted path replaced.
func with(t *testing.T, good any, path string, value any) []byte {
	t.Helper()
	b, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	steps := strings.Split(path, ".")
	at := tree
	for _, step := range steps[:len(steps)-1] {
		at = child(t, at, step)
	}
	last := steps[len(steps)-1]
	switch node := at.(type) {
	case map[string]any:
		if value == any(absent) {
			delete(node, last)
		} else {
			node[last] = value
		}
	case []any:
		i, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		node[i] = value
	default:
		t.Fatalf("nothing at %q", path)
	}
	out, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func child(t *testing.T, node any, step string) any {
	t.Helper()
	switch n := node.(type) {
	case map[string]any:
		return n[step]
	case []any:
		i, err := strconv.Atoi(step)
		if err != nil {
			t.Fatal(err)
		}
		return n[i]
	}
	t.Fatalf("nothing at %q", step)
	return nil
}

// refusal is a message made bad in one place, and what the error must say.
type refusal struct {
	name  string
	path  string
	value any
	want  string
}

func base64Of(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

// checkRefusals decodes good, which must pass, and every bad copy of it.
func checkRefusals[T any](t *testing.T, good any, decode func([]byte) (T, error), refusals []refusal) {
	t.Helper()
	plain, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(plain); err != nil {
		t.Fatalf("the good message is refused: %v", err)
	}
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			_, err := decode(with(t, good, r.path, r.value))
			if err == nil {
				t.Fatalf("%s = %.60v was accepted", r.path, r.value)
			}
			if !strings.Contains(err.Error(), r.want) {
				t.Errorf("error is %q, want it to say %q", err, r.want)
			}
			if len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Errorf("error is not one short line: %q", err)
			}
		})
	}
	for name, payload := range map[string]string{
		"empty":      "",
		"not JSON":   "lucid",
		"an array":   "[]",
		"two values": string(plain) + "{}",
		"cut":        string(plain[:len(plain)-1]),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decode([]byte(payload)); err == nil {
				t.Error("accepted")
			}
		})
	}
	t.Run("too long", func(t *testing.T) {
		_, err := decode(append(plain, strings.Repeat(" ", MaxMessageBytes)...))
		if err == nil || !strings.Contains(err.Error(), "limit is 131072") {
			t.Errorf("error is %v, want the size limit", err)
		}
	})
	t.Run("unknown fields are ignored", func(t *testing.T) {
		if _, err := decode(with(t, good, "a_later_field", map[string]any{"x": 1})); err != nil {
			t.Errorf("refused: %v", err)
		}
	})
}

func list(n int, item any) []any {
	items := make([]any, n)
	for i := range items {
		items[i] = item
	}
	return items
}

var long = strings.Repeat("é", MaxTextBytes/2) + "x" // one byte too many

package shared_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shared is what agent and coordinator agree on, and nothing else: pure, small
// in the agent's memory, and free to be read by either without the other.
var rules = []struct {
	in     string   // folder; "" is the whole module
	forbid []string // import paths, with all below them
	reason string
}{
	{"", []string{"lucid.internal/agent", "lucid.internal/coordinator", "lucid.internal/e2e"},
		"agent and coordinator import shared, never the reverse"},
	{"", []string{"os", "net", "io/fs", "database/sql", "syscall", "embed"},
		"shared does no I/O: what it says must be the same on every machine"},
	{"", []string{"log"}, "shared returns errors; whoever calls it decides what is logged"},
	{"", []string{"unsafe", "C", "math/rand", "math/rand/v2"}, "messages and proofs are portable, and their randomness is crypto/rand"},
	{"wire", []string{"lucid.internal/shared/proof"}, "proof builds on messages; messages know nothing of proofs"},
}

// allowed are exceptions of a rule: log/slog is imported so that keys can hide
// themselves from a logger.
var allowed = []string{"log/slog"}

func TestImports(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, path, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d files were looked at", files)
	}
}

func checkImport(t *testing.T, path, name string) {
	t.Helper()
	first, _, _ := strings.Cut(name, "/")
	if strings.Contains(first, ".") && !within(name, "lucid.internal/shared") && !within(name, "golang.org/x/crypto") {
		t.Errorf("%s imports %s: shared uses the standard library and golang.org/x/crypto only, since every agent carries it", path, name)
	}
	for _, rule := range rules {
		if rule.in != "" && !within(filepath.ToSlash(path), rule.in) || slices.Contains(allowed, name) {
			continue
		}
		if slices.ContainsFunc(rule.forbid, func(f string) bool { return within(name, f) }) {
			t.Errorf("%s imports %s: %s", path, name, rule.reason)
		}
	}
}

// within reports whether a path is the other one or lies below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// Package machinetest owns machines to read in tests: Raspberry Pis and a PC, as
// files that are laid out as Linux lays them out (README.md).
//
// It must never be part of the agent.
package machinetest

import (
	"embed"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed *.tree
var trees embed.FS

// Plant lays the machine of NAME.tree out under root, and gives what its
// firmware answers to each question.
func Plant(t testing.TB, root, name string) (firmware map[string]string) {
	t.Helper()
	text, err := trees.ReadFile(name + ".tree")
	if err != nil {
		t.Fatal(err)
	}
	firmware = make(map[string]string)
	var path string
	var content strings.Builder
	finish := func() {
		whole := strings.ReplaceAll(strings.TrimRight(content.String(), "\n")+"\n", `\NUL`, "\x00")
		if question, asked := strings.CutPrefix(path, "firmware/"); asked {
			firmware[question] = whole
		} else if path != "" {
			File(t, filepath.Join(root, path), whole)
		}
		path = ""
		content.Reset()
	}
	for line := range strings.Lines(string(text)) {
		head, isHead := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		switch {
		case strings.HasPrefix(line, "# "):
		case isHead:
			finish()
			path = strings.TrimSuffix(head, " --")
			if link, target, isLink := strings.Cut(path, " -> "); isLink {
				Link(t, filepath.Join(root, link), target)
				path = ""
			}
		default:
			content.WriteString(line)
		}
	}
	finish()
	return firmware
}

// File makes a file, and the folders that it lies in.
func File(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Link makes a symbolic link, and the folders that it lies in.
func Link(t testing.TB, path, target string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

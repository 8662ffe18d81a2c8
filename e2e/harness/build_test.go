package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAgentIsBuiltAsItIsReleased: what is measured and tested has the flags
// that the Makefile and the packages read with grep.
func TestAgentIsBuiltAsItIsReleased(t *testing.T) {
	root, err := Repository()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "agent", "build.flags")
	released, err := exec.CommandContext(t.Context(), "grep", "^-", file).Output()
	if err != nil {
		t.Fatalf("grep %s: %v", file, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields(string(released)); !slices.Equal(flagsIn(string(text)), want) {
		t.Errorf("the harness builds with %q, a release with %q", flagsIn(string(text)), want)
	}
	out := filepath.Join(t.TempDir(), "lucid-agent")
	if err := compileAgent(t.Context(), root, out); err != nil {
		t.Fatal(err)
	}
	built, err := exec.CommandContext(t.Context(), "go", "version", "-m", out).Output()
	if err != nil {
		t.Fatalf("go version -m %s: %v", out, err)
	}
	for _, setting := range []string{"-tags=nethttpomithttp2", "-gcflags="} {
		if !strings.Contains(string(built), "\t"+setting) {
			t.Errorf("the binary was not built with %s:\n%s", setting, built)
		}
	}
}

package e2e

import (
	"context"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
	"lucid.internal/e2e/tour"
)

var capture = flag.Bool("capture", false, "write the answers of the real run into the page")

// tourAddr stands in the pages; the run has an address of its own.
const tourAddr = "127.0.0.1:8095"

// TestTour runs every command of docs/tour.md against a real fleet of one.
func TestTour(t *testing.T) { followPage(t, "../docs/tour.md") }

// TestOwnersPage is the same for what an owner sees of the first earning.
func TestOwnersPage(t *testing.T) { followPage(t, "../firmware-config/README.md", "--epoch", "5s") }

// followPage types every command of a page into one shell, as a reader would,
// and compares the shape of the answers (names of fields, heads of tables, exit
// statuses) with what the page shows. With -capture it writes the answers of
// this run into the page.
func followPage(t *testing.T, file string, args ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page, err := tour.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	home := dataDir(t)
	l := start(t, harness.Options{Data: filepath.Join(home, ".lucid"), Agent: true, Args: append(args, "--poot-interval", "2s")})
	if _, err := l.AwaitLine(within(t, patience), `proof .* valid`); err != nil {
		t.Fatal(err)
	}
	outputs := l.follow(home, page.Commands())
	if *capture {
		if err := os.WriteFile(file, []byte(page.With(outputs)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for i, c := range page.Commands() {
		want, got := tour.Shape(c.Output), tour.Shape(outputs[i])
		if !maps.Equal(want, got) {
			t.Errorf("%s:%d: $ %s\nthe page shows %q,\nthis run has %q; go test -run %s -capture writes it again\n%s",
				file, c.Line, c.Text, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), t.Name(), outputs[i])
		}
	}
}

// follow types the commands into one shell and gives what each printed.
func (l *lab) follow(home string, commands []tour.Command) []string {
	l.t.Helper()
	tools := filepath.Join(home, "bin")
	if err := harness.BuildClient(context.Background(), tools); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Symlink(binaries.Coordinator, filepath.Join(tools, "lucid-coordinator")); err != nil {
		l.t.Fatal(err)
	}
	const mark = "\x1e" // no command prints it
	var script strings.Builder
	script.WriteString("exec 2>&1\n")
	for _, c := range commands {
		script.WriteString(strings.ReplaceAll(c.Text, tourAddr, l.HTTP) + "\nprintf '" + mark + "'\n")
	}
	cmd := exec.CommandContext(within(l.t, patience), "bash", "-c", script.String())
	cmd.Dir = home
	cmd.Env = append(harness.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "HOME="+home, "LUCID_URL=http://"+l.HTTP)
	out, err := cmd.Output()
	if err != nil {
		l.t.Fatalf("the tour's shell: %v\n%s", err, out)
	}
	outputs := strings.Split(strings.ReplaceAll(string(out), l.HTTP, tourAddr), mark)
	if len(outputs) != len(commands)+1 {
		l.t.Fatalf("%d commands gave %d answers:\n%s", len(commands), len(outputs)-1, out)
	}
	return outputs[:len(commands)]
}

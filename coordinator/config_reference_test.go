package coordinator

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

func TestReferenceIsCurrent(t *testing.T) {
	files := map[string]string{
		"../docs/configuration.md": referenceMarkdown(),
		"../.env.example":          referenceEnv(),
	}
	for name, want := range files {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != want {
			t.Errorf("%s is not what the struct says; run: go generate ./coordinator", name)
		}
	}
}

// The example names every variable, and a copy of it with the comment signs
// taken away is a valid environment, once it names a database.
func TestReferenceEnvLoads(t *testing.T) {
	var environ []string
	for line := range strings.Lines(referenceEnv()) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "#LUCID_"); ok && !strings.HasSuffix(v, "=") {
			environ = append(environ, "LUCID_"+v)
		}
	}
	environ = append(environ, "LUCID_DATABASE_URL=postgres://lucid@db/lucid")
	got, origins, err := Load(ProfileServe, "", environ, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(origins.Warnings) > 0 {
		t.Errorf("warnings: %q", origins.Warnings)
	}
	want, _, err := Load(ProfileServe, "", environ[len(environ)-1:], nil)
	if err != nil {
		t.Fatal(err)
	}
	if formatConfig(&got) != formatConfig(&want) {
		t.Errorf("the example differs from the defaults:\n%s\n%s", formatConfig(&got), formatConfig(&want))
	}
}

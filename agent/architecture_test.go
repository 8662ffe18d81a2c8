package agent

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

const module = "lucid.internal/agent"

// rule says what the files of a part of the module may not import.
type rule struct {
	name   string
	why    string
	broken func(pkg, imported string, test bool) bool
}

var rules = []rule{
	{"no os/exec, ever", "remote command execution is how fleets of agents were taken over",
		func(_, imported string, _ bool) bool { return imported == "os/exec" || imported == "plugin" }},
	{"siblings in internal do not import each other", "the agent joins them, so each can be read alone; how files are read and kept is below them",
		func(pkg, imported string, test bool) bool {
			return in(pkg, "internal") && in(imported, "internal") && imported != pkg &&
				imported != module+"/internal/tomlfile" && imported != module+"/internal/durable" &&
				!(test && (in(imported, "internal/coordtest") || in(imported, "internal/machinetest")))
		}},
	{"TOML in tomlfile alone", "every fault of a file that a person wrote names file, line and key",
		only("github.com/BurntSushi/toml", "internal/tomlfile")},
	{"internal does not import the root, nor the root cmd", "dependencies point downward",
		func(pkg, imported string, _ bool) bool {
			return in(pkg, "internal") && (imported == module || in(imported, "cmd")) || pkg == module && in(imported, "cmd")
		}},
	{"cmd imports the root only", "the command line decides nothing",
		func(pkg, imported string, test bool) bool {
			return in(pkg, "cmd") && in(imported, "internal") && !test
		}},
	{"paho in link and homeassistant alone", "each knows how it loses messages: the one for the coordinator, the other for the owner's broker",
		only("github.com/eclipse/paho.mqtt.golang", "internal/link", "internal/homeassistant")},
	{"gopsutil in collect alone", "version 3 is frozen: one place to replace it",
		only("github.com/shirou/gopsutil", "internal/collect")},
	{"HTTP in identity alone", "the running agent speaks MQTT; enrolment is a process of its own",
		only("net/http", "internal/identity")},
	{"systemd in cmd alone", "it reads the environment",
		only("github.com/coreos/go-systemd", "cmd")},
	{"no broker outside tests", "mochi and coordtest serve tests",
		func(pkg, imported string, test bool) bool {
			broker := strings.HasPrefix(imported, "github.com/mochi-mqtt/") || in(imported, "internal/coordtest")
			return broker && !test && !in(pkg, "internal/coordtest")
		}},
	{"no machines outside tests", "machinetest serves tests",
		func(_, imported string, test bool) bool { return in(imported, "internal/machinetest") && !test }},
	{"nothing of the coordinator", "agent and coordinator share package shared, nothing else",
		func(_, imported string, _ bool) bool {
			return strings.HasPrefix(imported, "lucid.internal/coordinator")
		}},
}

// in reports whether a package lies in a folder of this module.
func in(pkg, folder string) bool {
	return pkg == module+"/"+folder || strings.HasPrefix(pkg, module+"/"+folder+"/")
}

// only allows a library in some folders, and in the tests' own coordinator.
func only(library string, folders ...string) func(pkg, imported string, test bool) bool {
	return func(pkg, imported string, test bool) bool {
		allowed := slices.ContainsFunc(folders, func(folder string) bool { return in(pkg, folder) })
		return strings.HasPrefix(imported, library) && !allowed && !in(pkg, "internal/coordtest") && !test
	}
}

func TestImportRules(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := strings.TrimSuffix(module+"/"+filepath.ToSlash(filepath.Dir(path)), "/.")
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if r.broken(pkg, imported, strings.HasSuffix(path, "_test.go")) {
					t.Errorf("%s imports %s: %s (%s)", path, imported, r.name, r.why)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 30 {
		t.Errorf("only %d files were looked at: the walk is broken", files)
	}
}

// TestRulesCatch shows that each rule refuses what it names.
func TestRulesCatch(t *testing.T) {
	for i, c := range []struct {
		pkg, imported string
	}{
		{module + "/internal/collect", "os/exec"},
		{module + "/internal/link", module + "/internal/spool"},
		{module, "github.com/BurntSushi/toml"},
		{module + "/internal/link", module},
		{module + "/cmd/lucid-agent", module + "/internal/link"},
		{module, "github.com/eclipse/paho.mqtt.golang"},
		{module, "github.com/shirou/gopsutil/v3/cpu"},
		{module + "/internal/link", "net/http"},
		{module, "github.com/coreos/go-systemd/v22/daemon"},
		{module, "github.com/mochi-mqtt/server/v2"},
		{module, module + "/internal/machinetest"},
		{module, "lucid.internal/coordinator"},
	} {
		if !rules[i].broken(c.pkg, c.imported, false) {
			t.Errorf("rule %q lets %s import %s", rules[i].name, c.pkg, c.imported)
		}
	}
}

package coordinator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const internalPath = "lucid.internal/coordinator/internal/"

// layers of internal, lowest first. A package imports what lies below its own
// layer, never a neighbour: so any of them can be read, tested and replaced
// without those above or beside it. A new package gets its place here.
var layers = [][]string{
	{"fault", "span", "limit", "bus", "tron", "garbage", "atomicfile", "hostname", "publicid"},
	{"db"},
	{"event", "audit"},
	{"seal", "access", "outage", "job", "ledger", "authority"},
	{"node"},
	{"pool", "sample", "challenge", "alert"},
	{"score", "fraud", "webhook"},
	{"epoch"},
	{"payout", "statement"},
	{"manual", "rail"},
	{"api"},
}

// only says who alone may import something.
var only = []struct {
	what   string
	who    []string // folders, with all below them
	reason string
}{
	{"github.com/mochi-mqtt/server/v2", []string{"internal/broker"}, "an external broker can take the embedded one's place only if nobody else knows it"},
	{"github.com/gin-gonic/gin", []string{"internal/api"}, "HTTP is translated once, at the edge"},
	{"github.com/danielgtaylor/huma/v2", []string{"internal/api"}, "HTTP is translated once, at the edge"},
	{"github.com/pressly/goose/v3", []string{"internal/db"}, "only db migrates"},
	{"github.com/golang-jwt/jwt/v5", []string{"internal/access"}, "only access decides who somebody is"},
	{"github.com/alecthomas/kong", []string{"cmd"}, "flags are read by the programs"},
	{"github.com/eclipse/paho.mqtt.golang", []string{"internal/bus"}, "only bus is a client, of a broker that is not the coordinator's own"},
	{"github.com/decred/dcrd/dcrec/secp256k1/v4", []string{"internal/tron"}, "keys and signatures of the chain are tron's"},
	{"github.com/ethereum/go-ethereum", nil, "the EVM is in the tests of the module evm, and in no program"},
	{internalPath + "tron/chain/chaintest", nil, "the chain of tests is for tests"},
	{internalPath + "db/dbtest", nil, "databases of tests are for tests"},
	{internalPath + "ledger/ledgertest", nil, "what tests ask of the ledger is for tests"},
	{"testing", []string{"internal/db/dbtest", "internal/ledger/ledgertest"}, "test code stays out of the program"},
}

// never says what a folder must not import.
var never = []struct {
	folder string
	what   []string
	reason string
}{
	{"", []string{"lucid.internal/agent"}, "agent and coordinator meet in shared only"},
	{"cmd", []string{strings.TrimSuffix(internalPath, "/")}, "cmd -> root package -> internal"},
	{"internal/broker", []string{"github.com/jackc/pgx/v5", internalPath + "db"}, "the broker is given functions and knows no SQL"},
	{"internal/bus", []string{"github.com/jackc/pgx/v5", internalPath, "lucid.internal/shared"}, "the bus is given functions, and knows neither SQL nor what a message means"},
	{"internal/api", []string{internalPath + "db", "github.com/jackc/pgx/v5/pgxpool", "database/sql"}, "SQL lives in the store of the noun that owns the table"},
	{"internal/fault", []string{"net/http", "github.com", internalPath}, "what a fault means to HTTP, SQL or MQTT is decided at each edge"},
	{"internal/span", []string{"context", "os", "net", "database/sql", "github.com", internalPath}, "span is pure"},
	{"internal/tron", []string{internalPath, "github.com/jackc/pgx/v5"}, "what TRON's bytes, keys and nodes are has nothing to do with our tables"},
	{"internal/limit", []string{"context", "os", "net/http", "database/sql", "github.com", internalPath}, "who calls and what for is the business of its callers"},
	{"internal/authority", []string{internalPath + "seal"}, "the authority is given its store of secrets"},
}

// exception lets one folder import one package, whatever the rules say.
type exception struct{ folder, what, reason string }

var exceptions = []exception{
	{"internal/tron/wallet", internalPath + "atomicfile", "a wallet is whole or not there: half of one may have lost its money"},
	{"cmd/lucid-coordinator", internalPath + "atomicfile", "a device's token, which is told once, is kept as keys are"},
	{"cmd/lucidctl", internalPath + "atomicfile", "a session or token is kept as keys are, and the root package is the whole coordinator"},
	{"cmd/lucidctl", internalPath + "hostname", "what is this machine is decided once, and the root package is the whole coordinator"},
}

// impure is what the pure files may not import: evidence goes in, a result
// comes out, so that anybody can replay it.
var impure = []string{"context", "os", "net", "log", "database/sql", "github.com", internalPath + "db", internalPath + "outage"}

// pure files are *rule.go of every package, and these.
var pure = []string{
	"internal/alert/judge.go",
	"internal/alert/kind.go",
	"internal/alert/observe.go",
	"internal/epoch/credit.go",
	"internal/epoch/share.go",
	"internal/fraud/answer.go",
	"internal/fraud/economy.go",
	"internal/fraud/identity.go",
	"internal/fraud/memory.go",
	"internal/fraud/outlier.go",
	"internal/fraud/plausible.go",
	"internal/fraud/relation.go",
	"internal/fraud/step.go",
	"internal/pool/autoscale.go",
	"internal/pool/plan.go",
	"internal/sample/due.go",
	"internal/sample/point.go",
	"internal/score/availability.go",
	"internal/score/explain.go",
	"internal/score/standing.go",
	"internal/score/vetting.go",
}

// source is one file of the program, tests and generated code left out.
type source struct {
	path    string // with slashes, from the module's root
	folder  string
	imports []string
	syntax  *ast.File
	set     *token.FileSet
}

func (s source) excepted(imported string) bool {
	return slices.ContainsFunc(exceptions, func(e exception) bool { return s.folder == e.folder && imported == e.what })
}

// sources parses the tree instead of asking the go command, so that the rules
// can be checked while a package does not compile.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		name = filepath.ToSlash(name)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "sqlgen" || entry.Name() == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
			strings.HasSuffix(name, ".gen.go") || name == "deps.go":
			return nil
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("does not parse: %v", err)
			return nil
		}
		s := source{path: name, folder: path.Dir(name), syntax: syntax, set: set}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		list = append(list, s)
		return nil
	})
	if err != nil || len(list) < 30 {
		t.Fatalf("%d files found: %v", len(list), err)
	}
	return list
}

// within reports whether a path is the other one or lies below it.
func within(name, folder string) bool {
	folder = strings.TrimSuffix(folder, "/")
	return folder == "" || name == folder || strings.HasPrefix(name, folder+"/")
}

func withinAny(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return within(name, f) })
}

// room is the package directly under internal that a path belongs to, "" for none.
func room(name, under string) string {
	rest, found := strings.CutPrefix(name, under)
	if !found {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

func layerOf(room string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, room) })
}

func TestImportsGoDownward(t *testing.T) {
	for _, s := range sources(t) {
		from := room(s.folder, "internal/")
		if from == "" {
			continue
		}
		if from != "broker" && layerOf(from) < 0 {
			t.Errorf("%s: internal/%s has no layer: give it one in this test, and a line in ARCHITECTURE.md", s.path, from)
			continue
		}
		for _, imported := range s.imports {
			to := room(imported, internalPath)
			switch {
			case to == "" || to == from || s.excepted(imported):
			case from == "broker" && to != "fault" && to != "hostname" && to != "limit":
				t.Errorf("%s imports %s: the broker knows wire, fault, hostname and limit only, so that an external one can stand in its place", s.path, to)
			case from == "broker":
			case to == "broker":
				t.Errorf("%s imports broker: coordinator.go joins both ends by functions", s.path)
			case layerOf(to) >= layerOf(from):
				t.Errorf("%s imports %s: imports go downward only; let coordinator.go hand it a function", s.path, to)
			}
		}
	}
}

func TestImportsOfOutsiders(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			if s.excepted(imported) {
				continue
			}
			for _, rule := range only {
				if within(imported, rule.what) && !withinAny(s.folder, rule.who) {
					t.Errorf("%s imports %s: %s", s.path, imported, rule.reason)
				}
			}
			for _, rule := range never {
				if within(s.folder, rule.folder) && withinAny(imported, rule.what) && room(imported, internalPath) != path.Base(rule.folder) {
					t.Errorf("%s imports %s: %s", s.path, imported, rule.reason)
				}
			}
			if (strings.HasSuffix(s.path, "rule.go") || slices.Contains(pure, s.path)) && withinAny(imported, impure) {
				t.Errorf("%s imports %s: rules are pure", s.path, imported)
			}
		}
	}
}

func TestPureFilesExist(t *testing.T) {
	list := sources(t)
	for _, name := range pure {
		if !slices.ContainsFunc(list, func(s source) bool { return s.path == name }) {
			t.Errorf("%s is gone: take it out of this test", name)
		}
	}
}

func TestExceptionsAreUsed(t *testing.T) {
	list := sources(t)
	for _, e := range exceptions {
		if !slices.ContainsFunc(list, func(s source) bool { return s.folder == e.folder && slices.Contains(s.imports, e.what) }) {
			t.Errorf("%s does not import %s any more: take that out of this test", e.folder, e.what)
		}
	}
}

// What a reader must not meet, wherever it stands.
func TestSurprises(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s has an init function: nothing happens that main did not ask for", s.set.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				checkSelector(t, s, n)
			case *ast.Ident:
				if (n.Name == "float64" || n.Name == "float32") && (within(s.folder, "internal/ledger") || within(s.folder, "internal/epoch") || within(s.folder, "internal/payout")) {
					t.Errorf("%s: no float holds money", s.set.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func checkSelector(t *testing.T, s source, n *ast.SelectorExpr) {
	t.Helper()
	from, ok := n.X.(*ast.Ident)
	if !ok {
		return
	}
	switch call := from.Name + "." + n.Sel.Name; call {
	case "os.Getenv", "os.LookupEnv", "os.Environ":
		if !within(s.folder, "cmd") {
			t.Errorf("%s: %s outside cmd: the environment is read once, into Config", s.set.Position(n.Pos()), call)
		}
	case "time.Sleep":
		t.Errorf("%s: %s cannot be cancelled: wait on a timer and the context", s.set.Position(n.Pos()), call)
	}
}

// A newcomer finds what each package owns in one place, and all of them on one page.
func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	page, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string][]string{}
	for _, s := range sources(t) {
		docs[s.folder] = append(docs[s.folder], nil...)
		if s.syntax.Doc != nil {
			docs[s.folder] = append(docs[s.folder], s.path)
		}
	}
	for folder, files := range docs {
		if len(files) != 1 {
			t.Errorf("package in %q has %d package comments, want one: %v", folder, len(files), files)
		}
		if named := regexp.MustCompile("`([a-z0-9-]+/)*" + path.Base(folder) + "`"); folder != "." && !named.Match(page) {
			t.Errorf("package %s has no row in ARCHITECTURE.md", folder)
		}
	}
	vague := []string{"models", "utils", "util", "services", "common", "types", "helpers", "manager"}
	for folder := range docs {
		if slices.Contains(vague, path.Base(folder)) {
			t.Errorf("package %s: a package is a noun that says what it owns", folder)
		}
	}
}

// Sizes beyond which a file or function is hard to take in.
const (
	mostFileLines     = 400
	mostFunctionLines = 60
)

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if n := s.set.Position(s.syntax.FileEnd).Line; n > mostFileLines {
			t.Errorf("%s has %d lines, at most %d", s.path, n, mostFileLines)
		}
		for _, declaration := range s.syntax.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > mostFunctionLines {
				t.Errorf("%s: %s has %d lines, at most %d", s.path, f.Name.Name, n, mostFunctionLines)
			}
		}
	}
}

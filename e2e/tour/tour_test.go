package tour

import (
	"maps"
	"strings"
	"testing"
)

const page = "# Title\n\n```console\n$ one \\\n> --two\n{\"a\": 1}\n$ three\n```\n\ntext\n\n```go\n$ no command\n```\n"

func TestParse(t *testing.T) {
	p, err := Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	commands := p.Commands()
	if len(commands) != 2 || commands[0].Text != "one \\\n--two" || commands[0].Output != "{\"a\": 1}\n" || commands[0].Line != 4 || commands[1].Text != "three" {
		t.Fatalf("%+v", commands)
	}
	if again := p.With([]string{"{\"a\": 1}\n", ""}); again != page {
		t.Fatalf("written again it is\n%s", again)
	}
	if other := p.With([]string{"new\n", "last"}); !strings.Contains(other, "> --two\nnew\n$ three\nlast\n```") {
		t.Fatalf("with new outputs it is\n%s", other)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no command":           "# Title\n",
		"never closed":         "```console\n$ a\n",
		"output before prompt": "```console\nout\n$ a\n```\n",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestShape(t *testing.T) {
	a := Shape("HTTP/1.1 201 Created\n{\"id\":\"node_1\",\n  \"at\": 5}\nNODE ID  x\nexit 4\n")
	b := Shape("HTTP/1.1 201 Created\n{\"at\":7,\"id\":\"node_2\"}\nNODE ID            y\nexit 4")
	if !maps.Equal(a, b) || len(a) != 5 {
		t.Fatalf("%v and %v", a, b)
	}
	for _, other := range []string{"{\"at\":7}", "HTTP/1.1 200 OK", "exit 1"} {
		if maps.Equal(a, Shape(other)) {
			t.Errorf("%s has the same shape", other)
		}
	}
}

func TestReadable(t *testing.T) {
	long := `{"token":"` + strings.Repeat("aB3_", 30) + `",` + strings.Repeat(`"name":"value",`, 20) + `"file":"` + strings.Repeat(`key = value\n`, 20) + `","end":1}`
	got := Readable(long)
	for line := range strings.Lines(got) {
		if len(line) > width+1 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if strings.Contains(got, "aB3_aB3_aB3_aB3_") {
		t.Errorf("a secret stands in %s", got)
	}
	if !maps.Equal(Shape(long), Shape(got)) {
		t.Errorf("the shape changed: %s", got)
	}
}

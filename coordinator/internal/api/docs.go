package api

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle []byte

// docsPolicy lets the page load its own style sheet and nothing else.
const docsPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *server) servePage() {
	page := s.rendered("text/html; charset=utf-8", s.page)
	s.plain("getDocs", "/docs", func(c *gin.Context) {
		c.Header("Content-Security-Policy", docsPolicy)
		page(c)
	})
	s.bytes("getDocs", "/docs/style.css", "text/css; charset=utf-8", docsStyle)
}

// page makes the readable page from the document, so that the two cannot
// differ. It has no script and loads nothing from elsewhere.
func (s *server) page() ([]byte, error) {
	page, err := template.New("docs").Parse(docsTemplate)
	if err != nil {
		return nil, err
	}
	var html bytes.Buffer
	err = page.Execute(&html, s.contents())
	return html.Bytes(), err
}

type docsPage struct {
	Title, Description string
	Groups             []docsGroup
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Role string
	Paragraphs                      []string
	Parameters                      []docsField
	Body                            []docsField
	Request                         string // an example of the body
	Success                         string // status
	Answer                          []docsField
	Example                         string
	Errors                          []docsError
}

type docsField struct{ Name, Type, Note string }

type docsError struct {
	Status string
	Codes  []string
}

func (s *server) contents() docsPage {
	doc := s.huma.OpenAPI()
	groups := map[string][]docsOperation{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, op := range methods(doc.Paths[path]) {
			groups[op.Tags[0]] = append(groups[op.Tags[0]], s.describeForPage(method, path, op))
		}
	}
	page := docsPage{Title: doc.Info.Title, Description: doc.Info.Description}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		page.Groups = append(page.Groups, docsGroup{name, groups[name]})
	}
	return page
}

// methods of a path in the order in which people think of them.
func methods(item *huma.PathItem) func(yield func(string, *huma.Operation) bool) {
	return func(yield func(string, *huma.Operation) bool) {
		for _, m := range []struct {
			name string
			op   *huma.Operation
		}{
			{http.MethodGet, item.Get}, {http.MethodPost, item.Post}, {http.MethodPut, item.Put},
			{http.MethodPatch, item.Patch}, {http.MethodDelete, item.Delete},
		} {
			if m.op != nil && !yield(m.name, m.op) {
				return
			}
		}
	}
}

func (s *server) describeForPage(method, path string, op *huma.Operation) docsOperation {
	d := docsOperation{
		ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Role: fmt.Sprint(op.Extensions["x-role"]),
		Paragraphs: strings.Split(op.Description, "\n\n"),
	}
	for _, p := range op.Parameters {
		d.Parameters = append(d.Parameters, docsField{p.Name + " (" + p.In + ")", s.typeName(p.Schema), note(p.Schema, p.Description)})
	}
	if op.RequestBody != nil {
		content := op.RequestBody.Content["application/json"]
		d.Body, d.Request = s.fieldsOf(content.Schema, "", 0), indented(content.Example)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[status]
		content := response.Content["application/json"]
		if _, isError := response.Extensions["x-codes"]; isError {
			d.Errors = append(d.Errors, docsError{status, strings.Split(response.Description, "\n\n")})
			continue
		}
		d.Success = status
		if content != nil {
			d.Answer = s.fieldsOf(content.Schema, "", 0)
			d.Example = indented(content.Example)
		}
	}
	return d
}

func indented(example any) string {
	text, err := json.MarshalIndent(example, "", "  ")
	if err != nil || example == nil {
		return ""
	}
	return string(text)
}

// maxDepth ends what a page shows of a nested shape.
const maxDepth = 4

// fieldsOf lists a shape's fields, nested ones by their full path.
func (s *server) fieldsOf(schema *huma.Schema, prefix string, depth int) []docsField {
	schema = s.resolve(schema)
	if schema.Items != nil {
		return s.fieldsOf(schema.Items, prefix+"[]", depth)
	}
	if depth == maxDepth {
		return nil
	}
	var list []docsField
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		field, full := schema.Properties[name], strings.TrimPrefix(prefix+"."+name, ".")
		list = append(list, docsField{full, s.typeName(field), note(field, "")})
		list = append(list, s.fieldsOf(field, full, depth+1)...)
	}
	return list
}

// resolve follows a reference, and takes the object out of "object or null".
func (s *server) resolve(schema *huma.Schema) *huma.Schema {
	if len(schema.AnyOf) > 0 {
		schema = schema.AnyOf[0]
	}
	if schema.Ref != "" {
		schema = s.huma.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

func (s *server) typeName(schema *huma.Schema) string {
	nullable := schema.Nullable || len(schema.AnyOf) > 0
	name := cmp.Or(s.resolve(schema).Type, "any")
	switch {
	case schema.Items != nil:
		name = "list of " + s.typeName(schema.Items)
	case schema.Format == "date-time":
		name = "time"
	}
	if nullable {
		name += " or null"
	}
	return name
}

// note says what a value may be, and what it means.
func note(schema *huma.Schema, description string) string {
	var parts []string
	if len(schema.Enum) > 0 {
		words := make([]string, len(schema.Enum))
		for i, v := range schema.Enum {
			words[i] = fmt.Sprint(v)
		}
		parts = append(parts, "One of "+strings.Join(words, ", ")+".")
	}
	if schema.Minimum != nil && schema.Maximum != nil {
		parts = append(parts, fmt.Sprintf("%v to %v.", *schema.Minimum, *schema.Maximum))
	}
	if schema.Default != nil {
		parts = append(parts, fmt.Sprintf("Default %v.", schema.Default))
	}
	if description == "" {
		description = schema.Description
	}
	return strings.TrimSpace(strings.Join(append(parts, description), " "))
}

package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/gin-gonic/gin"
)

// document is the frame of the OpenAPI document, and huma's settings. Its own
// routes stay off: they render on the first request, unguarded, and its page
// loads scripts from elsewhere.
func (s *server) document() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Lucid node management", Version: "v1",
				Description: "Nodes lend their machine to pools, prove that they hold their token, are scored and paid.\n\n" +
					"Every error has the same envelope: a code that never changes its meaning, a message, the bad fields, and the request id. " +
					"Times are RFC 3339 in UTC. Amounts are USDT with at most six decimals; read them as decimals, not as floats.",
			},
			Components: &huma.Components{
				Schemas:  huma.NewMapRegistry("#/components/schemas/", schemaName),
				Examples: map[string]*huma.Example{},
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "An API key, or a token made from one."},
					"apiKey": {Type: "apiKey", In: "header", Name: keyHeader, Description: "An API key."},
					"cookie": {Type: "apiKey", In: "cookie", Name: eventsCookie, Description: "Set by a login, for GET " + eventsPath + " only."},
				},
			},
			Security: []map[string][]string{{"bearer": {}}, {"apiKey": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.transform},
	}
}

// schemaName is the Go type's without its suffix: nodeBody is Node.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	return cmp.Or(strings.TrimSuffix(name, "Body"), name)
}

// serveDocuments adds the documents of all operations, which are known by now.
// Each is rendered when it is first asked for: that takes longer than all the
// rest of a start.
func (s *server) serveDocuments() {
	s.serveMetrics()
	doc := s.huma.OpenAPI()
	// huma puts its own error model among the schemas, which no answer uses.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	withoutOwnWords(doc)
	for path, render := range map[string]func() ([]byte, error){
		"/openapi":     func() ([]byte, error) { return json.Marshal(doc) },
		"/openapi-3.0": func() ([]byte, error) { return downgrade(doc) },
	} {
		spec := sync.OnceValues(render)
		s.plain("getOpenAPI", path+".json", s.rendered("application/openapi+json", spec))
		s.plain("getOpenAPI", path+".yaml", s.rendered("application/openapi+yaml", func() ([]byte, error) { return asYAML(spec) }))
	}
	s.servePage()
}

func asYAML(spec func() ([]byte, error)) ([]byte, error) {
	text, err := spec()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = yaml.Convert(&out, bytes.NewReader(text))
	return out.Bytes(), err
}

// withoutOwnWords takes patternDescription out of all schemas, which is huma's
// own keyword and none of JSON Schema's. huma has made its messages by now.
func withoutOwnWords(doc *huma.OpenAPI) {
	for _, schema := range doc.Components.Schemas.Map() {
		eachSchema(schema, func(s *huma.Schema) { s.PatternDescription = "" })
	}
	for _, item := range doc.Paths {
		for _, op := range methods(item) {
			for _, p := range op.Parameters {
				eachSchema(p.Schema, func(s *huma.Schema) { s.PatternDescription = "" })
			}
		}
	}
}

// eachSchema calls f with a schema and all that stand inside it.
func eachSchema(schema *huma.Schema, f func(*huma.Schema)) {
	if schema == nil {
		return
	}
	f(schema)
	values, _ := schema.AdditionalProperties.(*huma.Schema)
	inner := slices.Concat([]*huma.Schema{schema.Items, values}, schema.AnyOf, schema.OneOf, schema.AllOf)
	for _, s := range slices.AppendSeq(inner, maps.Values(schema.Properties)) {
		eachSchema(s, f)
	}
}

// downgrade gives the document as OpenAPI 3.0.3, for tools that read no 3.1.
func downgrade(doc *huma.OpenAPI) ([]byte, error) {
	raw, err := doc.Downgrade()
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	return json.Marshal(asOlder(tree))
}

// asOlder rewrites what 3.0 does not know and huma leaves as it is: "T or
// null", for which there is no null type, and base64, whose format is byte.
func asOlder(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = asOlder(value)
		}
		if v["format"] == "base64" {
			v["format"] = "byte"
		}
		if choice, ok := v["anyOf"].([]any); ok && len(choice) == 2 && reflect.DeepEqual(choice[1], map[string]any{"type": "null"}) {
			delete(v, "anyOf")
			v["type"], v["nullable"], v["allOf"] = "object", true, choice[:1]
		}
	case []any:
		for i := range v {
			v[i] = asOlder(v[i])
		}
	}
	return tree
}

// plain adds a route that is no operation of the API.
func (s *server) plain(id, path string, handle gin.HandlerFunc) {
	s.uncounted(id, path, s.counting(handle))
}

// uncounted is plain for who may come as often as it likes.
func (s *server) uncounted(id, path string, handle gin.HandlerFunc) {
	s.engine.GET(path, func(c *gin.Context) {
		callOf(c.Request.Context()).operation = id
		handle(c)
	})
}

// rendered answers with what is made when it is first asked for, and kept.
func (s *server) rendered(contentType string, render func() ([]byte, error)) gin.HandlerFunc {
	kept := sync.OnceValues(render)
	return func(c *gin.Context) {
		content, err := kept()
		if err != nil {
			s.fail(c, fmt.Errorf("render %s: %w", c.Request.URL.Path, err))
			return
		}
		c.Data(http.StatusOK, contentType, content)
	}
}

// bytes adds a route that always answers the same.
func (s *server) bytes(id, path, contentType string, content []byte) {
	s.plain(id, path, func(c *gin.Context) { c.Data(http.StatusOK, contentType, content) })
}

package api

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestDocumentsAreValid has both documents judged by another reader than the
// library that wrote them, their examples, patterns and defaults included.
func TestDocumentsAreValid(t *testing.T) {
	w := newWorld(t)
	for path, version := range map[string]string{"/openapi.json": "3.1.0", "/openapi-3.0.json": "3.0.3"} {
		parsed := w.parsed(t, path)
		if parsed.OpenAPI != version || parsed.Paths.Len() != len(w.huma.OpenAPI().Paths) {
			t.Errorf("%s is read as %s with %d paths", path, parsed.OpenAPI, parsed.Paths.Len())
		}
		err := parsed.Validate(t.Context(), openapi3.EnableSchemaFormatValidation(), openapi3.EnableMultiError())
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// parsed is a document as kin-openapi reads it.
func (w *world) parsed(t testing.TB, path string) *openapi3.T {
	t.Helper()
	parsed, err := openapi3.NewLoader().LoadFromData(send(t, w.engine, http.MethodGet, path, "", nil).body)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestCurrentSchemasAreJSONSchema: each schema of the 3.1 document is one by
// the meta-schema of JSON Schema 2020-12.
func TestCurrentSchemasAreJSONSchema(t *testing.T) {
	w := newWorld(t)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", map[string]any(w.document("/openapi.json"))); err != nil {
		t.Fatal(err)
	}
	for name := range w.huma.OpenAPI().Components.Schemas.Map() {
		if _, err := c.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDocumentIsServed: clients are made from what the server shows.
func TestDocumentIsServed(t *testing.T) {
	w := newWorld(t)
	document, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	if served := w.send(http.MethodGet, "/openapi-3.0.json", "", nil).body; string(served) != string(document) {
		t.Error("the document that clients are made from is not the one that is served")
	}
}

// TestClientDocumentIsCurrent: a change of the API without `make generate`
// would leave the client, and lucidctl, behind.
func TestClientDocumentIsCurrent(t *testing.T) {
	document, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("../../client/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var now, then any
	if err := json.Unmarshal(document, &now); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(kept, &then); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(now) // of what was read a moment ago
	b, _ := json.Marshal(then)
	if string(a) != string(b) {
		t.Error("the API has changed; `make generate` writes coordinator/client anew")
	}
}

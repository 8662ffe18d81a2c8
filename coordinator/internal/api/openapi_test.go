package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestOlderDocumentIsValid has the 3.0 document judged by another reader than
// the library that wrote it, its examples and patterns included.
func TestOlderDocumentIsValid(t *testing.T) {
	document, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	loader := openapi3.NewLoader()
	parsed, err := loader.LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.OpenAPI != "3.0.3" {
		t.Errorf("the document is %s", parsed.OpenAPI)
	}
	if err := parsed.Validate(loader.Context); err != nil {
		t.Error(err)
	}
}

// TestCurrentDocumentIsRead holds the 3.1 document to what its reader can tell.
func TestCurrentDocumentIsRead(t *testing.T) {
	w := newWorld(t)
	served := w.send(http.MethodGet, "/openapi.json", "", nil).body
	parsed, err := openapi3.NewLoader().LoadFromData(served)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.OpenAPI != "3.1.0" || parsed.Paths.Len() != len(w.huma.OpenAPI().Paths) {
		t.Errorf("read as %s with %d paths", parsed.OpenAPI, parsed.Paths.Len())
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

// TestEveryOperationTellsItsErrors: with each error its codes, in words and
// for machines, and whose role is enough.
func TestEveryOperationTellsItsErrors(t *testing.T) {
	w := newWorld(t)
	roles := []string{"public", "viewer", "operator", "admin"}
	for path, item := range w.huma.OpenAPI().Paths {
		for _, op := range maps.Collect(methods(item)) {
			name := op.Method + " " + path
			role, _ := op.Extensions["x-role"].(string)
			if !slices.Contains(roles, role) {
				t.Errorf("%s has role %q", name, role)
			}
			if _, denied := op.Responses["403"]; role != "public" && role != "viewer" && !denied {
				t.Errorf("%s needs role %s and cannot answer 403", name, role)
			}
			for status, response := range op.Responses {
				number, err := strconv.Atoi(status)
				if err != nil || number < http.StatusBadRequest {
					continue
				}
				codes, _ := response.Extensions["x-codes"].([]string)
				for _, code := range codes {
					if !strings.Contains(response.Description, code+": ") {
						t.Errorf("%s: %s is not explained", name, code)
					}
				}
				if _, ownShape := response.Content["application/json"]; len(codes) == 0 && !ownShape {
					t.Errorf("%s does not tell what %s means", name, status)
				}
			}
		}
	}
}

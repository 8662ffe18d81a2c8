package api

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// documented is one operation of the served document, as kin-openapi reads it.
type documented struct {
	*openapi3.Operation
	t    *testing.T
	name string
	role string
}

func (w *world) eachDocumented(t *testing.T, check func(documented)) {
	t.Helper()
	for path, item := range w.parsed(t, "/openapi-3.0.json").Paths.Map() {
		for method, op := range item.Operations() {
			role, _ := op.Extensions["x-role"].(string)
			check(documented{op, t, method + " " + path, role})
		}
	}
}

// TestEveryOperationIsDocumented: in words, with its role, and with an example
// of its body, its answer and each error, each of which is as its schema says.
func TestEveryOperationIsDocumented(t *testing.T) {
	w := newWorld(t)
	w.eachDocumented(t, func(op documented) {
		if op.Summary == "" || op.Description == "" || op.OperationID == "" || len(op.Tags) != 1 {
			t.Errorf("%s lacks a summary, description, id or tag", op.name)
		}
		op.wantRole()
		if op.RequestBody != nil {
			op.wantExamples("body", op.RequestBody.Value.Content, openapi3.VisitAsRequest())
		}
		successes := 0
		for text, response := range op.Responses.Map() {
			status, err := strconv.Atoi(text)
			switch {
			case err != nil:
				t.Errorf("%s: status %s", op.name, text)
			case status >= http.StatusBadRequest:
				op.wantError(text, response.Value)
			case status != http.StatusNoContent:
				op.wantExamples(text, response.Value.Content, openapi3.VisitAsResponse())
				fallthrough
			default:
				successes++
			}
		}
		if successes != 1 {
			t.Errorf("%s documents %d successes", op.name, successes)
		}
	})
}

func (op documented) wantRole() {
	op.t.Helper()
	if !slices.Contains([]string{"public", "viewer", "operator", "admin"}, op.role) {
		op.t.Errorf("%s has role %q", op.name, op.role)
	}
	if public := op.role == "public"; op.Security == nil || public != (len(*op.Security) == 0) {
		op.t.Errorf("%s: role %s, security %v", op.name, op.role, op.Security)
	}
	for _, status := range []string{"422", "500", "503", "504"} {
		if op.Responses.Value(status) == nil {
			op.t.Errorf("%s does not document status %s", op.name, status)
		}
	}
	if denied := op.Responses.Value("403") != nil; !denied && (op.role == "operator" || op.role == "admin") {
		op.t.Errorf("%s needs role %s and cannot answer 403", op.name, op.role)
	}
}

// wantExamples: there is at least one, and all are as the schema says. It gives
// them by name, "" for one without.
func (op documented) wantExamples(of string, content openapi3.Content, as openapi3.SchemaValidationOption) map[string]any {
	op.t.Helper()
	all := map[string]any{}
	for form, media := range content {
		examples := map[string]any{}
		if media.Example != nil {
			examples[""] = media.Example
		}
		for name, example := range media.Examples {
			examples[name] = example.Value.Value
		}
		for name, example := range examples {
			if err := media.Schema.Value.VisitJSON(example, as, openapi3.EnableFormatValidation()); err != nil {
				op.t.Errorf("%s: example %s of %s breaks its schema: %v", op.name, name, of, err)
			}
		}
		if len(examples) == 0 {
			op.t.Errorf("%s has no example of %s as %s", op.name, of, form)
		}
		maps.Copy(all, examples)
	}
	if len(content) == 0 {
		op.t.Errorf("%s has no %s", op.name, of)
	}
	return all
}

// wantError: an error tells its codes, in words and for machines, and shows an
// answer with each.
func (op documented) wantError(status string, response *openapi3.Response) {
	op.t.Helper()
	examples := op.wantExamples(status, response.Content, openapi3.VisitAsResponse())
	codes, _ := response.Extensions["x-codes"].([]any)
	if len(codes) == 0 {
		op.t.Errorf("%s does not tell what %s means", op.name, status)
	}
	for _, code := range codes {
		code := code.(string)
		if !strings.Contains(*response.Description, code+": ") {
			op.t.Errorf("%s: %s is not explained", op.name, code)
		}
		example, found := examples[code].(map[string]any)
		if _, own := examples[""]; !found && !own {
			op.t.Errorf("%s: %s has no example", op.name, code)
		} else if found && example["error"].(map[string]any)["code"] != code {
			op.t.Errorf("%s: the example of %s is another's", op.name, code)
		}
	}
}

// TestListsHaveOneShape: the items and where in the list they stand.
func TestListsHaveOneShape(t *testing.T) {
	w := newWorld(t)
	lists := 0
	w.eachDocumented(t, func(op documented) {
		if !strings.HasPrefix(op.OperationID, "list") || op.OperationID == "listPoolMoves" { // a plan, not a list of what there is
			return
		}
		lists++
		schema := op.Responses.Value("200").Value.Content.Get("application/json").Schema.Value
		if page := schema.Properties["pagination"]; page == nil || page.Ref != "#/components/schemas/Pagination" || len(schema.Properties) != 2 {
			t.Errorf("%s answers with %v", op.name, slices.Sorted(maps.Keys(schema.Properties)))
		}
		if limit := op.Parameters.GetByInAndName("query", "limit"); limit == nil || *limit.Schema.Value.Max != 100 || limit.Schema.Value.Default != 20.0 {
			t.Errorf("%s: limit is not 1 to 100, by default 20", op.name)
		}
	})
	if lists < 8 {
		t.Errorf("only %d lists", lists)
	}
}

// TestRequestExamplesAreTaken: what the document shows as a body is one that
// the operation can read and has nothing to say against.
func TestRequestExamplesAreTaken(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_default", 0)
	sent := 0
	w.eachDocumented(t, func(op documented) {
		signed := []string{"enroll", "unenroll", "changePayoutAddress"} // whose signature no example can have
		if op.RequestBody == nil || slices.Contains(signed, op.OperationID) {
			return
		}
		sent++
		method, path, _ := strings.Cut(op.name, " ")
		target := targetOf(path, map[string]string{"node_id": "node_none", "pool_id": "pool_none", "user_id": "user_1", "key_id": "key_1", "payout_id": "payout_none", "flag_id": "flag_1"}, nil, "")
		a := w.send(method, target, w.body(op.RequestBody.Value.Content.Get("application/json").Example), w.once(op.OperationID))
		if a.StatusCode == http.StatusBadRequest || a.StatusCode == http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", op.name, a.StatusCode, a.body)
		}
	})
	if sent < 13 {
		t.Errorf("only %d examples were sent", sent)
	}
}

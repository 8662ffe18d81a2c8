package api

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/getkin/kin-openapi/openapi3"
)

// wantDocumented holds an answer against what the document says of the
// operation: its status, its code when it is an error, and its body, which
// kin-openapi compares with the schema. The router's own 404 and 405 belong to
// no operation, and with an empty id the target is the collection's. Nothing is
// ever our fault.
func (w *world) wantDocumented(t *testing.T, op *huma.Operation, target string, a answerOf) {
	t.Helper()
	router := a.StatusCode == http.StatusNotFound && strings.Contains(string(a.body), "LUCID_ERR_1004") ||
		a.StatusCode == http.StatusMethodNotAllowed && strings.Contains(string(a.body), "LUCID_ERR_1005")
	response := w.promises(t)[op.OperationID].Responses.Value(strconv.Itoa(a.StatusCode))
	if a.StatusCode >= 500 || response == nil && !router {
		t.Errorf("%s %q answers %d %s", op.Method, target, a.StatusCode, a.body)
	}
	path, _, _ := strings.Cut(target, "?")
	if other := strings.HasSuffix(op.Path, "}") && strings.HasSuffix(path, "/"); response == nil || router || other {
		return
	}
	codes, isError := op.Responses[strconv.Itoa(a.StatusCode)].Extensions["x-codes"].([]string)
	if isError && !slices.ContainsFunc(codes, func(code string) bool { return strings.Contains(string(a.body), `"code":"`+code+`"`) }) {
		t.Errorf("%s %q answers %d with a code that it does not document, beside %v: %s", op.Method, target, a.StatusCode, codes, a.body)
	}
	if err := keeps(response.Value, a); err != "" {
		t.Errorf("%s %q answers %d unlike its schema: %s\n%.2000s", op.Method, target, a.StatusCode, err, a.body)
	}
}

// promises are the operations of the served document by their ids, as
// kin-openapi reads them.
func (w *world) promises(t testing.TB) map[string]*openapi3.Operation {
	t.Helper()
	if w.promised == nil {
		w.promised = map[string]*openapi3.Operation{}
		for _, item := range w.parsed(t, "/openapi-3.0.json").Paths.Map() {
			for _, op := range item.Operations() {
				w.promised[op.OperationID] = op
			}
		}
	}
	return w.promised
}

// keeps says how an answer differs from what was promised; "" when it does not.
func keeps(promised *openapi3.Response, a answerOf) string {
	if len(promised.Content) == 0 {
		return map[bool]string{false: "a body where none belongs"}[len(a.body) == 0]
	}
	mediaType, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || promised.Content[mediaType] == nil {
		return "it is " + a.Header.Get("Content-Type")
	}
	if mediaType != "application/json" {
		return ""
	}
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		return err.Error()
	}
	if err := promised.Content[mediaType].Schema.Value.VisitJSON(body, openapi3.VisitAsResponse(), openapi3.EnableFormatValidation()); err != nil {
		return err.Error()
	}
	return ""
}

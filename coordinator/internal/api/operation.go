package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

// operation declares one operation. The document shows it and register
// enforces it, so the two cannot differ.
type operation struct {
	id          string // listNodes: unique, a verb first
	method      string
	path        string
	collection  bool // reached with and without a trailing slash
	tag         string
	role        access.Role   // least role; "" is public
	owner       bool          // open to credentials that are bound to nodes, for those nodes only
	money       bool          // moves money or says where it goes: who calls is read again, as for every admin operation
	welcomes    bool          // public, but a credential that comes along is looked at
	probe       bool          // asked by machines that act upon silence: never limited, under any host
	wait        time.Duration // that it may take beyond Timeout
	stream      bool          // answers with server-sent events for as long as its caller stays
	summary     string
	description string
	status      int          // of success; default 200
	errors      []fault.Code // beyond those that every such operation has
	maxBody     int64        // default maxBodyBytes
	request     any          // an example of the request's body
	example     any          // an example of the success answer's
	csv         string       // an example of the success answer as CSV, of an operation that writes its answer itself, in either form
	unlike      map[int]any  // errors whose answer has a shape of its own, each with an example
}

// answer is the output of an operation that answers with a body and no header
// of its own.
type answer[T any] struct{ Body T }

func answered[T any](body T) (*answer[T], error) { return &answer[T]{body}, nil }

// register adds the operation. A nil output with a nil error is an empty answer.
func register[I, O any](s *server, o operation, handle func(context.Context, *I) (*O, error)) {
	if o.reads() {
		handle = amongReaders(s, handle)
	}
	run := func(ctx context.Context, in *I) (*O, error) {
		if unknown := callOf(ctx).unknown; len(unknown) > 0 {
			return nil, s.problem(ctx, faultOf(http.StatusUnprocessableEntity, unknown))
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	}
	huma.Register(s.huma, s.describe(o, reflect.TypeFor[I](), reflect.TypeFor[O]()), run)
	if o.collection {
		twin := s.describe(o, reflect.TypeFor[I](), reflect.TypeFor[O]())
		twin.Path, twin.Hidden = otherSpelling(o.path), true
		huma.Register(s.huma, twin, run)
	}
}

func otherSpelling(path string) string {
	if bare, ok := strings.CutSuffix(path, "/"); ok {
		return bare
	}
	return path + "/"
}

func (s *server) describe(o operation, input, output reflect.Type) huma.Operation {
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Tags: []string{o.tag}, Summary: o.summary,
		Description:   o.description + "\n\n" + o.accessSentence(),
		DefaultStatus: cmp.Or(o.status, http.StatusOK),
		// enter has read and bounded the body when huma comes to it.
		MaxBodyBytes: -1, BodyReadTimeout: -1,
		Middlewares: huma.Middlewares{s.enter(o, queryNames(input))},
		Security:    o.security(),
		Extensions:  map[string]any{"x-role": cmp.Or(string(o.role), "public"), "x-owner": o.owner},
		Responses:   map[string]*huma.Response{},
	}
	if _, hasBody := output.FieldByName("Body"); hasBody {
		op.Responses[strconv.Itoa(op.DefaultStatus)] = &huma.Response{
			Description: http.StatusText(op.DefaultStatus),
			Content:     s.content(o),
		}
	}
	if o.request != nil {
		op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Example: o.request}}}
	}
	maps.Copy(op.Responses, s.errorResponses(o.codes(input)))
	for status, example := range o.unlike {
		schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(example), true, "")
		op.Responses[strconv.Itoa(status)].Content["application/json"] = &huma.MediaType{Schema: schema, Example: example}
	}
	if !o.probe {
		op.Responses[strconv.Itoa(http.StatusTooManyRequests)].Headers = rateHeaders()
		op.Responses[strconv.Itoa(http.StatusMisdirectedRequest)] = s.errorResponse([]fault.Code{fault.RouteUnknown})
	}
	return op
}

func (o operation) accessSentence() string {
	switch {
	case o.role == "":
		return "Public: no credential is needed."
	case o.owner:
		return fmt.Sprintf("Needs role %s or higher. A credential that is bound to nodes sees these nodes only.", o.role)
	}
	return fmt.Sprintf("Needs role %s or higher, and a credential that is not bound to nodes.", o.role)
}

// content is what a success answers with; huma adds the schema of JSON, unless
// the operation writes its answer itself.
func (s *server) content(o operation) map[string]*huma.MediaType {
	text := &huma.Schema{Type: huma.TypeString}
	switch {
	case o.stream:
		return map[string]*huma.MediaType{"text/event-stream": {Schema: text, Example: o.example}}
	case o.csv != "":
		schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(o.example), true, "")
		return map[string]*huma.MediaType{"application/json": {Schema: schema, Example: o.example}, "text/csv": {Schema: text, Example: o.csv}}
	}
	return map[string]*huma.MediaType{"application/json": {Example: o.example}}
}

// security is an empty list, not none, for a public operation: it lifts the
// document's general requirement.
func (o operation) security() []map[string][]string {
	if o.role == "" {
		return []map[string][]string{}
	}
	ways := []map[string][]string{{"bearer": {}}, {"apiKey": {}}}
	if o.stream {
		ways = append(ways, map[string][]string{"cookie": {}})
	}
	return ways
}

// codes are all errors that the operation can answer with.
func (o operation) codes(input reflect.Type) []fault.Code {
	codes := append(slices.Clone(o.errors), fault.InternalError, fault.DatabaseDown, fault.TimedOut)
	if o.role != "" {
		codes = append(codes, fault.NoCredentials, fault.BadCredentials)
		if o.role != access.Viewer || !o.owner {
			codes = append(codes, fault.RoleTooLow)
		}
	}
	if !o.probe {
		codes = append(codes, fault.RateLimited)
	}
	// Unknown query parameters are refused everywhere.
	codes = append(codes, fault.Validation)
	if _, hasBody := input.FieldByName("Body"); hasBody {
		codes = append(codes, fault.BodyMalformed, fault.MediaType)
	}
	return codes
}

// errorResponses documents the codes by status, each with its meaning.
func (s *server) errorResponses(codes []fault.Code) map[string]*huma.Response {
	byStatus := map[int][]fault.Code{}
	slices.SortFunc(codes, func(a, b fault.Code) int { return a.Number - b.Number })
	for _, c := range slices.Compact(codes) {
		for _, status := range statuses(c) {
			byStatus[status] = append(byStatus[status], c)
		}
	}
	responses := map[string]*huma.Response{}
	for status, codes := range byStatus {
		responses[strconv.Itoa(status)] = s.errorResponse(codes)
	}
	return responses
}

func (s *server) errorResponse(codes []fault.Code) *huma.Response {
	var lines, names []string
	examples := map[string]*huma.Example{}
	for _, c := range codes {
		lines, names = append(lines, fmt.Sprintf("%s: %s", c, meaning(c))), append(names, c.String())
		examples[c.String()] = s.exampleOf(c)
	}
	schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Error")
	return &huma.Response{
		Description: strings.Join(lines, "\n\n"),
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schema, Examples: examples}},
		Extensions:  map[string]any{"x-codes": names},
	}
}

// exampleOf refers to an answer with the code, which the document shows once.
func (s *server) exampleOf(c fault.Code) *huma.Example {
	name, all := c.String(), s.huma.OpenAPI().Components.Examples
	if all[name] == nil {
		all[name] = &huma.Example{Summary: meaning(c), Value: exampleProblem(c)}
	}
	return &huma.Example{Ref: "#/components/examples/" + name}
}

// enter stands before every operation: it notes which one it is, limits its
// time, and lets only callers of a sufficient role through, and not too often.
func (s *server) enter(o operation, query []string) func(huma.Context, func(huma.Context)) {
	return func(h huma.Context, next func(huma.Context)) {
		c := humagin.Unwrap(h)
		ctx, cancel := context.WithTimeout(c.Request.Context(), s.Timeout+o.wait)
		defer cancel()
		call := callOf(ctx)
		call.operation = o.id
		if o.role != "" || o.welcomes && hasCredential(c.Request) {
			p, err := s.admit(ctx, c, o)
			call.principal = p
			if err != nil {
				s.fail(c, err)
				return
			}
		} else if !o.probe {
			if err := s.countAddress(c); err != nil {
				s.fail(c, err)
				return
			}
		}
		if err := readBody(c, cmp.Or(o.maxBody, maxBodyBytes)); err != nil {
			s.fail(c, err)
			return
		}
		call.unknown = unknownQuery(c.Request.URL.Query(), query)
		if !o.stream { // whose end is not for us to set
			c.Request = c.Request.WithContext(ctx)
		}
		next(h)
	}
}

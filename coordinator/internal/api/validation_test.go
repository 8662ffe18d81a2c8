package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
)

// faulty is a request to an operation in which everything is wrong that a
// schema can tell, and the names of what is wrong.
type faulty struct {
	s      *server
	path   string
	query  url.Values
	header http.Header
	want   []string
}

func (f *faulty) parameter(p *huma.Param) {
	bad, can := badText(p.Schema)
	if !can {
		return
	}
	name := p.Name
	if p.Schema.Items != nil {
		name += "[0]"
	}
	f.want = append(f.want, name)
	switch p.In {
	case "path":
		f.path = strings.Replace(f.path, "{"+p.Name+"}", url.PathEscape(bad), 1)
	case "query":
		f.query.Set(p.Name, bad)
	case "header":
		f.header.Set(p.Name, bad)
	}
}

// badText is what a parameter of this schema cannot be, if there is such.
func badText(schema *huma.Schema) (string, bool) {
	if schema.Items != nil {
		schema = schema.Items
	}
	switch {
	case schema.Type != huma.TypeString, schema.Format != "", len(schema.Enum) > 0:
		return "~", true
	case schema.MaxLength != nil:
		return strings.Repeat("~", *schema.MaxLength+1), true
	}
	return "~", schema.Pattern != ""
}

// bad is a value that breaks the schema in every field; names gathers them.
func (f *faulty) bad(schema *huma.Schema, name string) any {
	schema = f.s.resolve(schema)
	if len(schema.Properties) == 0 {
		f.want = append(f.want, name)
		if schema.Type == huma.TypeString {
			return 5
		}
		return map[string]any{huma.TypeInteger: "5", huma.TypeNumber: "5", huma.TypeArray: "5", huma.TypeObject: "5"}[schema.Type]
	}
	value := map[string]any{}
	for field, inner := range schema.Properties {
		full := strings.TrimPrefix(name+"."+field, ".")
		switch bad := f.bad(inner, full); {
		case bad != nil:
			value[field] = bad
		case len(f.s.resolve(inner).OneOf) > 0, f.s.resolve(inner).Type == huma.TypeBoolean:
			value[field] = []any{}
		case !slices.Contains(schema.Required, field): // anything is right
			f.want = slices.DeleteFunc(f.want, func(s string) bool { return s == full })
		}
	}
	if schema.AdditionalProperties == false {
		f.want, value["unheard"] = append(f.want, strings.TrimPrefix(name+".unheard", ".")), 1
	}
	return value
}

// TestEveryBadFieldIsToldAtOnce sends each operation a request that is wrong in
// path, query, headers and body: one answer names each field, each once.
func TestEveryBadFieldIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	for path, item := range w.huma.OpenAPI().Paths {
		for _, op := range maps.Collect(methods(item)) {
			f := &faulty{s: w.server, path: path, query: url.Values{"unheard": {"1"}}, header: http.Header{}, want: []string{"unheard"}}
			for _, p := range op.Parameters {
				f.parameter(p)
			}
			body := ""
			if op.RequestBody != nil {
				body = w.body(f.bad(op.RequestBody.Content["application/json"].Schema, ""))
			}
			a := w.send(op.Method, f.path+"?"+f.query.Encode(), body, func(r *http.Request) {
				maps.Copy(r.Header, f.header)
				as(w.keys[access.Admin])(r)
			})
			got := w.fieldNames(w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002"))
			slices.Sort(f.want)
			if !slices.Equal(got, f.want) {
				t.Errorf("%s names\n%v, want\n%v\n%s", op.OperationID, got, f.want, body)
			}
		}
	}
}

// TestRulesAreToldBesideTheSchema: what only the noun can tell stands in the
// same answer as what the schema, the path, the query and the headers tell, and
// nothing is said of a field that is right.
func TestRulesAreToldBesideTheSchema(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	long := func(r *http.Request) { r.Header.Set("If-Match", strings.Repeat("1", 1001)) }
	for _, c := range []struct {
		operation, path, body string
		edit                  func(*http.Request)
		want                  string
	}{
		{"POST /nodes/", "?a=1", `{"name": "x", "labels": {"a b": "c"}, "payout_address": "T1", "location": {"country": "XX", "city": 5, "timezone": "Mars/North"}}`, nil,
			"a labels location.city location.country location.timezone name node_type payout_address"},
		{"POST /nodes/", "", `{"name": "attic", "node_type": "worker", "configuration": {"max_sessions": 0, "maintenance_window": {"start": "01:00", "end": "01:00"}}}`, nil,
			"configuration.maintenance_window.end configuration.max_sessions"},
		{"PUT /nodes/node_1", "?b=2", `{"status_until": "soon", "name": "~", "status": "maintenance", "payout_address": "T1"}`, long,
			"If-Match b name payout_address status_reason status_until"},
		{"PUT /nodes/a", "", `{"status": "dead", "status_reason": "why", "status_until": "2020-01-01T00:00:00Z", "labels": {"ok": "b c"}}`, nil,
			"labels.ok node_id status status_until"},
		{"POST /nodes/pools/", "?a=1", `{"name": "x", "max_nodes": 1000, "auto_scaling": {"policy": {"scale_up_threshold": 50, "scale_down_threshold": 50, "min_nodes": "1"}},
			"placement": {"regions": ["Bavaria"]}, "pricing": {"reward_per_epoch": "1.0000001"}}`, nil,
			"a auto_scaling.policy.min_nodes auto_scaling.policy.scale_down_threshold max_nodes name placement.regions pricing.reward_per_epoch"},
		{"PUT /nodes/pools/home", "", `{"name": "x", "auto_scaling": {"policy": {"min_nodes": 20, "max_nodes": 10}}, "pricing": {"reward_per_epoch": -1}}`, long,
			"If-Match auto_scaling.policy.min_nodes name pool_id pricing.reward_per_epoch"},
		{"POST /nodes/pools/home/nodes", "?priority=3&node_id=node_a&a=1", `{"priority": 4, "node_id": "node_b"}`, nil, "a node_id pool_id priority"},
		{"POST /nodes/pools/home/nodes", "?priority=200", `{"priority": 4}`, nil, "node_id pool_id priority"},
		{"POST /nodes/pools/home/nodes", "", "", nil, "node_id pool_id"},
		{"POST /apikeys", "?a=1", `{"expires_at": "soon", "name": "billing", "node_ids": ["node_none"], "role": "admin"}`, nil, "a expires_at node_ids role"},
		{"POST /apikeys", "", `{"expires_at": "2020-01-01T00:00:00Z", "name": "x", "role": "viewer"}`, nil, "expires_at name"},
		{"POST /users", "?a=1", `{"name": "x", "email": "ada", "role": "service", "password": "a\u0001bcdefghijklm"}`, nil, "a email name password role"},
		{"PATCH /users/ada", "?a=1", `{"email": "ada", "role": "service", "password": "short", "disabled": 1}`, nil, "a disabled email password role user_id"},
		{"POST /enroll", "?a=1", `{"v": "one", "token": "t", "x25519_public": "AA==", "device_public": "~", "inventory": [], "signature": "AA==", "payout_address": "T1"}`, nil,
			"a device_public inventory payout_address v x25519_public"},
		{"POST /alerts/silences", "?a=1", `{"node_id": "node_1", "pool_id": "pool_1", "ends_at": "2020-01-01T00:00:00Z", "reason": 5}`, nil, "a ends_at pool_id reason"},
		{"POST /alerts/thresholds", "?a=1", `{"thresholds": {"cpu": {"warning": 90, "critical": 80}, "memory": {"warning": "x"}}}`, nil,
			"a thresholds.cpu.critical thresholds.memory.warning"},
		{"POST /enrolment-tokens", "?a=1", `{"expires_at": "2020-01-01T00:00:00Z", "node_name": "x", "node_id": "node_1", "uses": 2}`, nil, "a expires_at node_name serials uses"},
		{"GET /nodes/node/resources/metrics", "?a=1&start_time=2026-05-04T12:00:00Z&end_time=2026-05-04T11:00:00Z&metric_type=x", "", nil,
			"a end_time metric_type node_id"},
		{"GET /nodes/", "?cursor=abcd&a=1&limit=0", "", nil, "a cursor limit"},
		{"GET /nodes/", "?cursor=abcd&sort=size", "", nil, "sort"},
		{"GET /nodes/pools/", "?cursor=abcd&a=1&limit=0", "", nil, "a cursor limit"},
	} {
		method, path, _ := strings.Cut(c.operation, " ")
		a := w.send(method, basePath+path+c.path, c.body, func(r *http.Request) {
			as(w.keys[access.Admin])(r)
			if c.edit != nil {
				c.edit(r)
			}
		})
		got := w.fieldNames(w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002"))
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s%s names\n%s, want\n%s", c.operation, c.path, strings.Join(got, " "), c.want)
		}
	}
}

// TestUnreadableBodiesAskNoRules: of what could not be read nothing is missing.
func TestUnreadableBodiesAskNoRules(t *testing.T) {
	w := newWorld(t)
	a := w.send(http.MethodPost, "/api/v1/nodes/?a=1", "{", as(w.keys[access.Admin]))
	if got := w.fieldNames(w.wantError(a, http.StatusBadRequest, "LUCID_ERR_1001")); !slices.Equal(got, []string{"a", "body"}) {
		t.Errorf("fields %v", got)
	}
	a = w.send(http.MethodPost, "/api/v1/nodes/", "[]", as(w.keys[access.Admin]))
	if got := w.fieldNames(w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002")); !slices.Equal(got, []string{"body"}) {
		t.Errorf("fields %v", got)
	}
}

// TestNoRefusalShowsARegularExpression: what a field wants is told in words.
func TestNoRefusalShowsARegularExpression(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") || file == "problem.go" { // which is only ever sent
			continue
		}
		for line := range strings.Lines(string(source)) {
			if !strings.Contains(line, `pattern:"`) {
				continue
			}
			seen++
			if !strings.Contains(line, ` patternDescription:"`) {
				t.Errorf("%s: no patternDescription beside the pattern: %s", file, strings.TrimSpace(line))
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d patterns were seen", seen)
	}
}

// TestDetailsAreBounded: an answer stays small, whatever was sent.
func TestDetailsAreBounded(t *testing.T) {
	w := newWorld(t)
	body := fmt.Sprintf(`{"moves": [%s 1]}`, strings.Repeat("1,", 20*mostDetails))
	d := w.wantError(w.send(http.MethodPost, "/api/v1/nodes/pools/balance", body, as(w.keys[access.Admin])), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	if len(d.Details) != mostDetails || !strings.HasSuffix(d.Message, "leaves out 19002 more") {
		t.Errorf("%d details, %s", len(d.Details), d.Message)
	}
}

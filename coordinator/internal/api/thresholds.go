package api

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/fault"
)

// thresholdPlace is where the thresholds of a scope stand.
type thresholdPlace struct {
	path  string
	whose string // Node, Pool or Fleet
	of    string
	owner bool
	codes []fault.Code
}

func (s *server) thresholdOperations() {
	node := thresholdPlace{"/nodes/{node_id}/resources/thresholds", "Node", "a node", true, []fault.Code{fault.NodeNotFound}}
	poolOf := thresholdPlace{"/nodes/pools/{pool_id}/thresholds", "Pool", "a pool", false, []fault.Code{fault.PoolNotFound}}
	fleet := thresholdPlace{"/alerts/thresholds", "Fleet", "the fleet", false, nil}
	registerThresholds[NodeInput, nodeThresholdsInput, nodeKindInput](s, node)
	registerThresholds[PoolInput, poolThresholdsInput, poolKindInput](s, poolOf)
	registerThresholds[fleetInput, fleetThresholdsInput, fleetKindInput](s, fleet)
}

// What the operations take in each scope.
type (
	fleetInput          struct{}
	nodeThresholdsInput struct {
		NodeInput
		Body setThresholdsBody
	}
	nodeKindInput struct {
		NodeInput
		KindInput
	}
	poolThresholdsInput struct {
		PoolInput
		Body setThresholdsBody
	}
	poolKindInput struct {
		PoolInput
		KindInput
	}
	fleetThresholdsInput struct{ Body setThresholdsBody }
	fleetKindInput       struct{ KindInput }
)

// KindInput names a kind of alert.
type KindInput struct {
	Kind string `path:"kind" enum:"cpu,memory,disk,temperature,throttled,under_voltage,offline,clock_skew,proof_failures,sd_errors" example:"cpu" doc:"Kind of alert."`
}

func (in KindInput) kind() alert.Kind { return alert.Kind(in.Kind) }

func (in NodeInput) scope() alert.Scope         { return alert.Scope{NodeID: in.NodeID} }
func (in PoolInput) scope() alert.Scope         { return alert.Scope{PoolID: in.PoolID} }
func (fleetInput) scope() alert.Scope           { return alert.Scope{} }
func (fleetThresholdsInput) scope() alert.Scope { return alert.Scope{} }
func (fleetKindInput) scope() alert.Scope       { return alert.Scope{} }

func (in nodeThresholdsInput) set() setThresholdsBody  { return in.Body }
func (in poolThresholdsInput) set() setThresholdsBody  { return in.Body }
func (in fleetThresholdsInput) set() setThresholdsBody { return in.Body }

// registerThresholds adds the three operations that each scope has.
func registerThresholds[R interface{ scope() alert.Scope }, W interface {
	scope() alert.Scope
	set() setThresholdsBody
}, D interface {
	scope() alert.Scope
	kind() alert.Kind
}](s *server, at thresholdPlace) {
	const nearest = "Of node, pool and fleet the nearest that speaks of a kind holds for a node; the defaults hold for the rest. "
	register(s, operation{
		id: "get" + at.whose + "Thresholds", method: http.MethodGet, path: basePath + at.path, tag: "alerts", role: access.Viewer, owner: at.owner,
		summary: "Read the thresholds of " + at.of, description: nearest + "source tells whose each one is.",
		errors: at.codes, example: exampleThresholds(),
	}, func(ctx context.Context, in *R) (*answer[thresholdsAnswer], error) {
		return s.answerThresholds(ctx, (*in).scope())
	})
	register(s, operation{
		id: "set" + at.whose + "Thresholds", method: http.MethodPost, path: basePath + at.path, tag: "alerts", role: access.Operator,
		summary: "Set thresholds of " + at.of,
		description: nearest + "Each kind that is given is set whole: a level that is left out is never reached. An alert fires once the value has been at " +
			"its level or above for that long, and ends when it falls below the level by more than the hysteresis. Answers with all that hold now.",
		errors: at.codes, request: exampleSetThresholds(), example: exampleThresholds(),
	}, func(ctx context.Context, in *W) (*answer[thresholdsAnswer], error) {
		return s.setThresholds(ctx, (*in).scope(), (*in).set())
	})
	register(s, operation{
		id: "remove" + at.whose + "Threshold", method: http.MethodDelete, path: basePath + at.path + "/{kind}", tag: "alerts", role: access.Operator,
		status: http.StatusNoContent, summary: "Take back a threshold of " + at.of, description: "What is wider holds again.",
		errors: append([]fault.Code{fault.OtherNotFound}, at.codes...),
	}, func(ctx context.Context, in *D) (*struct{}, error) {
		return nil, s.Alerts.RemoveThreshold(ctx, by(ctx), (*in).scope(), (*in).kind())
	})
}

type setThresholdsBody struct {
	Thresholds thresholdsInput `json:"thresholds" doc:"By kind of alert."`
}

type thresholdInput struct {
	Enabled            *bool    `json:"enabled,omitempty" doc:"true without it; false: no alerts of this kind."`
	Warning            *float64 `json:"warning,omitempty" doc:"In the unit of the kind, which reading the thresholds tells."`
	WarningForSeconds  *int     `json:"warning_for_seconds,omitempty" minimum:"0" maximum:"604800" doc:"How long it must last; without it as by default."`
	Critical           *float64 `json:"critical,omitempty" doc:"Not below warning."`
	CriticalForSeconds *int     `json:"critical_for_seconds,omitempty" minimum:"0" maximum:"604800"`
	Hysteresis         *float64 `json:"hysteresis,omitempty" minimum:"0" doc:"Without it as by default."`
}

// threshold is what the input says, and the kind's default for the rest.
func (in thresholdInput) threshold(k alert.Kind) alert.Threshold {
	standard := alert.Default(k)
	level := func(value *float64, seconds *int, standard *alert.Level) *alert.Level {
		if value == nil {
			return nil
		}
		l := alert.Level{Value: *value}
		switch {
		case seconds != nil:
			l.For = time.Duration(*seconds) * time.Second
		case standard != nil:
			l.For = standard.For
		}
		return &l
	}
	return alert.Threshold{
		Enabled: in.Enabled == nil || *in.Enabled, Hysteresis: *cmp.Or(in.Hysteresis, &standard.Hysteresis),
		Warning:  level(in.Warning, in.WarningForSeconds, standard.Warning),
		Critical: level(in.Critical, in.CriticalForSeconds, cmp.Or(standard.Critical, standard.Warning)),
	}
}

// thresholdsInput are thresholds by kind; any may be missing.
type thresholdsInput map[alert.Kind]thresholdInput

// Schema is an object that knows the kinds.
func (thresholdsInput) Schema(r huma.Registry) *huma.Schema {
	return kindsSchema(r.Schema(reflect.TypeFor[thresholdInput](), true, ""), nil)
}

type thresholdBody struct {
	Source             string   `json:"source" enum:"node,pool,fleet,default" doc:"Whose it is."`
	Unit               string   `json:"unit" enum:"percent,celsius,seconds,count,flag" doc:"Of warning, critical and hysteresis; a flag is 1 for yes."`
	Enabled            bool     `json:"enabled"`
	Warning            *float64 `json:"warning" doc:"null: never reached."`
	WarningForSeconds  *int     `json:"warning_for_seconds"`
	Critical           *float64 `json:"critical"`
	CriticalForSeconds *int     `json:"critical_for_seconds"`
	Hysteresis         float64  `json:"hysteresis"`
}

// thresholdsBody are the thresholds of all kinds.
type thresholdsBody map[alert.Kind]thresholdBody

// Schema is an object that has every kind.
func (thresholdsBody) Schema(r huma.Registry) *huma.Schema {
	var all []string
	for _, k := range alert.Kinds() {
		all = append(all, string(k))
	}
	return kindsSchema(r.Schema(reflect.TypeFor[thresholdBody](), true, ""), all)
}

func kindsSchema(of *huma.Schema, required []string) *huma.Schema {
	schema := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, Required: required, AdditionalProperties: false}
	for _, k := range alert.Kinds() {
		schema.Properties[string(k)] = of
	}
	schema.PrecomputeMessages()
	return schema
}

type thresholdsAnswer struct {
	Thresholds thresholdsBody `json:"thresholds" doc:"What holds for each kind of alert."`
}

func (s *server) answerThresholds(ctx context.Context, scope alert.Scope) (*answer[thresholdsAnswer], error) {
	settings, err := s.Alerts.Settings(ctx, scope)
	if err != nil {
		return nil, err
	}
	return answered(shapeThresholds(settings))
}

func (b *setThresholdsBody) thresholds() map[alert.Kind]alert.Threshold {
	set := make(map[alert.Kind]alert.Threshold, len(b.Thresholds))
	for k, in := range b.Thresholds {
		set[k] = in.threshold(k)
	}
	return set
}

// Resolve asks the noun.
func (b *setThresholdsBody) Resolve(huma.Context) []error {
	if len(b.Thresholds) == 0 {
		return complaints("body", badField("thresholds", "must name a kind of alert"))
	}
	return complaints("body.thresholds", alert.CheckThresholds(b.thresholds()))
}

func (s *server) setThresholds(ctx context.Context, scope alert.Scope, body setThresholdsBody) (*answer[thresholdsAnswer], error) {
	if err := s.Alerts.SetThresholds(ctx, by(ctx), scope, body.thresholds()); err != nil {
		return nil, err
	}
	return s.answerThresholds(ctx, scope)
}

func shapeThresholds(settings []alert.Setting) thresholdsAnswer {
	b := thresholdsAnswer{thresholdsBody{}}
	level := func(l *alert.Level) (value *float64, seconds *int) {
		if l == nil {
			return nil, nil
		}
		held := int(l.For / time.Second)
		return &l.Value, &held
	}
	for _, st := range settings {
		t := thresholdBody{Source: string(st.Source), Unit: string(st.Kind.Unit()), Enabled: st.Enabled, Hysteresis: st.Hysteresis}
		t.Warning, t.WarningForSeconds = level(st.Warning)
		t.Critical, t.CriticalForSeconds = level(st.Critical)
		b.Thresholds[st.Kind] = t
	}
	return b
}

func exampleThresholds() thresholdsAnswer {
	var settings []alert.Setting
	for _, k := range alert.Kinds() {
		settings = append(settings, alert.Setting{Kind: k, Threshold: alert.Default(k), Source: alert.ByDefault})
	}
	return shapeThresholds(settings)
}

func exampleSetThresholds() setThresholdsBody {
	warning, critical, held := 80.0, 85.0, 600
	return setThresholdsBody{thresholdsInput{alert.Temperature: {Warning: &warning, WarningForSeconds: &held, Critical: &critical}}}
}

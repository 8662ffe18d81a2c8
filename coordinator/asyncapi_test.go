package coordinator_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

type yamlObject = map[string]any

// asyncMessages are the types that go over MQTT, by the name of their schema,
// with the topic each has.
func asyncMessages() map[string]struct {
	topic    string
	fromNode bool
	typ      reflect.Type
} {
	type message = struct {
		topic    string
		fromNode bool
		typ      reflect.Type
	}
	of := func(c wire.Channel, typ reflect.Type) message {
		return message{wire.Topic("{node_id}", c), c.FromNode(), typ}
	}
	return map[string]message{
		"Status":        of(wire.ChannelStatus, reflect.TypeFor[wire.Status]()),
		"Info":          of(wire.ChannelInfo, reflect.TypeFor[wire.Info]()),
		"Metrics":       of(wire.ChannelMetrics, reflect.TypeFor[wire.Metrics]()),
		"Challenge":     of(wire.ChannelChallenge, reflect.TypeFor[wire.Challenge]()),
		"Response":      of(wire.ChannelResponse, reflect.TypeFor[wire.Response]()),
		"Verdict":       of(wire.ChannelVerdict, reflect.TypeFor[wire.Verdict]()),
		"Command":       of(wire.ChannelCommand, reflect.TypeFor[wire.Command]()),
		"Config":        of(wire.ChannelConfig, reflect.TypeFor[wire.Config]()),
		"CommandResult": of(wire.ChannelCommandResult, reflect.TypeFor[wire.CommandResult]()),
		"MetricsAck":    of(wire.ChannelMetricsAck, reflect.TypeFor[wire.MetricsAck]()),
		"PoolSummary":   {wire.PoolSummaryTopic("{pool_id}"), false, reflect.TypeFor[pool.Summary]()},
		"LedgerHead":    {wire.LedgerHeadTopic, false, reflect.TypeFor[ledger.Publication]()},
		"Event":         {wire.EventTopic("{kind}"), false, reflect.TypeFor[event.Message]()},
	}
}

// TestAsyncAPI holds docs/asyncapi.yaml against the types that are sent.
func TestAsyncAPI(t *testing.T) {
	text, err := os.ReadFile("../docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yamlObject
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("asyncapi is %v", doc["asyncapi"])
	}
	components := doc["components"].(yamlObject)
	schemas := components["schemas"].(yamlObject)
	seen := map[string]bool{}
	for name, message := range asyncMessages() {
		wantChannel(t, doc, name, message.topic, message.fromNode)
		wantSchema(t, schemas, name, message.typ, seen)
	}
	for name := range schemas {
		if !seen[name] {
			t.Errorf("schema %s is of no message", name)
		}
	}
	for _, part := range []string{"channels", "operations"} {
		if n := len(doc[part].(yamlObject)); n != len(asyncMessages()) {
			t.Errorf("%d %s for %d messages", n, part, len(asyncMessages()))
		}
	}
	if n := len(components["messages"].(yamlObject)); n != len(asyncMessages()) {
		t.Errorf("%d messages documented of %d", n, len(asyncMessages()))
	}
	wantReferences(t, doc, doc)
}

// wantChannel: the message stands on its topic, and goes the right way.
func wantChannel(t *testing.T, doc yamlObject, message, topic string, fromNode bool) {
	t.Helper()
	for name, c := range doc["channels"].(yamlObject) {
		c := c.(yamlObject)
		if c["address"] != topic {
			continue
		}
		reference := fmt.Sprint(c["messages"])
		if !strings.Contains(reference, "/messages/"+message+"]") {
			t.Errorf("%s holds %s, want %s", c["address"], reference, message)
		}
		action := "send"
		if fromNode {
			action = "receive"
		}
		for _, o := range doc["operations"].(yamlObject) {
			o := o.(yamlObject)
			if o["channel"].(yamlObject)["$ref"] == "#/channels/"+name && o["action"] == action {
				return
			}
		}
		t.Errorf("no operation says that the coordinator is to %s %s", action, name)
		return
	}
	t.Errorf("%s is not documented", topic)
}

// wantSchema compares a schema with the type, field by field, both ways.
func wantSchema(t *testing.T, schemas yamlObject, name string, typ reflect.Type, seen map[string]bool) {
	t.Helper()
	if seen[name] {
		return
	}
	seen[name] = true
	schema, ok := schemas[name].(yamlObject)
	if !ok {
		t.Errorf("%s is not documented", name)
		return
	}
	properties := schema["properties"].(yamlObject)
	var names, required []string
	for i := range typ.NumField() {
		field, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		names = append(names, field)
		if options != "omitempty" {
			required = append(required, field)
		}
		property, ok := properties[field].(yamlObject)
		if !ok {
			t.Errorf("%s.%s is not documented", name, field)
			continue
		}
		wantType(t, schemas, name+"."+field, property, typ.Field(i).Type, seen)
	}
	for field := range properties {
		if !slices.Contains(names, field) {
			t.Errorf("%s.%s is documented and does not exist", name, field)
		}
	}
	var said []string
	for _, field := range schema["required"].([]any) {
		said = append(said, field.(string))
	}
	sort.Strings(said)
	sort.Strings(required)
	if !slices.Equal(said, required) {
		t.Errorf("%s requires %v, want %v", name, said, required)
	}
}

func wantType(t *testing.T, schemas yamlObject, where string, schema yamlObject, typ reflect.Type, seen map[string]bool) {
	t.Helper()
	null := false
	if typ.Kind() == reflect.Pointer {
		null, typ = true, typ.Elem()
	}
	if jsonType(typ) == "struct" {
		if null { // one of the type and null
			choices, _ := schema["oneOf"].([]any)
			if len(choices) != 2 || fmt.Sprint(choices[1]) != "map[type:null]" {
				t.Errorf("%s may be null", where)
				return
			}
			schema = choices[0].(yamlObject)
		}
		if schema["$ref"] != "#/components/schemas/"+typ.Name() {
			t.Errorf("%s is %v, want %s", where, schema, typ.Name())
		}
		wantSchema(t, schemas, typ.Name(), typ, seen)
		return
	}
	got := typesOf(schema)
	mayNull := slices.Contains(got, "null")
	got = slices.DeleteFunc(got, func(s string) bool { return s == "null" })
	want := jsonType(typ)
	if len(got) != 1 || got[0] != want || null && !mayNull || mayNull && !null && typ.Kind() != reflect.Slice {
		t.Errorf("%s is %v, want %s (null: %t)", where, schema["type"], want, null)
	}
	switch {
	case isBytes(typ) && schema["contentEncoding"] != "base64":
		t.Errorf("%s is base64", where)
	case want == "array":
		items, _ := schema["items"].(yamlObject)
		wantType(t, schemas, where+"[]", items, typ.Elem(), seen)
	case want == "object" && typ.Kind() == reflect.Map:
		values, _ := schema["additionalProperties"].(yamlObject)
		wantType(t, schemas, where+"{}", values, typ.Elem(), seen)
	}
}

func typesOf(schema yamlObject) []string {
	switch v := schema["type"].(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, one := range v {
			list = append(list, fmt.Sprint(one))
		}
		return list
	}
	return nil
}

func isBytes(typ reflect.Type) bool {
	return typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Uint8 && typ != reflect.TypeFor[json.RawMessage]()
}

// jsonType is what encoding/json makes of a type.
func jsonType(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[json.RawMessage]():
		return "object" // the data of an event
	case typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || isBytes(typ):
		return "string"
	}
	switch typ.Kind() {
	case reflect.Struct:
		return "struct"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map:
		return "object"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return "integer"
	}
	return "nothing known: " + typ.String()
}

// wantReferences: each $ref leads somewhere.
func wantReferences(t *testing.T, doc yamlObject, tree any) {
	t.Helper()
	switch v := tree.(type) {
	case yamlObject:
		if reference, is := v["$ref"].(string); is {
			at := any(doc)
			for step := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
				object, _ := at.(yamlObject)
				at = object[step]
			}
			if at == nil {
				t.Errorf("%s leads nowhere", reference)
			}
		}
		for _, child := range v {
			wantReferences(t, doc, child)
		}
	case []any:
		for _, child := range v {
			wantReferences(t, doc, child)
		}
	}
}

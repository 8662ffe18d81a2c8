package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// decodeByReflection is the reference: what DecodeMetrics accepts and gives is
// what encoding/json and the same checks accept and give.
func decodeByReflection(payload []byte) (*Metrics, error) {
	m := new(Metrics)
	if err := decode("a metrics message", payload, m); err != nil {
		return nil, err
	}
	return m, m.check()
}

// stricter reports what DecodeMetrics refuses or ignores on purpose: a name
// that comes twice in an object, a known name in other letters, deep nesting.
// It looks at JSON only; anything else is for both decoders to refuse.
func stricter(payload []byte) bool {
	type level struct {
		names map[string]bool // nil in an array
		value bool            // a value comes next, not a name
	}
	var open []level
	d := json.NewDecoder(bytes.NewReader(payload))
	for {
		token, err := d.Token()
		if err != nil {
			return err != io.EOF && len(open) > 0
		}
		last := len(open) - 1
		if name, ok := token.(string); ok && last >= 0 && open[last].names != nil && !open[last].value {
			folded := strings.ToLower(strings.ToUpper(name)) // as the K of kelvin is a k to encoding/json
			if open[last].names[folded] || folded != name {
				return true
			}
			open[last].names[folded], open[last].value = true, true
			continue
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:last]
		}
		if last = len(open) - 1; last >= 0 {
			open[last].value = false
		}
		if len(open) > maxDepth {
			return true
		}
	}
}

func compareWithReflection(t *testing.T, payload []byte) {
	t.Helper()
	got, err := DecodeMetrics(payload)
	want, wantErr := decodeByReflection(payload)
	switch {
	case err == nil && wantErr == nil && !reflect.DeepEqual(got, want) && !stricter(payload):
		t.Errorf("%s\ngives   %+v\nby JSON %+v", payload, got, want)
	case (err == nil) != (wantErr == nil) && json.Valid(payload) && !stricter(payload):
		t.Errorf("%s\ngives   %v\nby JSON %v", payload, err, wantErr)
	case err == nil && !json.Valid(payload):
		t.Errorf("accepted what is not JSON: %s", payload)
	}
}

// Every way of writing a value, in every place of a message.
func TestMetricsAreReadAsEncodingJSONDoes(t *testing.T) {
	values := []string{`null`, `true`, `false`, `"x"`, `""`, `"\u0041\n"`, `"\ud800"`, `"é` + "\xff" + `"`, `"\x"`, "\"\n\"", `"`,
		`0`, `-0`, `00`, `01`, `-`, `1.`, `.5`, `+1`, `1.0`, `1e2`, `1E+2`, `1e-2`, `1e`, `1e400`, `1e-400`, `-1`, `0.1`, `99.999999999999999`,
		`123456789012345`, `0.123456789012345`, `0.1234567890123456`, `9.007199254740993`, `9.007199254740995`, `1234567890123456789`, `9223372036854775807`, `9223372036854775808`,
		`18446744073709551615`, `18446744073709551616`, `99999999999999999999`, `000000000000000000001`, `tru`, `nul`, `nan`,
		`{}`, `[]`, `[1]`, `[null]`, `[1,2,3]`, `[1,2,3,"x"]`, `[1,]`, `[,1]`, `{"a":1}`, `{"a":"b"}`, `{"a":null}`, `{"a":1,}`, `{a:1}`,
		`{"a" 1}`, `[{}]`, `[{"mount":"/"}]`, `[[[[1]]]]`, `[1 2]`, ` [ 1 , 2 ] `, "\t{\r\n}", ``, `/*x*/1`, `1 1`, `}`, `]`, `,`}
	whole, err := json.Marshal(goodMetrics())
	if err != nil {
		t.Fatal(err)
	}
	compareWithReflection(t, whole)
	for i := range whole { // cut anywhere, and every byte replaced
		compareWithReflection(t, whole[:i])
		for _, c := range []byte("\x00 0{\"\\") {
			changed := bytes.Clone(whole)
			changed[i] = c
			compareWithReflection(t, changed)
		}
	}
	places := 0
	for at := 0; at < len(whole); at++ {
		if whole[at] != ':' && whole[at] != '[' && whole[at] != ',' {
			continue
		}
		places++
		end := at + 1 // of the value that stands there
		if d := json.NewDecoder(bytes.NewReader(whole[end:])); true {
			var raw json.RawMessage
			if d.Decode(&raw) == nil {
				end += int(d.InputOffset())
			}
		}
		for _, v := range values {
			compareWithReflection(t, fmt.Appendf(nil, "%s%s%s", whole[:at+1], v, whole[end:]))
			compareWithReflection(t, fmt.Appendf(nil, `%s%s,"later":%s%s`, whole[:at+1], whole[at+1:end], v, whole[end:]))
		}
	}
	if places < 100 {
		t.Errorf("only %d places were tried", places)
	}
}

// A field that is added to a struct is added to its reader.
func TestEveryFieldIsRead(t *testing.T) {
	wantFields(t, metricsFields[:])
	wantFields(t, sampleFields[:])
	wantFields(t, cpuFields[:])
	wantFields(t, memoryFields[:])
	wantFields(t, diskFields[:])
	wantFields(t, filesystemFields[:])
	wantFields(t, networkFields[:])
	wantFields(t, interfaceFields[:])
	wantFields(t, gpuFields[:])
	wantFields(t, throttleFields[:])
	wantFields(t, zramFields[:])
	wantFields(t, boardFields[:])
}

func wantFields[T any](t *testing.T, fields []field[T]) {
	t.Helper()
	s := reflect.TypeFor[T]()
	var got, want []string
	for _, f := range fields {
		got = append(got, f.name)
	}
	for i := range s.NumField() {
		name, _, _ := strings.Cut(s.Field(i).Tag.Get("json"), ",")
		want = append(want, name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s is read as %v, has %v", s, got, want)
	}
}

func TestMetricsAreReadMoreStrictly(t *testing.T) {
	good := `{"v":1,"run":"000000000000000000000000000000ff","samples":[{"seq":1,"at_ms":1767225600000%s}]%s}`
	for name, c := range map[string]struct{ sample, message, want string }{
		"a field twice":          {`,"seq":1`, ``, `seq comes twice`},
		"a part twice":           {`,"cpu":null,"cpu":null`, ``, `cpu comes twice`},
		"a subject twice":        {`,"absent":{"gpu":"a","gpu":"b"}`, ``, `"gpu" comes twice`},
		"the same name, escaped": {``, `,"\u0076":1`, `v comes twice`},
		// One figure more than a sample has room for.
		"the last count twice": {`,"gpu":{"memory_used_bytes":1,"memory_total_bytes":1},"throttle":{"under_voltage_events":1,"under_voltage_events":1}`, ``, `under_voltage_events comes twice`},
		"the last flag twice":  {`,"throttle":{"under_voltage":true,"capped":true,"throttled":true,"soft_limit":true,"soft_limit":true}`, ``, `soft_limit comes twice`},
		"the last figure twice": {`,"cpu":{"usage_percent":1,"frequency_mhz":1,"temperature_celsius":1,"pressure_percent":1},` +
			`"memory":{"pressure_percent":1,"stalled_percent":1},"disk":{"read_iops":1,"write_iops":1,"read_throughput_mbps":1,` +
			`"write_throughput_mbps":1,"pressure_percent":1,"stalled_percent":1,"worn_percent":1},"gpu":{"usage_percent":1,` +
			`"temperature_celsius":1,"frequency_mhz":1},"board":{"fan_rpm":1,"input_volts":1,"power_watts":1,"power_watts":1}`, ``, `power_watts comes twice`},
		"nested too deep":         {``, `,"new":` + strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested deeper than 64"},
		"a name in other letters": {`,"SEQ":7`, ``, ""},
		"unknown twice":           {`,"new":1,"new":{"a":[1,"x",true,null]}`, ``, ""},
	} {
		m, err := DecodeMetrics(fmt.Appendf(nil, good, c.sample, c.message))
		switch {
		case c.want == "" && (err != nil || m.FirstSeq() != 1):
			t.Errorf("%s: %+v, %v", name, m, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want something with %q", name, err, c.want)
		}
	}
	_, err := DecodeMetrics(fmt.Appendf(nil, good, `,"cpu":{"cores":4,"usage_percent":"x"}`, ``))
	if want := `not a metrics message: samples: cpu: usage_percent: byte 123: want a number`; err == nil || err.Error() != want {
		t.Errorf("refused with %v, want %s", err, want)
	}
}

func BenchmarkDecodeMetrics(b *testing.B) {
	payload, err := json.Marshal(goodMetrics())
	if err != nil {
		b.Fatal(err)
	}
	for name, decode := range map[string]func([]byte) (*Metrics, error){"reader": DecodeMetrics, "encoding/json": decodeByReflection} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

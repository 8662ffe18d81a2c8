package homeassistant

import (
	"encoding/json"

	"lucid.internal/shared/wire"
)

// figure is one entity of the device, and how a sample gives its value: nil
// when the machine does not tell, which Home Assistant shows as unknown.
type figure struct {
	key, name string
	platform  string // sensor or binary_sensor
	class     string // device_class; "" for none
	unit      string
	rises     bool // a counter, not a measurement
	value     func(*wire.Sample) any
}

const (
	sensor = "sensor"
	binary = "binary_sensor"
)

// figures are what an owner may want on a dashboard: not all of a sample.
func figures() []figure {
	return []figure{
		{"cpu_usage", "CPU usage", sensor, "", "%", false, func(s *wire.Sample) any { return of(s.CPU, func(c *wire.CPU) any { return known(c.UsagePercent) }) }},
		{"cpu_temperature", "CPU temperature", sensor, "temperature", "°C", false, func(s *wire.Sample) any {
			return of(s.CPU, func(c *wire.CPU) any { return known(c.TemperatureCelsius) })
		}},
		{"cpu_frequency", "CPU frequency", sensor, "frequency", "MHz", false, func(s *wire.Sample) any { return of(s.CPU, func(c *wire.CPU) any { return known(c.FrequencyMHz) }) }},
		{"load", "Load over a minute", sensor, "", "", false, func(s *wire.Sample) any { return of(s.CPU, func(c *wire.CPU) any { return c.LoadAverage[0] }) }},
		{"memory_usage", "Memory usage", sensor, "", "%", false, func(s *wire.Sample) any {
			return of(s.Memory, func(m *wire.Memory) any { return percent(m.UsedBytes, m.TotalBytes) })
		}},
		{"disk_usage", "Disk usage", sensor, "", "%", false, func(s *wire.Sample) any {
			return of(s.Disk, func(d *wire.Disk) any { return percent(d.UsedBytes, d.TotalBytes) })
		}},
		{"network_in", "Network received", sensor, "data_size", "B", true, func(s *wire.Sample) any { return of(s.Network, func(n *wire.Network) any { return n.TotalBytesIn }) }},
		{"network_out", "Network sent", sensor, "data_size", "B", true, func(s *wire.Sample) any { return of(s.Network, func(n *wire.Network) any { return n.TotalBytesOut }) }},
		{"gpu_usage", "GPU usage", sensor, "", "%", false, func(s *wire.Sample) any { return of(s.GPU, func(g *wire.GPU) any { return known(g.UsagePercent) }) }},
		{"fan", "Fan", sensor, "", "rpm", false, func(s *wire.Sample) any { return of(s.Board, func(b *wire.Board) any { return known(b.FanRPM) }) }},
		{"input_voltage", "Supply voltage", sensor, "voltage", "V", false, func(s *wire.Sample) any { return of(s.Board, func(b *wire.Board) any { return known(b.InputVolts) }) }},
		{"power", "Power", sensor, "power", "W", false, func(s *wire.Sample) any { return of(s.Board, func(b *wire.Board) any { return known(b.PowerWatts) }) }},
		{"under_voltage", "Under-voltage", binary, "problem", "", false, func(s *wire.Sample) any {
			return of(s.Throttle, func(t *wire.Throttle) any { return onOff(t.UnderVoltage) })
		}},
		{"throttled", "Throttled", binary, "problem", "", false, func(s *wire.Sample) any {
			return of(s.Throttle, func(t *wire.Throttle) any { return onOff(t.Throttled) })
		}},
	}
}

// of reads a part of a sample unless the machine does not give it.
func of[T any](part *T, read func(*T) any) any {
	if part == nil {
		return nil
	}
	return read(part)
}

func known(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

func percent(part, whole uint64) any {
	if whole == 0 {
		return nil
	}
	return float64(1000*part/whole) / 10
}

// onOff is what a binary sensor of Home Assistant takes.
func onOff(v *bool) any {
	switch {
	case v == nil:
		return nil
	case *v:
		return "ON"
	}
	return "OFF"
}

// state is a sample as the state topic carries it: flat, so that a template
// never reaches into what is null.
func state(s *wire.Sample) map[string]any {
	values := make(map[string]any)
	for _, f := range figures() {
		values[f.key] = f.value(s)
	}
	return values
}

// Device document, as Home Assistant's documentation of the MQTT integration
// gives it (device discovery payload).
type document struct {
	Device            device               `json:"device"`
	Origin            origin               `json:"origin"`
	Components        map[string]component `json:"components"`
	StateTopic        string               `json:"state_topic"`
	AvailabilityTopic string               `json:"availability_topic"`
}

type device struct {
	Identifiers []string `json:"identifiers"`
	Name        string   `json:"name"`
	Model       string   `json:"model,omitempty"`
	Version     string   `json:"sw_version,omitempty"`
}

type origin struct {
	Name    string `json:"name"`
	Version string `json:"sw_version,omitempty"`
}

type component struct {
	Platform   string `json:"platform"`
	Name       string `json:"name"`
	UniqueID   string `json:"unique_id"`
	Template   string `json:"value_template"`
	Class      string `json:"device_class,omitempty"`
	Unit       string `json:"unit_of_measurement,omitempty"`
	StateClass string `json:"state_class,omitempty"`
}

// describe is the device document with the figures that were ever seen: a
// machine without a fan gets no entity for one.
func (b *Bridge) describe(seen map[string]bool) []byte {
	d := document{
		Device: device{[]string{b.config.NodeID}, b.config.Name, b.config.Model, b.config.Version},
		Origin: origin{"lucid-agent", b.config.Version}, Components: make(map[string]component),
		StateTopic: b.config.topic("state"), AvailabilityTopic: b.config.topic("availability"),
	}
	for _, f := range figures() {
		if !seen[f.key] {
			continue
		}
		c := component{f.platform, f.name, b.config.NodeID + "_" + f.key, "{{ value_json." + f.key + " }}", f.class, f.unit, ""}
		switch {
		case f.rises:
			c.StateClass = "total_increasing"
		case f.platform == sensor:
			c.StateClass = "measurement"
		}
		d.Components[f.key] = c
	}
	return encode(d)
}

// encode cannot fail: the figures of a sample are numbers, never NaN.
func encode(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

package homeassistant

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	node         = "node_test"
	documentHere = "homeassistant/device/node_test/config"
	stateHere    = "lucid-agent/node_test/state"
	availability = "lucid-agent/node_test/availability"
	patience     = 30 * time.Second // bounds waits that end by themselves when all is well
)

// start runs a bridge to a broker until it is stopped.
func start(t *testing.T, settings Settings) (b *Bridge, stop func()) {
	t.Helper()
	if wrong := settings.Validate(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	b = New(Config{Settings: settings, NodeID: node, Name: "shed", Model: "Raspberry Pi 4", Version: "1.2.3",
		MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return b, stop
}

// next is what came next at the broker from a bridge.
func next(t *testing.T, broker *coordtest.Broker) coordtest.Publication {
	t.Helper()
	select {
	case p := <-broker.Published:
		return p
	case <-time.After(patience):
		t.Fatal("nothing was published")
		panic("unreachable")
	}
}

// retained is what a client gets that subscribes now.
func retained(t *testing.T, broker *coordtest.Broker) map[string]string {
	t.Helper()
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + broker.Addr).SetClientID("home"))
	wait := func(token mqtt.Token) {
		t.Helper()
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("client of the test: %v", token.Error())
		}
	}
	wait(client.Connect())
	defer client.Disconnect(0)
	found, marked := make(map[string]string), make(chan struct{})
	wait(client.Subscribe("#", 1, func(_ mqtt.Client, m mqtt.Message) {
		if m.Topic() == "marker" { // what was retained comes before it
			close(marked)
		} else if m.Retained() {
			found[m.Topic()] = string(m.Payload())
		}
	}))
	wait(client.Publish("marker", 1, false, "x"))
	select {
	case <-marked:
	case <-time.After(patience):
		t.Fatal("the marker never came")
	}
	next(t, broker) // the marker
	return found
}

func number(v float64) *float64 { return &v }

func sampleOfARaspberry() wire.Sample {
	yes, no := true, false
	return wire.Sample{
		CPU:      &wire.CPU{UsagePercent: number(12.5), TemperatureCelsius: number(51), LoadAverage: [3]float64{0.5}},
		Memory:   &wire.Memory{UsedBytes: 1 << 30, TotalBytes: 4 << 30},
		Throttle: &wire.Throttle{UnderVoltage: &yes, Throttled: &no},
	}
}

func TestDeviceIsAnnouncedOnceAndStateComesWithEachSample(t *testing.T) {
	broker := coordtest.NewBroker(t, coordtest.BrokerConfig{})
	b, _ := start(t, Settings{Broker: "mqtt://" + broker.Addr})
	if p := next(t, broker); p.Topic != availability || string(p.Payload) != "online" || !p.Retained {
		t.Errorf("first came %+v, want the birth message", p)
	}
	b.Show(sampleOfARaspberry())
	p := next(t, broker)
	if p.Topic != documentHere || !p.Retained || p.QoS != 1 {
		t.Fatalf("then came %+v, want the device document", p)
	}
	var d document
	if err := json.Unmarshal(p.Payload, &d); err != nil {
		t.Fatal(err)
	}
	if d.Device.Name != "shed" || d.Device.Identifiers[0] != node || d.Origin.Name != "lucid-agent" || d.StateTopic != stateHere || d.AvailabilityTopic != availability {
		t.Errorf("document = %s", p.Payload)
	}
	want := component{"sensor", "CPU temperature", "node_test_cpu_temperature", "{{ value_json.cpu_temperature }}", "temperature", "°C", "measurement"}
	if got := d.Components["cpu_temperature"]; got != want {
		t.Errorf("component = %+v, want %+v", got, want)
	}
	if _, found := d.Components["fan"]; found || len(d.Components) != 6 {
		t.Errorf("components = %v, want those that the machine has", d.Components)
	}
	p = next(t, broker)
	var values map[string]any
	if err := json.Unmarshal(p.Payload, &values); err != nil || p.Topic != stateHere || p.Retained {
		t.Fatalf("then came %+v, want the state", p)
	}
	for key, want := range map[string]any{"cpu_usage": 12.5, "memory_usage": 25.0, "under_voltage": "ON", "throttled": "OFF", "fan": nil} {
		if got, found := values[key]; !found || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, want %v", key, got, want)
		}
	}
	b.Show(sampleOfARaspberry())
	if p := next(t, broker); p.Topic != stateHere {
		t.Errorf("the second sample brought %+v, want its state alone", p)
	}
	if found := retained(t, broker); len(found) != 2 || found[availability] != "online" || found[documentHere] == "" {
		t.Errorf("left with the broker: %v", found)
	}
	more := sampleOfARaspberry()
	more.Board = &wire.Board{FanRPM: number(1200)}
	b.Show(more)
	if p := next(t, broker); p.Topic != documentHere || !strings.Contains(string(p.Payload), "value_json.fan") {
		t.Errorf("with a new figure came %+v, want the document anew", p)
	}
}

func TestBrokenConnectionIsOfflineByTheWillAndComesBack(t *testing.T) {
	broker := coordtest.NewBroker(t, coordtest.BrokerConfig{})
	b, stop := start(t, Settings{Broker: "mqtt://" + broker.Addr})
	next(t, broker)
	broker.Kick("lucid-agent-" + node)
	will := next(t, broker)
	if !will.Will || will.Topic != availability || string(will.Payload) != "offline" || !will.Retained {
		t.Errorf("came %+v, want the retained will", will)
	}
	if p := next(t, broker); p.Topic != availability || string(p.Payload) != "online" {
		t.Errorf("came %+v, want the birth message again", p)
	}
	b.Show(sampleOfARaspberry())
	if p := next(t, broker); p.Topic != documentHere {
		t.Errorf("came %+v, want the document again: the broker may have lost it", p)
	}
	next(t, broker)
	stop()
	if p := next(t, broker); p.Will || string(p.Payload) != "offline" || !p.Retained {
		t.Errorf("at the end came %+v, want a farewell", p)
	}
}

func TestSwitchedOffTakesTheDeviceOut(t *testing.T) {
	broker := coordtest.NewBroker(t, coordtest.BrokerConfig{})
	b, stop := start(t, Settings{Broker: "mqtt://" + broker.Addr})
	b.Show(sampleOfARaspberry())
	for next(t, broker).Topic != stateHere {
	}
	stop()
	next(t, broker)
	if found := retained(t, broker); len(found) != 2 {
		t.Fatalf("left with the broker: %v, want something to take out", found)
	}
	b, _ = start(t, Settings{Broker: "mqtt://" + broker.Addr, Off: true})
	for range 2 {
		if p := next(t, broker); len(p.Payload) > 0 || !p.Retained {
			t.Errorf("came %+v, want an empty retained message", p)
		}
	}
	<-broker.Gone // the first
	<-broker.Gone // the test's own client
	<-broker.Gone
	if found := retained(t, broker); len(found) != 0 {
		t.Errorf("left with the broker: %v", found)
	}
	for begun := time.Now(); !strings.Contains(b.State(), "switched off"); runtime.Gosched() {
		if time.Since(begun) > patience {
			t.Fatalf("state = %q", b.State())
		}
	}
}

func TestPasswordAndCAOfTheOwner(t *testing.T) {
	authority := coordtest.NewAuthority(t)
	broker := coordtest.NewBroker(t, coordtest.BrokerConfig{TLS: authority.Server(t, "127.0.0.1"), User: "pi", Password: "secret"})
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := Settings{Broker: "mqtts://" + broker.Addr, User: "pi", PasswordFile: file("password", "secret\n"), CAFile: file("ca.pem", authority.PEM)}
	for name, c := range map[string]struct {
		change func(*Settings)
		want   string
	}{
		"right":          {func(*Settings) {}, ""},
		"wrong password": {func(s *Settings) { s.PasswordFile = file("password", "guess") }, "not authorized"},
		"no password":    {func(s *Settings) { s.PasswordFile += ".none" }, "no such file"},
		"system's CAs":   {func(s *Settings) { s.CAFile = "" }, "unknown authority"},
		"no CA in it":    {func(s *Settings) { s.CAFile = s.PasswordFile }, "holds no pem certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := good
			c.change(&settings)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := Withdraw(ctx, Config{Settings: settings, NodeID: node})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(strings.ToLower(err.Error()), c.want) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
		})
	}
}

// A broker that takes connections and says nothing, and one that is not there,
// hold up neither the samples nor the agent's end.
func TestBrokerThatDoesNotAnswerHoldsUpNobody(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b, stop := start(t, Settings{Broker: "mqtt://" + silent.Addr().String()})
	accepted, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for range 1000 {
		b.Show(sampleOfARaspberry())
	}
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(timeout - farewell): // what the login itself may take is longer
		t.Error("the end waits for a broker that says nothing")
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		settings Settings
		want     string
	}{
		"none":             {Settings{}, ""},
		"plain":            {Settings{Broker: "mqtt://home.local"}, ""},
		"all":              {Settings{Broker: "mqtts://home.local:8884", User: "a", PasswordFile: "/p", CAFile: "/c", Prefix: "ha/x", Off: true}, ""},
		"no broker":        {Settings{User: "a"}, "broker: missing"},
		"another scheme":   {Settings{Broker: "http://home"}, "broker: want mqtt://"},
		"no host":          {Settings{Broker: "mqtt://"}, "broker: want mqtt://"},
		"password in URL":  {Settings{Broker: "mqtt://a:b@home"}, "settings of their own"},
		"CA without TLS":   {Settings{Broker: "mqtt://home", CAFile: "/c"}, "ca_file: only mqtts://"},
		"password alone":   {Settings{Broker: "mqtt://home", PasswordFile: "/p"}, "user: missing"},
		"wildcard":         {Settings{Broker: "mqtt://home", Prefix: "a/#"}, "discovery_prefix"},
		"slash at the end": {Settings{Broker: "mqtt://home", Prefix: "a/"}, "discovery_prefix"},
	} {
		wrong := c.settings.Validate()
		if (len(wrong) == 0) != (c.want == "") || len(wrong) > 0 && !strings.Contains(wrong[0].Key+": "+wrong[0].Reason, c.want) {
			t.Errorf("%s: %v, want %q", name, wrong, c.want)
		}
	}
	s := Settings{Broker: "mqtts://home.local"}
	if host, address, secure := s.address(); host != "home.local" || address != "home.local:8883" || !secure {
		t.Errorf("address = %s %s %t", host, address, secure)
	}
}

package coordinator

import (
	"errors"
	"strings"
	"testing"
)

func TestBrokerIsChecked(t *testing.T) {
	external := []string{"LUCID_MQTT_BROKER=external", "LUCID_MQTT_BROKER_URL=ssl://broker.example:8884", "LUCID_MQTT_BROKER_PASSWORD=x"}
	for name, c := range map[string]struct {
		environ []string
		key     string // of the fault; "" for none
	}{
		"external":                  {external, ""},
		"plain on loopback":         {append(external, "LUCID_MQTT_BROKER_URL=tcp://127.0.0.1:1884"), ""},
		"plain elsewhere":           {append(external, "LUCID_MQTT_BROKER_URL=tcp://10.0.0.1:1884"), "mqtt.broker_url"},
		"no port":                   {append(external, "LUCID_MQTT_BROKER_URL=ssl://broker.example"), "mqtt.broker_url"},
		"password in the address":   {append(external, "LUCID_MQTT_BROKER_URL=ssl://a:b@broker.example:8884"), "mqtt.broker_url"},
		"no address":                {[]string{"LUCID_MQTT_BROKER=external", "LUCID_MQTT_BROKER_PASSWORD=x"}, "mqtt.broker_url"},
		"no password":               {external[:2], "mqtt.broker_password"},
		"a listener without broker": {append(external, "LUCID_MQTT_PLAIN_ADDR=127.0.0.1:1883"), "mqtt.plain_addr"},
		"another kind":              {[]string{"LUCID_MQTT_BROKER=cloud"}, "mqtt.broker"},
		"an address for embedded":   {[]string{"LUCID_MQTT_BROKER_URL=ssl://broker.example:8884"}, "mqtt.broker_url"},
	} {
		_, _, err := Load(ProfileServe, "", append([]string{databaseEnv}, c.environ...), nil)
		faults, _ := errors.AsType[Faults](err)
		switch {
		case c.key == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.key != "" && (len(faults) != 1 || !strings.Contains(faults.Error(), c.key)):
			t.Errorf("%s: %v, want one fault of %s", name, err, c.key)
		}
	}
}

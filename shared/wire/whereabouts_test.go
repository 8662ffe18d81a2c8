package wire

import (
	"strings"
	"testing"
)

func TestAMoveToNowhereIsRefused(t *testing.T) {
	good := goodCommand()
	good.Kind = CommandMove
	good.Coordinator = &Whereabouts{
		MQTT: []string{"pool.example:8883", "[2001:db8::1]:8883"}, CAPEM: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		Signature: make([]byte, signatureBytes),
	}
	checkRefusals(t, good, DecodeCommand, []refusal{
		{"no broker", "coordinator.mqtt", []string{}, "mqtt has 0 addresses"},
		{"17 brokers", "coordinator.mqtt", list(17, "a:1"), "mqtt has 17 addresses"},
		{"empty broker", "coordinator.mqtt.0", "", "mqtt is missing"},
		{"line feed in broker", "coordinator.mqtt.1", "a:1\n", "mqtt holds"},
		{"no CA", "coordinator.ca_pem", absent, "ca_pem has 0 bytes"},
		{"long CA", "coordinator.ca_pem", strings.Repeat("A", MaxCAPEMBytes+1), "ca_pem has 16385 bytes"},
		{"NUL in CA", "coordinator.ca_pem", "a\x00", "ca_pem is not text"},
		{"short signature", "coordinator.signature", base64Of(63), "coordinator.signature has 63 bytes"},
	})
}

package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func goodRequest(t testing.TB) *EnrollRequest {
	t.Helper()
	inventory, err := json.Marshal(goodInventory())
	if err != nil {
		t.Fatal(err)
	}
	return &EnrollRequest{V: 1, Token: "lucid-enrol-token", X25519Public: bytes.Repeat([]byte{1}, 32),
		DevicePublic: bytes.Repeat([]byte{2}, 32), Inventory: inventory,
		PayoutAddress: "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ", Signature: bytes.Repeat([]byte{3}, 64)}
}

func goodResponse() *EnrollResponse {
	return &EnrollResponse{V: 1, NodeID: "node_kitchen", KeyEpoch: 1, X25519Public: bytes.Repeat([]byte{1}, 32),
		MQTT: []string{"pool.example:8883", "[2001:db8::1]:8883"}, CAPEM: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		Signature: bytes.Repeat([]byte{3}, 64)}
}

func base64Of(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

func TestDecodeEnrollRequest(t *testing.T) {
	checkRefusals(t, goodRequest(t), DecodeEnrollRequest, []refusal{
		{"other version", "v", 3, "protocol version 3"},
		{"no token", "token", absent, "token is missing"},
		{"token too long", "token", long, "token has 129 bytes"},
		{"NUL in token", "token", "\x00", "token holds"},
		{"no X25519 key", "x25519_public", absent, "x25519_public has 0 bytes, want 32"},
		{"long X25519 key", "x25519_public", base64Of(33), "x25519_public has 33 bytes"},
		{"short device key", "device_public", base64Of(31), "device_public has 31 bytes"},
		{"short signature", "signature", base64Of(63), "signature has 63 bytes, want 64"},
		{"not base64", "signature", "!!!", "not an enrolment request"},
		{"no inventory", "inventory", absent, "not an inventory"},
		{"inventory is text", "inventory", "Pi", "not an inventory"},
		{"bad inventory", "inventory.hostname", "a\x00", "inventory.hostname holds"},
		{"payout address too long", "payout_address", long, "payout_address has 129"},
	})
}

func TestEnrollRequestRoundTrip(t *testing.T) {
	want := goodRequest(t)
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeEnrollRequest(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// The inventory's bytes are signed, so they must survive decoding untouched.
func TestEnrollRequestKeepsInventoryBytes(t *testing.T) {
	raw := `{ "hostname" : "a\u0062",  "later": 1.50 }`
	body := strings.Replace(string(with(t, goodRequest(t), "inventory", map[string]any{})), `"inventory":{}`, `"inventory":`+raw, 1)
	got, err := DecodeEnrollRequest([]byte(body))
	if err != nil || string(got.Inventory) != raw {
		t.Errorf("inventory is %q, %v, want %q", got.Inventory, err, raw)
	}
}

func TestDecodeEnrollResponse(t *testing.T) {
	checkRefusals(t, goodResponse(), DecodeEnrollResponse, []refusal{
		{"other version", "v", 0, "protocol version 0"},
		{"no node id", "node_id", absent, "node_id is not a node id"},
		{"topic in node id", "node_id", "node_a/#", "node_id is not a node id"},
		{"key epoch 0", "key_epoch", 0, "start at 1"},
		{"short X25519 key", "x25519_public", base64Of(31), "x25519_public has 31"},
		{"no broker", "mqtt", []string{}, "mqtt has 0 addresses"},
		{"17 brokers", "mqtt", list(17, "a:1"), "mqtt has 17 addresses"},
		{"empty broker", "mqtt.0", "", "mqtt is missing"},
		{"line feed in broker", "mqtt.1", "a:1\n", "mqtt holds"},
		{"no CA", "ca_pem", absent, "ca_pem has 0 bytes"},
		{"long CA", "ca_pem", strings.Repeat("A", MaxCAPEMBytes+1), "ca_pem has 16385 bytes"},
		{"NUL in CA", "ca_pem", "a\x00", "ca_pem is not text"},
		{"no signature", "signature", absent, "signature has 0 bytes"},
	})
}

func TestEnrollResponseRoundTrip(t *testing.T) {
	want := goodResponse()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeEnrollResponse(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

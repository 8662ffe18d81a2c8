package proof

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// expandByHand is HKDF-Expand of one block, RFC 5869: HMAC(prk, info || 1).
func expandByHand(prk Key, info string) Key {
	h := hmac.New(sha256.New, prk[:])
	h.Write([]byte(info))
	h.Write([]byte{1})
	return Key(h.Sum(nil))
}

func TestDerivedKeys(t *testing.T) {
	root := Key(fixed("root"))
	keys := root.Derive()
	password := expandByHand(root, "lucid/keys/v1/mqtt-password")
	if want := base64.RawURLEncoding.EncodeToString(password[:]); keys.MQTTPassword != want {
		t.Errorf("MQTT password %q, want %q", keys.MQTTPassword, want)
	}
	seen := map[Key]string{}
	for _, c := range []struct {
		info string
		got  Key
	}{
		{"lucid/keys/v1/challenge", keys.Challenge},
		{"lucid/keys/v1/response", keys.Response},
		{"lucid/keys/v1/command", keys.Command},
		{"lucid/poot/v1/puzzle", root.PuzzleKey()},
	} {
		if c.got != expandByHand(root, c.info) {
			t.Errorf("key of %q is not its HKDF", c.info)
		}
		if other, found := seen[c.got]; found {
			t.Errorf("%q and %q give one key", c.info, other)
		}
		seen[c.got] = c.info
	}
}

func TestRootByHand(t *testing.T) {
	e := newFixedEnrolment(t)
	transcript := []byte("transcript")
	got, err := RootFrom(e.deviceX, e.coordinatorX.PublicKey().Bytes(), "token", transcript)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := e.coordinatorX.ECDH(e.deviceX.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	salt := sha256.Sum256(transcript)
	extract := hmac.New(sha256.New, salt[:])
	extract.Write(append(secret, "token"...))
	if want := expandByHand(Key(extract.Sum(nil)), "lucid/keys/v1/root"); got != want {
		t.Error("the root is not HKDF(X25519 || token, SHA-256(transcript))")
	}
}

func TestRootRefusesBadPeers(t *testing.T) {
	private := fixedX25519(t, "device x25519")
	for name, peer := range map[string][]byte{
		"short":      make([]byte, 31),
		"long":       make([]byte, 33),
		"zero point": make([]byte, 32), // X25519 would give a secret that everybody knows
		"order 1":    append([]byte{1}, make([]byte, 31)...),
	} {
		if _, err := RootFrom(private, peer, "token", nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	key := Key(bytes.Repeat([]byte{0xab}, 32))
	keys := Keys{MQTTPassword: "open-sesame", Challenge: key, Response: key, Command: key}
	type holder struct {
		Name string
		Key  Key
		Keys *Keys
	}
	secrets := []string{"171", "abab", "ABAB", "0xab", "253", "open-sesame", "6f70656e", "10101011"} // decimal, hex, octal, text, binary
	var outputs []string
	for _, v := range []any{key, &key, keys, &keys, holder{"n", key, &keys}, []Key{key}, map[string]Keys{"k": keys}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%#x", "% x", "%T"} {
			outputs = append(outputs, fmt.Sprintf(verb, v))
		}
		outputs = append(outputs, fmt.Sprint(v))
		var text, structured bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&structured, nil)).Info("m", "v", v)
		encoded, err := json.Marshal(v)
		if err == nil {
			t.Errorf("%T was written as JSON: %s", v, encoded)
		}
		outputs = append(outputs, strings.SplitN(text.String(), "v=", 2)[1], strings.SplitN(structured.String(), `"v":`, 2)[1], string(encoded))
	}
	outputs = append(outputs, key.String(), key.GoString())
	for _, out := range outputs {
		for _, secret := range secrets {
			if strings.Contains(out, secret) {
				t.Errorf("%q shows %q", out, secret)
			}
		}
	}
}

package api

import (
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func (w *world) enrolmentToken() string {
	w.t.Helper()
	token, err := w.Nodes.CreateToken(w.t.Context(), audit.By{Actor: audit.CLI}, node.Token{Life: time.Hour})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) body(v any) string {
	w.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}

func TestEnrolmentIsRepeatable(t *testing.T) {
	w := newWorld(t)
	request := w.enrollRequest(w.enrolmentToken(), wire.Inventory{Hostname: "kitchen"})
	first := w.send(http.MethodPost, wire.EnrollPath, w.body(request), nil)
	var identity wire.EnrollResponse
	w.decode(first.body, &identity)
	if err := proof.VerifyEnrollResponse(w.Nodes.EnrolmentKey.Public().(ed25519.PublicKey), request, &identity); err != nil {
		t.Errorf("the answer as it came: %v", err)
	}
	again := w.send(http.MethodPost, wire.EnrollPath, w.body(request), nil)
	if first.StatusCode != http.StatusOK || string(again.body) != string(first.body) {
		t.Errorf("first %d %s\nagain %d %s", first.StatusCode, first.body, again.StatusCode, again.body)
	}
	other := w.enrollRequest(request.Token, wire.Inventory{Hostname: "kitchen"})
	w.wantError(w.send(http.MethodPost, wire.EnrollPath, w.body(other), nil), http.StatusForbidden, "LUCID_ERR_2004")
}

// The device signs the bytes of its inventory. They must reach the check as
// they came: spaces, order and unknown fields included.
func TestInventoryBytesSurvive(t *testing.T) {
	w := newWorld(t)
	const inventory = "{ \"kernel\" : \"6.1 <&>\",\n\t\"novel\": [1.50, 2e3],  \"hostname\":\"a\\u0062c\" }"
	request := w.signedOver(w.enrolmentToken(), []byte(inventory))
	body := w.body(object{
		"v": 1, "token": request.Token, "x25519_public": request.X25519Public, "device_public": request.DevicePublic,
		"payout_address": request.PayoutAddress, "signature": request.Signature, "a_field_of_a_newer_agent": true, "inventory": "HERE",
	})
	body = strings.Replace(body, `"HERE"`, inventory, 1)
	if a := w.send(http.MethodPost, wire.EnrollPath, body, nil); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	request.Token = w.enrolmentToken() // the signature is for another
	d := w.wantError(w.send(http.MethodPost, wire.EnrollPath, w.body(request), nil), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	if names := w.fieldNames(d); len(names) != 1 || names[0] != "signature" {
		t.Errorf("fields %v, want signature", names)
	}
}

func TestEnrolmentOverPlainHTTPIsForThisMachineOnly(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		remote    string
		tls       bool
		forwarded bool
		status    int
	}{
		{"127.0.0.1:1", false, false, 200},
		{"127.9.9.9:1", false, false, 200},
		{"[::1]:1", false, false, 200},
		{"127.0.0.1:1", false, true, 403}, // a proxy on this machine speaks for somebody else
		{"192.168.1.5:1", false, true, 403},
		{"192.168.1.5:1", false, false, 403},
		{"[2001:db8::1]:1", false, true, 403},
		{"@", false, true, 403},
		{"192.168.1.5:1", true, true, 200},
	} {
		request := w.body(w.enrollRequest(w.enrolmentToken(), wire.Inventory{}))
		a := w.send(http.MethodPost, wire.EnrollPath, request, func(r *http.Request) {
			r.RemoteAddr = c.remote
			if c.forwarded {
				r.Header.Set("X-Forwarded-For", "127.0.0.1")
				r.Header.Set("X-Forwarded-Proto", "https")
			}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
		})
		if a.StatusCode != c.status {
			t.Errorf("%s, TLS %v: %d %s, want %d", c.remote, c.tls, a.StatusCode, a.body, c.status)
		}
		if c.status == http.StatusForbidden {
			w.wantError(a, c.status, "LUCID_ERR_2003")
		}
	}
}

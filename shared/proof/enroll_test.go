package proof

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"lucid.internal/shared/wire"
)

func TestBothSidesDeriveOneRoot(t *testing.T) {
	e := newFixedEnrolment(t)
	if err := VerifyEnrollRequest(&e.request); err != nil {
		t.Fatal(err)
	}
	enrolmentKey := e.enrolment.Public().(ed25519.PublicKey)
	if err := VerifyEnrollResponse(enrolmentKey, &e.request, &e.response); err != nil {
		t.Fatal(err)
	}
	transcript := EnrollTranscript(&e.request, &e.response)
	device, err := RootFrom(e.deviceX, e.response.X25519Public, e.request.Token, transcript)
	if err != nil {
		t.Fatal(err)
	}
	coordinator, err := RootFrom(e.coordinatorX, e.request.X25519Public, e.request.Token, transcript)
	if err != nil {
		t.Fatal(err)
	}
	if device != coordinator {
		t.Error("device and coordinator derive different roots")
	}
	// Whoever lacks the token, or saw another transcript, has another root.
	for name, other := range map[string]func() (Key, error){
		"token": func() (Key, error) { return RootFrom(e.deviceX, e.response.X25519Public, "guess", transcript) },
		"transcript": func() (Key, error) {
			return RootFrom(e.deviceX, e.response.X25519Public, e.request.Token, transcript[1:])
		},
	} {
		if root, err := other(); err != nil || root == device {
			t.Errorf("with another %s: %v, the same root %v", name, err, root == device)
		}
	}
}

// alterations of every field that is signed.
var requestAlterations = map[string]func(*wire.EnrollRequest){
	"token":            func(r *wire.EnrollRequest) { r.Token += "x" },
	"x25519":           func(r *wire.EnrollRequest) { r.X25519Public = flipped(r.X25519Public) },
	"device":           func(r *wire.EnrollRequest) { r.DevicePublic = flipped(r.DevicePublic) },
	"inventory":        func(r *wire.EnrollRequest) { r.Inventory = append(bytes.Clone(r.Inventory), ' ') },
	"payout address":   func(r *wire.EnrollRequest) { r.PayoutAddress = "" },
	"border of fields": func(r *wire.EnrollRequest) { moveByte(&r.X25519Public, &r.DevicePublic) },
}

var responseAlterations = map[string]func(*wire.EnrollResponse){
	"node id":         func(r *wire.EnrollResponse) { r.NodeID = "node_kitchen-2" },
	"key epoch":       func(r *wire.EnrollResponse) { r.KeyEpoch++ },
	"x25519":          func(r *wire.EnrollResponse) { r.X25519Public = flipped(r.X25519Public) },
	"broker":          func(r *wire.EnrollResponse) { r.MQTT = []string{"a.example:8883", "evil.example:8883"} },
	"broker removed":  func(r *wire.EnrollResponse) { r.MQTT = r.MQTT[:1] },
	"broker order":    func(r *wire.EnrollResponse) { r.MQTT = []string{r.MQTT[1], r.MQTT[0]} },
	"brokers joined":  func(r *wire.EnrollResponse) { r.MQTT = []string{r.MQTT[0] + r.MQTT[1]} },
	"broker into CA":  func(r *wire.EnrollResponse) { r.CAPEM, r.MQTT = r.MQTT[1]+r.CAPEM, r.MQTT[:1] },
	"CA":              func(r *wire.EnrollResponse) { r.CAPEM += "\n" },
	"signature":       func(r *wire.EnrollResponse) { r.Signature = flipped(r.Signature) },
	"empty signature": func(r *wire.EnrollResponse) { r.Signature = nil },
}

func flipped(b []byte) []byte {
	c := bytes.Clone(b)
	c[len(c)/2] ^= 1
	return c
}

func moveByte(from, to *[]byte) {
	last := len(*from) - 1
	*to = append([]byte{(*from)[last]}, *to...)
	*from = (*from)[:last]
}

func TestAlteredRequestIsRefused(t *testing.T) {
	for name, alter := range requestAlterations {
		t.Run(name, func(t *testing.T) {
			e := newFixedEnrolment(t)
			alter(&e.request)
			if err := VerifyEnrollRequest(&e.request); err == nil {
				t.Error("the device's signature still holds")
			}
			err := VerifyEnrollResponse(e.enrolment.Public().(ed25519.PublicKey), &e.request, &e.response)
			if !errors.Is(err, ErrSignature) {
				t.Errorf("the coordinator's signature: %v", err)
			}
		})
	}
	e := newFixedEnrolment(t)
	e.request.Signature = flipped(e.request.Signature)
	if err := VerifyEnrollRequest(&e.request); !errors.Is(err, ErrSignature) {
		t.Errorf("altered signature: %v", err)
	}
}

func TestAlteredResponseIsRefused(t *testing.T) {
	for name, alter := range responseAlterations {
		t.Run(name, func(t *testing.T) {
			e := newFixedEnrolment(t)
			alter(&e.response)
			err := VerifyEnrollResponse(e.enrolment.Public().(ed25519.PublicKey), &e.request, &e.response)
			if !errors.Is(err, ErrSignature) {
				t.Errorf("error %v, want a bad signature", err)
			}
		})
	}
}

func TestForeignSignersAreRefused(t *testing.T) {
	e := newFixedEnrolment(t)
	// The device's own signature of the request is not the coordinator's, even
	// where one key would do both.
	e.response.Signature = ed25519.Sign(e.enrolment, EnrollRequestTranscript(&e.request))
	if err := VerifyEnrollResponse(e.enrolment.Public().(ed25519.PublicKey), &e.request, &e.response); !errors.Is(err, ErrSignature) {
		t.Errorf("signature of the other transcript: %v", err)
	}
	if err := VerifyEnrollResponse(ed25519.PublicKey{1, 2, 3}, &e.request, &e.response); err == nil {
		t.Error("a key of three bytes was accepted")
	}
	e.request.DevicePublic = e.request.DevicePublic[:31]
	if err := VerifyEnrollRequest(&e.request); err == nil {
		t.Error("a device key of 31 bytes was accepted")
	}
}

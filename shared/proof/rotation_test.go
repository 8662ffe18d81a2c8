package proof_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func signer(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func exchangeKey(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestBothSidesOfARotationGetOneRootThatBothSigned(t *testing.T) {
	const node = "node_a"
	ours, enrolmentKey := signer(t)
	theirs, device := signer(t)
	coordinator, machine := exchangeKey(t), exchangeKey(t)

	offer := &wire.KeyOffer{KeyEpoch: 2, X25519Public: coordinator.PublicKey().Bytes()}
	proof.SignOffer(enrolmentKey, node, offer)
	public := machine.PublicKey().Bytes()
	answer := proof.SignAnswer(device, node, offer, public)
	if err := errors.Join(proof.VerifyOffer(ours, node, offer), proof.VerifyAnswer(theirs, node, offer, answer)); err != nil {
		t.Fatal(err)
	}
	here, err := proof.RotatedRoot(coordinator, public, node, offer, public)
	there, err2 := proof.RotatedRoot(machine, offer.X25519Public, node, offer, public)
	if err := errors.Join(err, err2); err != nil || here != there || here == (proof.Key{}) {
		t.Fatalf("the two sides differ (%v)", err)
	}
	if other, _ := proof.RotatedRoot(machine, offer.X25519Public, "node_b", offer, public); other == here {
		t.Error("the root does not depend on the node")
	}

	for name, alter := range map[string]func(*wire.KeyOffer, *wire.KeyAnswer){
		"another epoch":               func(o *wire.KeyOffer, _ *wire.KeyAnswer) { o.KeyEpoch = 3 },
		"another key of ours":         func(o *wire.KeyOffer, _ *wire.KeyAnswer) { o.X25519Public = public },
		"another key of the device":   func(_ *wire.KeyOffer, a *wire.KeyAnswer) { a.X25519Public = offer.X25519Public },
		"signed by who is no device":  func(_ *wire.KeyOffer, a *wire.KeyAnswer) { *a = *proof.SignAnswer(enrolmentKey, node, offer, public) },
		"an offer that nobody signed": func(o *wire.KeyOffer, _ *wire.KeyAnswer) { o.Signature = bytes.Repeat([]byte{1}, 64) },
	} {
		o, a := *offer, *answer
		alter(&o, &a)
		if proof.VerifyOffer(ours, node, &o) == nil && proof.VerifyAnswer(theirs, node, &o, &a) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if proof.VerifyOffer(ours, "node_b", offer) == nil || proof.VerifyAnswer(theirs, "node_b", offer, answer) == nil {
		t.Error("signed for another node, and taken")
	}
}

func TestMACOfACommandCoversItsKeyOffer(t *testing.T) {
	c := &wire.Command{CommandID: "c", Kind: wire.CommandRotateKey, Version: 1,
		Key: &wire.KeyOffer{KeyEpoch: 2, X25519Public: make([]byte, 32), Signature: make([]byte, 64)}}
	proof.SignCommand(proof.Key{1}, "node_a", c)
	if !proof.VerifyCommand(proof.Key{1}, "node_a", c) {
		t.Fatal("its own MAC is refused")
	}
	for name, alter := range map[string]func(*wire.KeyOffer){
		"epoch":     func(k *wire.KeyOffer) { k.KeyEpoch++ },
		"key":       func(k *wire.KeyOffer) { k.X25519Public = bytes.Repeat([]byte{1}, 32) },
		"signature": func(k *wire.KeyOffer) { k.Signature = bytes.Repeat([]byte{1}, 64) },
	} {
		altered, key := *c, *c.Key
		alter(&key)
		altered.Key = &key
		if proof.VerifyCommand(proof.Key{1}, "node_a", &altered) {
			t.Errorf("another %s is taken", name)
		}
	}
	without := *c
	without.Key = nil
	if proof.VerifyCommand(proof.Key{1}, "node_a", &without) {
		t.Error("taken without its key offer")
	}
}

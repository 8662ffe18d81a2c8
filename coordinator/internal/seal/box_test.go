package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
)

func TestBoxGivesBackWhatWasSealed(t *testing.T) {
	box := seal.New(proof.Key{1})
	for _, plain := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("secret"), 1000)} {
		sealed := box.Seal(plain, []byte("node_1/1"))
		if len(plain) > 1 && bytes.Contains(sealed, plain) {
			t.Fatal("the plain bytes stand in the box")
		}
		got, err := box.Open(sealed, []byte("node_1/1"))
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %q, %v; want %q", got, err, plain)
		}
	}
}

func TestSealedTwiceLooksDifferent(t *testing.T) {
	box := seal.New(proof.Key{1})
	if bytes.Equal(box.Seal([]byte("a"), nil), box.Seal([]byte("a"), nil)) {
		t.Fatal("two boxes of the same secret are equal: the nonce repeats")
	}
}

func TestOpenRefuses(t *testing.T) {
	box := seal.New(proof.Key{1})
	sealed := box.Seal([]byte("secret"), []byte("node_1/1"))
	tests := []struct {
		name   string
		box    *seal.Box
		sealed []byte
		place  string
		want   error
	}{
		{"another master key", seal.New(proof.Key{2}), sealed, "node_1/1", seal.ErrOtherKey},
		{"another place", box, sealed, "node_2/1", seal.ErrBroken},
		{"an altered nonce", box, flip(sealed, 1), "node_1/1", seal.ErrBroken},
		{"an altered secret", box, flip(sealed, 25), "node_1/1", seal.ErrBroken},
		{"an altered tag", box, flip(sealed, len(sealed)-1), "node_1/1", seal.ErrBroken},
		{"a cut box", box, sealed[:len(sealed)-7], "node_1/1", seal.ErrBroken},
		{"nothing", box, nil, "node_1/1", seal.ErrBroken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if plain, err := tt.box.Open(tt.sealed, []byte(tt.place)); !errors.Is(err, tt.want) {
				t.Errorf("Open = %q, %v; want %v", plain, err, tt.want)
			}
		})
	}
}

func flip(b []byte, at int) []byte {
	out := bytes.Clone(b)
	out[at] ^= 1
	return out
}

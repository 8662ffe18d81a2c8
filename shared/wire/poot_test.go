package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeProofEnvelopes(t *testing.T) {
	id := strings.Repeat("0a", 16)
	refusals := []refusal{
		{"other version", "v", 2, "protocol version 2"},
		{"no id", "challenge_id", absent, "challenge_id is not 32"},
		{"capitals in id", "challenge_id", strings.ToUpper(id), "challenge_id is not 32"},
		{"short id", "challenge_id", id[:30], "challenge_id is not 32"},
		{"no bytes", "bytes", absent, "bytes has 0 bytes"},
		{"too many bytes", "bytes", base64Of(MaxProofBytes + 1), "bytes has 4097 bytes"},
	}
	t.Run("challenge", func(t *testing.T) {
		checkRefusals(t, &Challenge{V: 1, ChallengeID: id, Bytes: []byte{1}}, DecodeChallenge, refusals)
	})
	t.Run("response", func(t *testing.T) {
		checkRefusals(t, &Response{V: 1, ChallengeID: id, Bytes: []byte{1}}, DecodeResponse, refusals)
	})
}

func TestProofEnvelopesRoundTrip(t *testing.T) {
	id := strings.Repeat("0a", 16)
	challenge := &Challenge{V: 1, ChallengeID: id, IssuedMs: 1, DeadlineMs: 2, Difficulty: 3, Count: 4, Bytes: []byte{0, 0xff}}
	b, err := json.Marshal(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeChallenge(b); err != nil || !reflect.DeepEqual(got, challenge) {
		t.Errorf("got %+v, %v, want %+v", got, err, challenge)
	}
	response := &Response{V: 1, ChallengeID: id, Bytes: []byte{0, 0xff}}
	if b, err = json.Marshal(response); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeResponse(b); err != nil || !reflect.DeepEqual(got, response) {
		t.Errorf("got %+v, %v, want %+v", got, err, response)
	}
}

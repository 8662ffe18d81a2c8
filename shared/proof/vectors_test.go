package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"lucid.internal/shared/wire"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorFile = "testdata/vectors.json"

// hexBytes are written as hexadecimal text.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.AppendDecode(nil, b)
	return err
}

type vectors struct {
	About      string            `json:"about"`
	Keys       keyVector         `json:"keys"`
	Enrolment  enrolmentVector   `json:"enrolment"`
	Challenges []challengeVector `json:"challenges"`
	Chain      []chainVector     `json:"chain"`
	Commands   []commandVector   `json:"commands"`
}

type keyVector struct {
	Root         hexBytes `json:"root"`
	MQTTPassword string   `json:"mqtt_password"`
	Challenge    hexBytes `json:"challenge"`
	Response     hexBytes `json:"response"`
	Command      hexBytes `json:"command"`
	Master       hexBytes `json:"master"`
	Puzzle       hexBytes `json:"puzzle"`
}

type enrolmentVector struct {
	Token              string   `json:"token"`
	DeviceX25519       hexBytes `json:"device_x25519_private"`
	CoordinatorX25519  hexBytes `json:"coordinator_x25519_private"`
	DeviceSeed         hexBytes `json:"device_ed25519_seed"`
	EnrolmentSeed      hexBytes `json:"enrolment_ed25519_seed"`
	Inventory          string   `json:"inventory"`
	PayoutAddress      string   `json:"payout_address"`
	NodeID             string   `json:"node_id"`
	KeyEpoch           uint32   `json:"key_epoch"`
	MQTT               []string `json:"mqtt"`
	CAPEM              string   `json:"ca_pem"`
	RequestTranscript  hexBytes `json:"request_transcript"`
	RequestSignature   hexBytes `json:"request_signature"`
	ResponseTranscript hexBytes `json:"response_transcript"`
	ResponseSignature  hexBytes `json:"response_signature"`
	Root               hexBytes `json:"root"`
}

type challengeVector struct {
	ChallengeKey hexBytes       `json:"challenge_key"`
	PuzzleKey    hexBytes       `json:"puzzle_key"`
	ID           hexBytes       `json:"id"`
	NodeID       string         `json:"node_id"`
	KeyEpoch     uint32         `json:"key_epoch"`
	Session      uint64         `json:"session"`
	IssuedMs     int64          `json:"issued_ms"`
	DeadlineMs   int64          `json:"deadline_ms"`
	Difficulty   uint8          `json:"difficulty"`
	Seed         hexBytes       `json:"seed"`
	Targets      []hexBytes     `json:"targets"`
	Canonical    hexBytes       `json:"canonical"`
	Hash         hexBytes       `json:"hash"`
	Response     responseVector `json:"response"`
}

type responseVector struct {
	ResponseKey hexBytes `json:"response_key"`
	DeviceSeed  hexBytes `json:"device_ed25519_seed"`
	Solutions   []uint64 `json:"solutions"`
	BootID      hexBytes `json:"boot_id"`
	BootTimeMs  uint64   `json:"boot_time_ms"`
	Throttle    uint32   `json:"throttle"`
	Run         hexBytes `json:"run"`
	Seq         uint64   `json:"seq"`
	Chain       hexBytes `json:"chain"`
	Canonical   hexBytes `json:"canonical"`
}

type chainVector struct {
	Before  hexBytes `json:"before"`
	Message string   `json:"message"`
	After   hexBytes `json:"after"`
}

type commandVector struct {
	CommandKey hexBytes         `json:"command_key"`
	NodeID     string           `json:"node_id"`
	CommandID  string           `json:"command_id"`
	Kind       wire.CommandKind `json:"kind"`
	IssuedMs   int64            `json:"issued_ms"`
	ExpiresMs  int64            `json:"expires_ms"`
	Version    uint64           `json:"version"`
	Canonical  hexBytes         `json:"canonical"`
	MAC        hexBytes         `json:"mac"`
}

func makeVectors(t *testing.T) vectors {
	root, master := Key(fixed("root")), Key(fixed("master"))
	keys := root.Derive()
	puzzle := master.PuzzleKey()
	v := vectors{
		About: "Encoding: package comment of shared/proof. Bytes are hexadecimal. Made by go test -run Vectors -update.",
		Keys: keyVector{Root: root[:], MQTTPassword: keys.MQTTPassword, Challenge: keys.Challenge[:], Response: keys.Response[:],
			Command: keys.Command[:], Master: master[:], Puzzle: puzzle[:]},
		Enrolment: makeEnrolmentVector(t),
	}
	for _, p := range []struct {
		d uint8
		k int
	}{{0, 0}, {0, 1}, {1, 2}, {8, 8}, {12, 3}} {
		v.Challenges = append(v.Challenges, makeChallengeVector(t, fixedChallenge(p.d, p.k)))
	}
	var h [32]byte
	for _, m := range []string{"first message", "", "third message"} {
		next := ChainNext(h, []byte(m))
		v.Chain = append(v.Chain, chainVector{bytes.Clone(h[:]), m, next[:]})
		h = next
	}
	for i, kind := range []wire.CommandKind{wire.CommandStart, wire.CommandStop, wire.CommandRefreshInfo} {
		c := fixedCommand(kind, uint64(i+1))
		v.Commands = append(v.Commands, commandVector{
			CommandKey: commandKey[:], NodeID: "node_kitchen-1", CommandID: c.CommandID, Kind: kind, IssuedMs: c.IssuedMs,
			ExpiresMs: c.ExpiresMs, Version: c.Version, Canonical: commandBytes("node_kitchen-1", c), MAC: c.MAC,
		})
	}
	return v
}

func makeEnrolmentVector(t *testing.T) enrolmentVector {
	e := newFixedEnrolment(t)
	transcript := EnrollTranscript(&e.request, &e.response)
	root, err := RootFrom(e.deviceX, e.response.X25519Public, e.request.Token, transcript)
	if err != nil {
		t.Fatal(err)
	}
	return enrolmentVector{
		Token: e.request.Token, DeviceX25519: e.deviceX.Bytes(), CoordinatorX25519: e.coordinatorX.Bytes(),
		DeviceSeed: e.device.Seed(), EnrolmentSeed: e.enrolment.Seed(), Inventory: string(e.request.Inventory),
		PayoutAddress: e.request.PayoutAddress, NodeID: e.response.NodeID, KeyEpoch: e.response.KeyEpoch,
		MQTT: e.response.MQTT, CAPEM: e.response.CAPEM,
		RequestTranscript: EnrollRequestTranscript(&e.request), RequestSignature: e.request.Signature,
		ResponseTranscript: transcript, ResponseSignature: e.response.Signature, Root: root[:],
	}
}

func makeChallengeVector(t *testing.T, c *Challenge) challengeVector {
	canonical := c.Encode(challengeKey)
	hash := HashChallenge(canonical)
	r, device := fixedResponse(t, c), fixedDevice("device")
	v := challengeVector{
		ChallengeKey: challengeKey[:], PuzzleKey: puzzleKey[:], ID: c.ID[:], NodeID: c.NodeID, KeyEpoch: c.KeyEpoch,
		Session: c.Session, IssuedMs: c.IssuedMs, DeadlineMs: c.DeadlineMs, Difficulty: c.Difficulty, Seed: c.Seed[:],
		Targets: []hexBytes{}, Canonical: canonical, Hash: hash[:],
		Response: responseVector{ResponseKey: responseKey[:], DeviceSeed: device.Seed(), Solutions: r.Solutions, BootID: r.BootID[:],
			BootTimeMs: r.BootTimeMs, Throttle: r.Throttle, Run: r.Run[:], Seq: r.Seq, Chain: r.Chain[:],
			Canonical: r.Encode(responseKey, device)},
	}
	for _, y := range c.Targets {
		v.Targets = append(v.Targets, y[:])
	}
	return v
}

func readVectors(t *testing.T) (v vectors, raw []byte) {
	t.Helper()
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v, raw
}

// The program still makes the bytes that were written down once. A difference
// means that old agents and new coordinators no longer understand each other.
func TestVectorsEncode(t *testing.T) {
	made, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, stored := readVectors(t); !bytes.Equal(made, stored) {
		t.Error("the encoding, a derivation or a MAC changed: " + vectorFile + " differs from what is made now")
	}
}

// And it still understands them.
func TestVectorsDecode(t *testing.T) {
	v, _ := readVectors(t)
	for _, want := range v.Challenges {
		c, err := DecodeChallenge(want.Canonical, Key(want.ChallengeKey))
		if err != nil {
			t.Fatal(err)
		}
		if got := makeChallengeVector(t, c); !reflect.DeepEqual(got, want) {
			t.Errorf("difficulty %d: decoded to %+v, want %+v", want.Difficulty, got, want)
		}
		if !c.CheckSolutions(Key(want.PuzzleKey), want.Response.Solutions) {
			t.Errorf("difficulty %d: its solutions are refused", want.Difficulty)
		}
		r, err := ParseResponse(want.Response.Canonical)
		if err != nil {
			t.Fatal(err)
		}
		device := ed25519.NewKeyFromSeed(want.Response.DeviceSeed)
		if !r.VerifyMAC(Key(want.Response.ResponseKey)) || !r.VerifySignature(device.Public().(ed25519.PublicKey)) {
			t.Errorf("difficulty %d: response is not genuine", want.Difficulty)
		}
		if expect := fixedResponse(t, c); !reflect.DeepEqual(&r.Response, expect) {
			t.Errorf("difficulty %d: response decoded to %+v, want %+v", want.Difficulty, r.Response, expect)
		}
	}
}

func TestVectorsOfCommands(t *testing.T) {
	v, _ := readVectors(t)
	if len(v.Commands) != 3 {
		t.Fatalf("%d commands", len(v.Commands))
	}
	for _, want := range v.Commands {
		c := &wire.Command{
			V: wire.ProtocolVersion, CommandID: want.CommandID, Kind: want.Kind, IssuedMs: want.IssuedMs,
			ExpiresMs: want.ExpiresMs, Version: want.Version, MAC: want.MAC,
		}
		if !VerifyCommand(Key(want.CommandKey), want.NodeID, c) {
			t.Errorf("%s is refused", want.Kind)
		}
	}
}

package tron_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"lucid.internal/coordinator/internal/tron"
)

// vector is a real transaction of testdata.
type vector struct {
	Name          string
	Raw           string
	TxID          string
	Owner         string
	OwnerBase58   string `json:"owner_base58"`
	RefBlockBytes string `json:"ref_block_bytes"`
	RefBlockHash  string `json:"ref_block_hash"`
	Expiration    int64
	Timestamp     int64
	FeeLimit      int64 `json:"fee_limit"`
	Sig           string
}

func vectors(t *testing.T) (list []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/transactions.json")
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil || len(list) != 5 {
		t.Fatalf("%d vectors: %v", len(list), err)
	}
	return list
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func address(t *testing.T, text string) tron.Address {
	t.Helper()
	a, err := tron.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// testKey is a key of nobody.
func testKey() *secp256k1.PrivateKey {
	return secp256k1.PrivKeyFromBytes([]byte("a key for tests, of nobody ......")[:32])
}

func TestIDsAndOwnersOfRealTransactions(t *testing.T) {
	signed := 0
	for _, v := range vectors(t) {
		raw, owner := unhex(t, v.Raw), address(t, v.OwnerBase58)
		if id := tron.IDOf(raw); id.String() != v.TxID {
			t.Errorf("%s: id %s, want %s", v.Name, id, v.TxID)
		}
		if owner.Hex() != v.Owner || owner.String() != v.OwnerBase58 {
			t.Errorf("%s: owner %s %s, want %s %s", v.Name, owner, owner.Hex(), v.OwnerBase58, v.Owner)
		}
		if !tron.SpentBy(raw, owner) || tron.SpentBy(raw, address(t, "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb")) {
			t.Errorf("%s: does not know whose it is", v.Name)
		}
		if v.Sig == "" {
			continue
		}
		signed++
		signature := tron.Signature(unhex(t, v.Sig))
		if by, err := signature.Recover(tron.IDOf(raw)); err != nil || by != owner {
			t.Errorf("%s: signed by %s (%v), want %s", v.Name, by, err, owner)
		}
		back, again, err := tron.ParseSigned(tron.Signed(raw, signature))
		if err != nil || string(back) != string(raw) || again != signature {
			t.Errorf("%s: the signed form does not come apart as it was made: %v", v.Name, err)
		}
	}
	if signed != 2 {
		t.Errorf("%d signatures were checked, want 2", signed)
	}
}

func TestBytesOfRealTransfersAreBuiltAgain(t *testing.T) {
	built := 0
	for _, v := range vectors(t) {
		if v.FeeLimit == 0 {
			continue // transfers of TRX, which are not made here
		}
		built++
		found, err := tron.Parse(unhex(t, v.Raw))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		made := tron.Transaction{
			RefBlockBytes: [2]byte(unhex(t, v.RefBlockBytes)), RefBlockHash: [8]byte(unhex(t, v.RefBlockHash)),
			Expiration: v.Expiration, Timestamp: v.Timestamp, FeeLimit: v.FeeLimit, Memo: found.Memo,
			Owner: address(t, v.OwnerBase58), Contract: address(t, tron.USDT), Data: found.Data,
		}
		if raw := hex.EncodeToString(made.Raw()); raw != v.Raw {
			t.Errorf("%s:\n%s\n%s", v.Name, raw, v.Raw)
		}
	}
	if built != 3 {
		t.Errorf("%d transfers were built, want 3", built)
	}
}

// The second vector pays one USDT to its own sender.
func TestCalldataOfARealTransfer(t *testing.T) {
	v := vectors(t)[1]
	found, err := tron.Parse(unhex(t, v.Raw))
	if err != nil {
		t.Fatal(err)
	}
	to := address(t, v.OwnerBase58)
	if want, made := hex.EncodeToString(found.Data), hex.EncodeToString(tron.TransferCall(to, 1_000_000)); made != want {
		t.Errorf("calldata\n%s\n%s", made, want)
	}
	if who, amount, err := tron.ParseTransferCall(found.Data); err != nil || who != to || amount != 1_000_000 {
		t.Errorf("reads %d to %s, %v", amount, who, err)
	}
}

func TestReferenceBlock(t *testing.T) {
	var made tron.Transaction
	block := tron.BlockID(unhex(t, "00000000038c68bdbc830d2c09fa23d1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	made.RefersTo(block)
	want := vectors(t)[0]
	if hex.EncodeToString(made.RefBlockBytes[:]) != want.RefBlockBytes || hex.EncodeToString(made.RefBlockHash[:]) != want.RefBlockHash {
		t.Errorf("refers to %x %x, want %s %s", made.RefBlockBytes, made.RefBlockHash, want.RefBlockBytes, want.RefBlockHash)
	}
	if block.Number() != 0x038c68bd {
		t.Errorf("number %d", block.Number())
	}
}

// The second number is the address of private key 1, as Ethereum's
// 0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf has it: both chains hash alike.
func TestAddressOfAKey(t *testing.T) {
	one := secp256k1.PrivKeyFromBytes([]byte{1})
	if got := tron.AddressOf(one.PubKey()).Hex(); got != "417e5f4552091a69125d5dfcb7b8c2659029395bdf" {
		t.Errorf("address of key 1 is %s", got)
	}
}

func TestSignatureRecoversToItsKey(t *testing.T) {
	key := testKey()
	id := tron.IDOf([]byte("raw bytes"))
	signature := tron.Sign(key, id)
	if again := tron.Sign(key, id); again != signature {
		t.Error("the same key and id give two signatures")
	}
	if by, err := signature.Recover(id); err != nil || by != tron.AddressOf(key.PubKey()) {
		t.Errorf("recovers to %s, %v", by, err)
	}
	if by, err := signature.Recover(tron.IDOf([]byte("raw byteS"))); err == nil && by == tron.AddressOf(key.PubKey()) {
		t.Error("the signature holds for other bytes")
	}
	signature[64] = 9
	if _, err := signature.Recover(id); err == nil {
		t.Error("a v of 9 passes")
	}
}

// What Raw would not write is not read as if it were.
func TestParseRefusesWhatItDoesNotHold(t *testing.T) {
	all := vectors(t)
	for name, raw := range map[string][]byte{
		"empty":             nil,
		"cut":               unhex(t, all[0].Raw)[:100],
		"a transfer of TRX": unhex(t, all[4].Raw),
		"another field":     append(unhex(t, all[1].Raw), 0x98, 0x01, 0x01),
		"a field twice":     append(unhex(t, all[1].Raw), 0x70, 0x01),
		"garbage":           []byte("no protobuf at all"),
	} {
		if _, err := tron.Parse(raw); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/transactions.json")
	var list []vector
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range list {
		raw, _ := hex.DecodeString(v.Raw)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tron.SpentBy(raw, tron.Address{})
		if made, err := tron.Parse(raw); err == nil && string(made.Raw()) != string(raw) {
			t.Errorf("%x is read as %+v", raw, made)
		}
	})
}

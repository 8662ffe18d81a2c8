package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// TestSignedPayoutAddressIsHandedIn: by whoever has it, without a credential, and once.
func TestSignedPayoutAddressIsHandedIn(t *testing.T) {
	f := newFleet(t)
	nodeID := f.made("node_id", "nodes", "create", "attic-pi")
	public, device, err := ed25519.GenerateKey(rand.Reader)
	if err == nil {
		_, err = f.db.Exec(t.Context(), `INSERT INTO node_key (node_no, key_epoch, root_box, device_public) SELECT node_no, 1, '', $1 FROM node`, []byte(public))
	}
	if err != nil {
		t.Fatal(err)
	}
	change := wire.SignedChange{V: 1, NodeID: nodeID, Field: wire.FieldPayoutAddress, Value: payoutAddress, SignedMs: time.Now().UnixMilli()}
	proof.SignChange(device, &change)
	text, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	hand := func(input, file string) outcome {
		t.Helper()
		return f.at(terminal{in: strings.NewReader(input)}, "--url", f.url, "nodes", "payout-address", file, "-o", "csv")
	}
	if o := hand("", f.file("signed.json", string(text)+"\n")); o.code != 0 || !strings.HasPrefix(o.out, "node_id,payout_address,payout_address_from\n"+nodeID+","+payoutAddress+",") {
		t.Errorf("%+v", o)
	}
	if o := hand(string(text), "-"); o.code == 0 {
		t.Errorf("a second time: %+v", o)
	}
	for _, file := range []string{f.file("no.json", "{}"), f.file("text", "T...")} {
		if o := hand("", file); o.code != exitUsage || !strings.Contains(o.notes, "is not what lucid-agent sign --payout-address prints") {
			t.Errorf("%s: %+v", file, o)
		}
	}
}

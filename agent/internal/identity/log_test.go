package identity

import (
	"bytes"
	"log/slog"
	"testing"

	"lucid.internal/shared/proof"
)

// Every change of the keys is one line, and nothing of a key is in it.
func TestLogOfARotation(t *testing.T) {
	n := newRotation(t)
	var log bytes.Buffer
	untimed := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	r, err := OpenRing(n.dir, n.ring(t).now, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: untimed})))
	if err != nil {
		t.Fatal(err)
	}
	says := func(what, want string) {
		t.Helper()
		if got := log.String(); got != want {
			t.Errorf("%s:\n%swant:\n%s", what, got, want)
		}
		log.Reset()
	}
	login := func() {
		t.Helper()
		if err := r.LoggedIn(); err != nil {
			t.Fatal(err)
		}
	}
	login()
	says("a login with the key in use", "")
	offer, _, next := n.agree(t, r, 2)
	says("an offer", "level=INFO msg=\"new key taken: it is in use once the coordinator uses it\" key_epoch=2 in_use=1\n")
	if _, err := r.Rotate(offer); err != nil {
		t.Fatal(err)
	}
	says("the same offer again", "")
	for range 2 {
		if err := r.Used(proof.Epoch{No: 2, Keys: next}); err != nil {
			t.Fatal(err)
		}
	}
	says("its use, and again", "level=INFO msg=\"new key is proven: the coordinator uses it\" key_epoch=2 before=1\n")
	late, _ := n.Offer(t, testNode, 2)
	if _, err := r.Rotate(late); err == nil {
		t.Fatal("an offer of the number in use was taken")
	}
	says("an offer of before", "level=WARN msg=\"offer of a new key refused\" in_use=2 error=\"key epoch 2 is not above 2\"\n")
	r.Refused()
	login()
	login()
	says("a restored coordinator", "level=WARN msg=\"another key of this node is in use: the coordinator takes none of those tried before it\" key_epoch=1 before=2\n")
}

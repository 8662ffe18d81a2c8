package access

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/fault"
)

const password = "correct horse battery"

func TestPasswordHash(t *testing.T) {
	w := newHasher()
	stored, err := w.make(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(stored, password) {
		t.Errorf("stored as %s", stored)
	}
	if again, _ := w.make(t.Context(), password); again == stored {
		t.Error("two hashes of one password are the same: there is no salt")
	}
	for text, want := range map[string]bool{password: true, password + " ": false, "": false} {
		if good, current, err := w.check(t.Context(), stored, text); good != want || !current || err != nil {
			t.Errorf("%q: good %v, current %v, %v", text, good, current, err)
		}
	}
	if good, _, err := w.check(t.Context(), "", password); good || err != nil {
		t.Errorf("nobody's password: good %v, %v", good, err)
	}
}

// A hash made elsewhere: the reference implementation's command line,
// echo -n "password" | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 -e.
func TestForeignHash(t *testing.T) {
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	good, current, err := newHasher().check(t.Context(), stored, "password")
	if !good || current || err != nil {
		t.Errorf("good %v, current %v, %v; want good, and to be renewed", good, current, err)
	}
}

func TestHashesThatAreRefused(t *testing.T) {
	for _, text := range []string{
		"plain", "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=19456,t=900,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=19456,t=2,p=1,x=2$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if h, err := parseHash(text); err == nil {
			t.Errorf("%s is taken as %+v", text, h)
		}
	}
}

// Memory is bounded by the turns: who finds them taken waits, and who finds the
// queue full is sent away.
func TestHashingIsBounded(t *testing.T) {
	w := newHasher()
	for range hashesAtOnce {
		w.turns <- struct{}{}
	}
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error)
	for range mostWaiting {
		go func() { _, err := w.make(ctx, password); ended <- err }()
	}
	for w.waiting.Load() < mostWaiting {
		select {
		case err := <-ended:
			t.Fatalf("one of those that should wait ended: %v", err)
		default:
			runtime.Gosched()
		}
	}
	if _, err := w.make(t.Context(), password); !fault.Has(err, fault.RateLimited) {
		t.Errorf("with a full queue: %v", err)
	}
	giveUp()
	for range mostWaiting {
		if err := <-ended; err != context.Canceled {
			t.Errorf("who gave up got %v", err)
		}
	}
	<-w.turns
	if _, err := w.make(t.Context(), password); err != nil {
		t.Errorf("with a turn free: %v", err)
	}
}

func TestCheckPassword(t *testing.T) {
	for text, good := range map[string]bool{
		password: true, strings.Repeat("é", 12): true, strings.Repeat("a", 200): true,
		"short": false, strings.Repeat("a", 11): false, strings.Repeat("a", 201): false,
		"with a \x00 in the middle": false, "broken \xff utf-8 text": false,
	} {
		if bad := checkPassword(text); (bad == nil) != good {
			t.Errorf("%q: %v", text, bad)
		}
	}
}

// FuzzParseHash holds that what is taken has bounded costs and one spelling.
func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=-1,t=+2,p=1$c29tZXNhbHQ$AAAA")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err == nil && (h.memoryKiB > 4*hashMemoryKiB || h.passes > 8 || h.threads > 4 || h.String() != text) {
			t.Errorf("%q is taken as %+v", text, h)
		}
	})
}

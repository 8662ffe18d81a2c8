package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"lucid.internal/coordinator/internal/fault"
)

// What a new hash costs: the least memory that OWASP advises for argon2id, so
// that a server with 1 GB can bear several logins at once.
const (
	hashMemoryKiB = 19 << 10
	hashPasses    = 2
	hashThreads   = 1
	hashSaltBytes = 16
	hashBytes     = 32
)

const (
	// hashesAtOnce bounds memory and cores: 38 MiB whatever comes in.
	hashesAtOnce = 2
	// mostWaiting bounds how many logins queue for a turn; the rest is told to
	// come again.
	mostWaiting = 32

	leastPasswordRunes = 12
	mostPasswordRunes  = 200
)

// hash is one stored password: argon2id, its cost, its salt and its sum.
type hash struct {
	memoryKiB uint32
	passes    uint32
	threads   uint8
	salt, sum []byte
}

// String is the form that other programs know: $argon2id$v=19$m=..,t=..,p=..$salt$sum.
func (h hash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memoryKiB, h.passes, h.threads,
		b64.EncodeToString(h.salt), b64.EncodeToString(h.sum))
}

// parseHash reads what String wrote. Costs far above ours are refused: a row
// must not be able to exhaust the machine.
func parseHash(text string) (h hash, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hash{}, errors.New("a stored password is not argon2id of the version we know")
	}
	_, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memoryKiB, &h.passes, &h.threads)
	if err == nil {
		h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	}
	if err == nil {
		h.sum, err = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	}
	if err != nil || h.memoryKiB < 8 || h.memoryKiB > 4*hashMemoryKiB || h.passes < 1 || h.passes > 8 || h.threads < 1 || h.threads > 4 ||
		len(h.salt) < 8 || len(h.salt) > 64 || len(h.sum) != hashBytes || h.String() != text {
		return hash{}, errors.New("a stored password has parameters outside of what we take")
	}
	return h, nil
}

func (h hash) current() bool {
	return h.memoryKiB == hashMemoryKiB && h.passes == hashPasses && h.threads == hashThreads && len(h.salt) == hashSaltBytes
}

func newHash(salt []byte) hash {
	return hash{memoryKiB: hashMemoryKiB, passes: hashPasses, threads: hashThreads, salt: salt}
}

// hasher does the costly work, a bounded number of hashes at a time.
type hasher struct {
	turns   chan struct{}
	waiting atomic.Int32
	derive  func(password, salt []byte, passes, memoryKiB uint32, threads uint8, bytes uint32) []byte
}

func newHasher() *hasher {
	return &hasher{turns: make(chan struct{}, hashesAtOnce), derive: argon2.IDKey}
}

func (w *hasher) sum(ctx context.Context, h hash, password string) ([]byte, error) {
	if w.waiting.Add(1) > mostWaiting {
		w.waiting.Add(-1)
		return nil, tooSoon(busyWait, "too many logins at once; try again in a moment")
	}
	select {
	case w.turns <- struct{}{}:
		w.waiting.Add(-1)
	case <-ctx.Done():
		w.waiting.Add(-1)
		return nil, ctx.Err()
	}
	defer func() { <-w.turns }()
	return w.derive([]byte(password), h.salt, h.passes, h.memoryKiB, h.threads, hashBytes), nil
}

// make gives the text to store for a new password.
func (w *hasher) make(ctx context.Context, password string) (string, error) {
	salt := make([]byte, hashSaltBytes)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	h := newHash(salt)
	var err error
	if h.sum, err = w.sum(ctx, h, password); err != nil {
		return "", err
	}
	return h.String(), nil
}

// check compares a password with what is stored. An empty stored text is that
// of nobody: it costs the same and never matches.
func (w *hasher) check(ctx context.Context, stored, password string) (good, current bool, err error) {
	h := newHash(make([]byte, hashSaltBytes))
	if stored != "" {
		if h, err = parseHash(stored); err != nil {
			return false, false, err
		}
	}
	sum, err := w.sum(ctx, h, password)
	if err != nil {
		return false, false, err
	}
	want := h.sum
	if stored == "" {
		want = make([]byte, hashBytes)
	}
	same := subtle.ConstantTimeCompare(sum, want) == 1
	return same && stored != "", h.current(), nil
}

// checkPassword says what is wrong with a new password; nil when nothing is.
func checkPassword(password string) []fault.Field {
	runes := utf8.RuneCountInString(password)
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) ||
		runes < leastPasswordRunes || runes > mostPasswordRunes {
		return []fault.Field{{Name: "password", Reason: fmt.Sprintf("must be %d to %d characters, none of them a control character",
			leastPasswordRunes, mostPasswordRunes)}}
	}
	return nil
}

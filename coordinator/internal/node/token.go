package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"regexp"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// MaxTokenLife bounds how long an enrolment token may be used.
const MaxTokenLife = 7 * 24 * time.Hour

var names = regexp.MustCompile(`^[a-zA-Z0-9_-]{3,100}$`)

// Token says what an enrolment token allows. Pool and node come from the token
// only, never from the device.
type Token struct {
	PoolNo     *int32 // joined at enrolment; nil for none
	NodeName   string // "" derives one from the host's name
	SerialHash string // "" accepts any board
	NodeNo     *int32 // the node that is enrolled again; nil makes a new one
	Life       time.Duration
}

// CreateToken makes a one-time token and returns it; only its hash is kept.
func (s *Store) CreateToken(ctx context.Context, t Token) (string, error) {
	if t.Life <= 0 || t.Life > MaxTokenLife {
		return "", fault.New(fault.Validation, "an enrolment token lives more than 0 and at most %s", MaxTokenLife).
			WithFields(fault.Field{Name: "life", Reason: fmt.Sprintf("%s is out of range", t.Life)})
	}
	if t.NodeName != "" && !names.MatchString(t.NodeName) {
		return "", fault.New(fault.Validation, "a node cannot be named %q", t.NodeName).
			WithFields(fault.Field{Name: "name", Reason: "must be 3 to 100 letters, digits, _ or -"})
	}
	token := "enroll_" + rand.Text() + rand.Text()
	err := sqlgen.New(s.Pool).InsertToken(ctx, sqlgen.InsertTokenParams{
		TokenHash:  hashToken(token),
		PoolNo:     t.PoolNo,
		NodeName:   t.NodeName,
		SerialHash: t.SerialHash,
		NodeNo:     t.NodeNo,
		ExpiresAt:  s.Now().Add(t.Life),
	})
	if err != nil {
		return "", fmt.Errorf("store enrolment token: %w", err)
	}
	return token, nil
}

// RemoveExpiredTokens forgets tokens that nobody used in time.
func (s *Store) RemoveExpiredTokens(ctx context.Context) error {
	_, err := sqlgen.New(s.Pool).DeleteExpiredTokens(ctx, s.Now().Add(-MaxTokenLife))
	return err
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

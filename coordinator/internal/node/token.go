package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// MaxTokenLife bounds how long an enrolment token may be used.
const MaxTokenLife = 7 * 24 * time.Hour

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
func (s *Store) CreateToken(ctx context.Context, by audit.By, t Token) (token string, err error) {
	if t.Life <= 0 || t.Life > MaxTokenLife {
		return "", fault.New(fault.Validation, "an enrolment token lives more than 0 and at most %s", MaxTokenLife).
			WithFields(fault.Field{Name: "life", Reason: fmt.Sprintf("%s is out of range", t.Life)})
	}
	if t.NodeName != "" && !namePattern.MatchString(t.NodeName) {
		return "", fault.New(fault.Validation, "no node may be named %q", t.NodeName).
			WithFields(fault.Field{Name: "node_name", Reason: "must be 3 to 100 letters, digits, _ or -"})
	}
	now := s.Now()
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		token, err = insertToken(ctx, tx, by, t, now)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("store enrolment token: %w", err)
	}
	return token, nil
}

// insertToken makes a token within the caller's transaction. It writes to the
// audit log, so it comes last.
func insertToken(ctx context.Context, tx db.Tx, by audit.By, t Token, now time.Time) (string, error) {
	token := "enroll_" + rand.Text() + rand.Text()
	p := sqlgen.InsertTokenParams{
		TokenHash:  hashToken(token),
		PoolNo:     t.PoolNo,
		NodeName:   t.NodeName,
		SerialHash: t.SerialHash,
		NodeNo:     t.NodeNo,
		ExpiresAt:  now.Add(t.Life),
	}
	if err := sqlgen.New(tx).InsertToken(ctx, p); err != nil {
		return "", err
	}
	r := by.Record("token.create", tokenID(p.TokenHash), nil, tokenRecord{
		PoolNo: t.PoolNo, NodeNo: t.NodeNo, NodeName: t.NodeName, Expires: p.ExpiresAt,
	})
	return token, audit.Write(ctx, tx, r.AtTime(now))
}

// RemoveExpiredTokens forgets tokens that nobody used in time.
func (s *Store) RemoveExpiredTokens(ctx context.Context) error {
	_, err := sqlgen.New(s.Pool).DeleteExpiredTokens(ctx, s.Now().Add(-MaxTokenLife))
	return err
}

// tokenRecord is what the audit log keeps of a token.
type tokenRecord struct {
	PoolNo   *int32    `json:"pool_no,omitempty"`
	NodeNo   *int32    `json:"node_no,omitempty"`
	NodeName string    `json:"node_name,omitempty"`
	Expires  time.Time `json:"expires_at"`
}

// tokenID names a token where its text must not stand.
func tokenID(hash []byte) string { return "token_" + hex.EncodeToString(hash[:8]) }

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

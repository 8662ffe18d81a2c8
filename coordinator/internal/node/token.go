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
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// MaxTokenLife bounds how long an enrolment token may be used.
const MaxTokenLife = 7 * 24 * time.Hour

// DefaultTokenLife is how long an enrolment token may be used when nobody says.
const DefaultTokenLife = 24 * time.Hour

// MaxTokenUses bounds how many devices one enrolment token brings in.
const MaxTokenUses = 100

// Token says what an enrolment token allows. Pool and node come from the token
// only, never from the device.
type Token struct {
	PoolNo   *int32   // joined at enrolment; nil for none
	NodeName string   // "" derives one from the host's name
	Serials  []string // of the boards that it brings in, each once, or their hex SHA-256; none accepts any one board
	NodeNo   *int32   // the node that is enrolled again; nil makes a new one
	Life     time.Duration
	Uses     int // devices that it brings in; 0 is one, or as many as Serials. More than one only for new nodes without a given name
}

// CreateToken makes a token and returns it; only its hash is kept.
func (s *Store) CreateToken(ctx context.Context, by audit.By, t Token) (token string, err error) {
	if err := t.Check(); err != nil {
		return "", err
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

// CreateTokens makes several tokens, all of them or none, and gives them in
// their order.
func (s *Store) CreateTokens(ctx context.Context, by audit.By, wanted []Token) (tokens []string, err error) {
	for _, t := range wanted {
		if err := t.Check(); err != nil {
			return nil, err
		}
	}
	now := s.Now()
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		tokens = make([]string, len(wanted))
		for i, t := range wanted {
			if tokens[i], err = insertToken(ctx, tx, by, t, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store %d enrolment tokens: %w", len(wanted), err)
	}
	return tokens, nil
}

// insertToken makes a token within the caller's transaction. It writes to the
// audit log, so it comes last.
func insertToken(ctx context.Context, tx db.Tx, by audit.By, t Token, now time.Time) (string, error) {
	token := "enroll_" + rand.Text() + rand.Text()
	p := sqlgen.InsertTokenParams{
		TokenHash: hashToken(token),
		PoolNo:    t.PoolNo,
		NodeName:  t.NodeName,
		NodeNo:    t.NodeNo,
		ExpiresAt: now.Add(t.Life),
		CreatedAt: now,
		Uses:      int32(t.uses()),
	}
	boards := t.boards()
	if len(boards) == 1 {
		p.SerialHash = boards[0]
	}
	q := sqlgen.New(tx)
	if err := q.InsertToken(ctx, p); err != nil {
		return "", err
	}
	if len(boards) > 1 {
		if err := q.AddBoards(ctx, sqlgen.AddBoardsParams{TokenHash: p.TokenHash, SerialHashes: boards}); err != nil {
			return "", err
		}
	}
	r := by.Record("token.create", tokenID(p.TokenHash), nil, tokenRecord{
		PoolNo: t.PoolNo, NodeNo: t.NodeNo, NodeName: t.NodeName, Expires: p.ExpiresAt, Uses: p.Uses, Boards: boards,
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
	Uses     int32     `json:"uses"`
	Boards   []string  `json:"serial_hashes,omitempty"`
}

// TokenID names a token where its text must not stand.
func TokenID(token string) string { return tokenID(hashToken(token)) }

func tokenID(hash []byte) string { return "token_" + hex.EncodeToString(hash[:8]) }

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

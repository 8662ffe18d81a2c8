package node

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// checkToken refuses a token that brings in no further device, or not this
// board. An empty serialHash is of a board that tells none.
func checkToken(ctx context.Context, q *sqlgen.Queries, token *sqlgen.EnrolmentToken, serialHash string, now time.Time) error {
	switch {
	case token.UsedAt != nil:
		return copiedToken(*token.NodeNo)
	case token.RevokedAt != nil:
		return fault.New(fault.BadEnrolmentToken, "the enrolment token was revoked; ask for a new one")
	case now.After(token.ExpiresAt):
		return fault.New(fault.BadEnrolmentToken, "the enrolment token expired at %s; ask for a new one", token.ExpiresAt.UTC().Format(time.RFC3339))
	case token.Uses > 1:
		return checkNamed(ctx, q, token, serialHash)
	case token.SerialHash != "" && token.SerialHash != serialHash:
		return strangeBoard(token)
	}
	return nil
}

// checkNamed lets each board that a token of several uses names use it once.
func checkNamed(ctx context.Context, q *sqlgen.Queries, token *sqlgen.EnrolmentToken, serialHash string) error {
	nodeNo, err := q.UseOfBoard(ctx, sqlgen.UseOfBoardParams{TokenHash: token.TokenHash, SerialHash: serialHash})
	if errors.Is(err, pgx.ErrNoRows) {
		return strangeBoard(token)
	}
	if err == nil && nodeNo != nil {
		return copiedToken(*nodeNo)
	}
	return err
}

func copiedToken(nodeNo int32) error {
	return &intrusion{nodeNo: nodeNo, what: "a used token came from another device",
		error: fault.New(fault.BadEnrolmentToken, "the enrolment token was used by another device or request; ask for a new one")}
}

func strangeBoard(token *sqlgen.EnrolmentToken) error {
	return &intrusion{tokenID: token.TokenID, what: "a token came from a board that it does not name",
		error: fault.New(fault.BadEnrolmentToken, "the enrolment token is for other boards than this one; ask for a token that names its serial number, or any board")}
}

// useToken binds one use of the token to the request and keeps its answer.
func useToken(ctx context.Context, q *sqlgen.Queries, token *sqlgen.EnrolmentToken, use sqlgen.AddUseParams) error {
	if token.Uses > 1 {
		return q.AddUse(ctx, use)
	}
	return q.UseToken(ctx, sqlgen.UseTokenParams{
		TokenHash: use.TokenHash, UsedAt: &use.UsedAt, NodeNo: &use.NodeNo, RequestHash: use.RequestHash, Response: use.Response,
	})
}

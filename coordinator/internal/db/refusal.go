package db

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Code is the SQLSTATE with which Postgres refused something, and empty for any
// other error.
func Code(err error) string {
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal.Code
	}
	return ""
}

// Constraint names the constraint or the unique index that refused a row, and
// is empty for any other error. A fault that a caller is told should follow from
// it rather than from the code: the next constraint of the table has the same
// code, and means something else.
func Constraint(err error) string {
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal.ConstraintName
	}
	return ""
}

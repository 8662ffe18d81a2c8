package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// lockAttempts is how many times, once a second, the migration lock is asked
// for: a long migration of another coordinator must be able to end.
const lockAttempts = 600

// Migrate brings the database at url to the newest schema. Coordinators that
// start together take turns by a session lock; the later ones find nothing to
// do. A nil logger stays silent.
func Migrate(ctx context.Context, url string, logger *slog.Logger) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("database URL cannot be read: %w", err)
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockAttempts))
	if err != nil {
		return fmt.Errorf("migration lock: %w", err)
	}
	conn := stdlib.OpenDB(*config)
	defer conn.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	applied, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrating database %s: %w", place(config), err)
	}
	if logger != nil {
		for _, m := range applied {
			logger.Info("migration applied", "file", m.Source.Path, "took", m.Duration)
		}
	}
	return nil
}

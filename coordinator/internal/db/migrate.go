package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

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
// do. What was done is one line of the log. A nil logger stays silent.
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
	if logger != nil && len(applied) > 0 {
		tell(logger, applied)
	}
	return nil
}

// tell says from which version to which the schema came, and how long it took.
func tell(logger *slog.Logger, applied []*goose.MigrationResult) {
	var took time.Duration
	for _, m := range applied {
		took += m.Duration
	}
	first, last := applied[0].Source.Version, applied[len(applied)-1].Source.Version
	logger.Info("the database's schema was migrated", "from_version", first-1, "to_version", last, "migrations", len(applied), "took", took.Round(time.Millisecond).String())
}

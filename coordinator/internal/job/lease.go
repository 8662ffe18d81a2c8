package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lucid.internal/coordinator/internal/db"
)

// lockClass keeps our advisory locks apart from those of package seal.
const lockClass = 0x10b

// ErrLost is the cause of the end of a leased context when the database no
// longer confirms the lease.
var ErrLost = errors.New("lease lost")

// LeaseConfig says where leases are held. Only Pool is required.
type LeaseConfig struct {
	Pool *db.Pool // gives the address; a lease has a connection of its own
	// Retry is how often a lease held by another is asked for. Default 1 s.
	Retry time.Duration
	// Check is how often the held connection is tried. An end that the server
	// tells of is noticed at once. Default 2 s.
	Check time.Duration
	// Patience is how long one answer may take. Default 3 s. A coordinator
	// that is cut off notices after Check + Patience at the latest.
	Patience time.Duration
	Logger   *slog.Logger // nil: silent
}

// Lease lets one coordinator of many do a work. It is a Postgres session
// advisory lock, so it ends with its connection, however that ends.
//
// A coordinator that is cut off can go on for up to Check + Patience while
// another one has begun: work under a lease saves labour, and its writes must
// stay right if they happen twice.
type Lease struct {
	config LeaseConfig
	log    *slog.Logger
}

// NewLease fills in the defaults.
func NewLease(config LeaseConfig) *Lease {
	orDefault(&config.Retry, time.Second)
	orDefault(&config.Check, 2*time.Second)
	orDefault(&config.Patience, 3*time.Second)
	log := config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Lease{config: config, log: log}
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run waits for the lease of that name and calls fn while it is held. The
// context of fn ends when the lease is lost; fn must then return, and Run
// waits for the lease again. Run returns when ctx ends or fn returns by itself.
func (l *Lease) Run(ctx context.Context, name string, fn func(ctx context.Context)) {
	log := l.log.With("lease", name)
	trouble := ""
	for {
		conn, err := l.acquire(ctx, name)
		if err == nil {
			trouble = ""
			log.Debug("lease held")
			err = l.hold(ctx, conn, fn)
			if err == nil {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err.Error() != trouble { // a database that stays away is told once
			trouble = err.Error()
			log.Warn("without lease, trying again", "error", err, "in", l.config.Retry)
		}
		wait(ctx, l.config.Retry)
	}
}

// acquire returns a connection that holds the lease.
func (l *Lease) acquire(ctx context.Context, name string) (*pgx.Conn, error) {
	conn, err := l.connect(ctx, name)
	if err != nil {
		return nil, err
	}
	for {
		held, err := l.try(ctx, conn, name)
		if held {
			return conn, nil
		}
		if err == nil {
			err = wait(ctx, l.config.Retry)
		}
		if err != nil {
			l.drop(conn)
			return nil, err
		}
	}
}

// connect opens the connection of a lease.
func (l *Lease) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	config := l.config.Pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "lucid lease " + name
	dial, cancel := context.WithTimeout(ctx, l.config.Patience)
	defer cancel()
	return pgx.ConnectConfig(dial, config)
}

// try asks once. Asking again and again, instead of waiting in the server,
// shows a dead connection.
func (l *Lease) try(ctx context.Context, conn *pgx.Conn, name string) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.Patience)
	defer cancel()
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1::int, hashtext($2))", lockClass, name).Scan(&held)
	return held, err
}

// hold runs fn and watches the connection. nil: fn returned by itself or ctx
// ended. The lease is given back after fn has returned, never before.
func (l *Lease) hold(ctx context.Context, conn *pgx.Conn, fn func(ctx context.Context)) error {
	defer l.drop(conn)
	leased, end := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(leased)
	}()
	watched, stop := context.WithCancel(ctx)
	go func() {
		<-done
		stop()
	}()
	err := l.watch(watched, conn)
	end(err)
	<-done
	return err
}

// watch returns ErrLost when the server no longer confirms the connection, nil
// when ctx ends.
func (l *Lease) watch(ctx context.Context, conn *pgx.Conn) error {
	for {
		err := l.listen(ctx, conn)
		if err == nil {
			err = l.confirm(ctx, conn)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
}

// listen reads from the connection for one Check, so that its end is noticed
// when it happens. Nothing is expected to come.
func (l *Lease) listen(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, l.config.Check)
	defer cancel()
	_, err := conn.WaitForNotification(ctx)
	if pgconn.Timeout(err) && !conn.IsClosed() {
		return nil
	}
	return err
}

// confirm makes the server answer: a cut network is silent.
func (l *Lease) confirm(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, l.config.Patience)
	defer cancel()
	return conn.Ping(ctx)
}

func (l *Lease) drop(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), l.config.Patience)
	defer cancel()
	conn.Close(ctx) // its error changes nothing: the lock ends with the connection
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

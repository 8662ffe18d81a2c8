package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"lucid.internal/e2e/harness"
)

const stopPatience = 30 * time.Second

// stage is a coordinator on a database of its own, run as an operator runs it.
type stage struct {
	*harness.Coordinator
	plain    string // MQTT without TLS
	postgres *harness.Postgres
}

func openStage(ctx context.Context, binaries harness.Binaries, data string) (*stage, error) {
	plain, err := harness.FreeAddr()
	if err != nil {
		return nil, err
	}
	pg, err := harness.StartPostgres(ctx, filepath.Clean(data))
	if err != nil {
		return nil, err
	}
	// serve, because dev writes a line for every sample.
	c, err := harness.Start(harness.Options{
		Binaries: binaries, Data: data, Serve: pg,
		// All nodes come from one address.
		Env: []string{"LUCID_MQTT_PLAIN_ADDR=" + plain, "LUCID_POOT_CALCULATION_INTERVAL=24h", "LUCID_RATE_ANONYMOUS=0", "LUCID_MQTT_RATE_CONNECT=0"},
	})
	if err == nil {
		err = c.AwaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, pg.Stop())
	}
	return &stage{c, plain, pg}, nil
}

// restart gives a coordinator that has had no connection yet.
func (s *stage) restart(ctx context.Context) error {
	err := s.stop(ctx)
	if err == nil {
		s.Coordinator, err = s.Again()
	}
	if err == nil {
		err = s.AwaitReady(ctx)
	}
	return err
}

func (s *stage) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	return s.Stop(ctx)
}

// close ends everything, also after a failure.
func (s *stage) close() error {
	s.Kill()
	return s.postgres.Stop()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lucid.internal/e2e/harness"
)

const stopTime = 30 * time.Second

// own is a coordinator and a Postgres of the simulator's own.
type own struct {
	dir         string
	postgres    *harness.Postgres
	coordinator *harness.Coordinator
}

// startOwn builds and starts them, and points the options there.
func startOwn(ctx context.Context, o *options) (_ *own, err error) {
	s := new(own)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.dir, err = harness.TempDir(); err != nil {
		return nil, err
	}
	log.Print("building ...")
	binaries, err := harness.Build(ctx, s.dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "coordinator")
	if s.postgres, err = harness.StartPostgres(ctx, data); err != nil {
		return nil, err
	}
	plain, err := harness.FreeAddr()
	if err != nil {
		return nil, err
	}
	s.coordinator, err = harness.Start(harness.Options{
		Binaries: binaries, Data: data, Serve: s.postgres,
		Env: []string{
			// All nodes call from one address, and with one key.
			"LUCID_RATE_ANONYMOUS=0", "LUCID_RATE_USER=0", "LUCID_RATE_SERVICE=0", "LUCID_MQTT_RATE_CONNECT=0", "LUCID_MQTT_RATE_FAILED_LOGIN=0", "LUCID_LOG_LEVEL=WARN",
			"LUCID_MQTT_PLAIN_ADDR=" + plain, fmt.Sprint("LUCID_POOT_DIFFICULTY=", o.difficulty),
			fmt.Sprint("LUCID_POOT_CALCULATION_INTERVAL=", o.interval),
		},
	})
	if err != nil {
		return nil, err
	}
	if err := s.coordinator.AwaitReady(ctx); err != nil {
		return nil, err
	}
	if !o.tls {
		o.fleet.PlainAddr = plain
	}
	return s, s.point(ctx, o)
}

// point says where the own coordinator is and how it is known.
func (s *own) point(ctx context.Context, o *options) (err error) {
	if err := s.coordinator.MakeAdminKey(ctx); err != nil {
		return err
	}
	key, err := os.ReadFile(s.coordinator.AdminKeyFile())
	if err != nil {
		return err
	}
	o.fleet.API.URL, o.fleet.API.Key = s.coordinator.URL(), strings.TrimSpace(string(key))
	if o.fleet.File, err = s.coordinator.NewToken(ctx, ""); err != nil {
		return err
	}
	o.database, err = s.coordinator.Database().URL()
	return err
}

func (s *own) stop() error {
	var errs []error
	if s.coordinator != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := s.coordinator.Stop(ctx); err != nil {
			s.coordinator.Kill()
			errs = append(errs, err)
		}
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

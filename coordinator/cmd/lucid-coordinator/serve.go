package main

import (
	"context"

	"github.com/coreos/go-systemd/v22/daemon"

	"lucid.internal/coordinator"
)

type serveCmd struct {
	settings
	HTTP         string `name:"http" placeholder:"HOST:PORT" help:"API address (default 0.0.0.0:8095, HTTPS)."`
	MQTT         string `name:"mqtt" placeholder:"HOST:PORT" help:"Broker address, TLS (default :8883)."`
	Epoch        string `name:"epoch" placeholder:"DURATION" help:"Length of an epoch (default 1h)."`
	PootInterval string `name:"poot-interval" placeholder:"DURATION" help:"Mean gap between challenges of a node (default 300s)."`
	Broker       string `name:"broker" placeholder:"KIND" help:"embedded or external (default embedded)."`
	BrokerURL    string `name:"broker-url" placeholder:"URL" help:"Where an external broker is, ssl://host:port."`
}

// brokerOverrides turns the flags of another broker into overrides.
func (c *serveCmd) brokerOverrides() []coordinator.Override {
	var all []coordinator.Override
	for _, o := range []coordinator.Override{
		{Key: "mqtt.broker", Value: c.Broker, Flag: "--broker"},
		{Key: "mqtt.broker_url", Value: c.BrokerURL, Flag: "--broker-url"},
	} {
		if o.Value != "" {
			all = append(all, o)
		}
	}
	return all
}

// addressOverrides turns the flags that serve and dev share into overrides.
func addressOverrides(http, mqtt, epoch, poot string) (all []coordinator.Override, err error) {
	if http != "" {
		if all, err = coordinator.APIAddrOverrides("--http", http); err != nil {
			return nil, err
		}
	}
	for _, o := range []coordinator.Override{
		{Key: "mqtt.addr", Value: mqtt, Flag: "--mqtt"},
		{Key: "epoch.length", Value: epoch, Flag: "--epoch"},
		{Key: "poot.interval", Value: poot, Flag: "--poot-interval"},
	} {
		if o.Value != "" {
			all = append(all, o)
		}
	}
	return all, nil
}

// Run serves until a signal comes.
func (c *serveCmd) Run(ctx context.Context) error {
	overrides, err := addressOverrides(c.HTTP, c.MQTT, c.Epoch, c.PootInterval)
	if err != nil {
		return err
	}
	config, origins, err := c.load(coordinator.ProfileServe, append(overrides, c.brokerOverrides()...)...)
	if err != nil {
		return err
	}
	log := newLogger(config.Log, origins)
	f, err := coordinator.OpenMigrated(ctx, config, log)
	if err != nil {
		return err
	}
	defer f.Close()
	program, err := coordinator.New(f, coordinator.Options{Version: version})
	if err != nil {
		return err
	}
	// A standby is up too, though it may wait for months: systemd would end a
	// start that lasts so long.
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	context.AfterFunc(ctx, func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) })
	return program.Run(ctx)
}

type migrateCmd struct{ settings }

// Run brings the schema up to date.
func (c *migrateCmd) Run(ctx context.Context) error {
	config, log, err := c.open()
	if err != nil {
		return err
	}
	f, err := coordinator.OpenMigrated(ctx, config, log)
	if err != nil {
		return err
	}
	f.Close()
	log.Info("the schema is up to date")
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"lucid.internal/coordinator"
)

// devFile holds, inside the data folder, the settings that a running dev has,
// so that other commands find it by --data alone.
const devFile = "dev.toml"

type devCmd struct {
	settings
	HTTP         string            `name:"http" placeholder:"HOST:PORT" help:"API address, plain HTTP on loopback (default 127.0.0.1:8095)."`
	MQTT         string            `name:"mqtt" placeholder:"HOST:PORT" help:"Broker address, TLS (default 127.0.0.1:8883)."`
	Agent        string            `placeholder:"PATH|none" help:"Agent to run beside (default: lucid-agent beside this program); none for none."`
	Epoch        string            `placeholder:"DURATION" help:"Length of an epoch (default 1m)."`
	PootInterval string            `name:"poot-interval" placeholder:"DURATION" help:"Mean gap between challenges of a node (default 10s)."`
	Reward       *coordinator.USDT `placeholder:"USDT" help:"What pool_default shares out each epoch (default 1, or what it has)."`
	Payout       string            `name:"payout-address" placeholder:"ADDRESS" help:"TRON address that the local node's earnings are paid to."`

	pool string // where the local node begins; "" when pool_default was deleted
}

// Validate is called by the parser.
func (c *devCmd) Validate() error {
	if c.Reward != nil && *c.Reward < 0 {
		return fmt.Errorf("--reward %s is below zero", c.Reward)
	}
	if c.Payout == "" {
		return nil
	}
	if err := coordinator.CheckPayoutAddress(c.Payout); err != nil {
		return fmt.Errorf("--payout-address: %w", err)
	}
	return nil
}

// Run starts the private fleet and ends it at a signal.
func (c *devCmd) Run(ctx context.Context) (err error) {
	agent, err := findAgent(c.Agent)
	if err != nil {
		return err
	}
	if err := c.chooseData(); err != nil {
		return err
	}
	overrides, err := addressOverrides(c.HTTP, c.MQTT, c.Epoch, c.PootInterval)
	if err != nil {
		return err
	}
	config, origins, err := c.load(coordinator.ProfileDev, overrides...)
	if err != nil {
		return err
	}
	log, closeLog, err := c.openLog(config, origins)
	if err != nil {
		return err
	}
	defer closeLog()

	if err := coordinator.CheckFree(config); err != nil {
		return err
	}
	if config.Database.ConnString() == "" {
		fmt.Printf("Starting a private Postgres in %s ...\n", filepath.Join(config.DataDir, "postgres"))
	}
	database, err := coordinator.PrivateDatabase(ctx, &config, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Stop()) }()
	f, err := coordinator.OpenMigrated(ctx, config, log)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.furnish(ctx, f); err != nil {
		return err
	}
	return c.runFleet(ctx, f, agent, log)
}

// chooseData takes the default data folder and says so when it is not the
// obvious one.
func (c *devCmd) chooseData() error {
	if c.Data != "" {
		return nil
	}
	dir, why, err := coordinator.DefaultDevDir()
	if err != nil {
		return err
	}
	if why != "" {
		fmt.Println("Note:", why)
	}
	c.Data = dir
	return nil
}

// openLog keeps the log out of the live lines, unless somebody asked to see it.
func (c *devCmd) openLog(config coordinator.Config, origins coordinator.Origins) (*slog.Logger, func(), error) {
	if c.LogLevel != "" {
		return newLogger(config.Log, origins), func() {}, nil
	}
	if err := os.MkdirAll(config.DataDir, 0o711); err != nil {
		return nil, nil, fmt.Errorf("data folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(config.DataDir, "coordinator.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("log: %w", err)
	}
	log := slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: config.Log.Level}))
	for _, warning := range origins.Warnings {
		log.Warn(warning)
		fmt.Println("Note:", warning)
	}
	return log, func() { _ = file.Close() }, nil
}

// furnish makes what a fresh fleet needs: an admin key, a budget of automatic
// payouts, a pool with a reward, and the settings by which other commands find this one.
func (c *devCmd) furnish(ctx context.Context, f *coordinator.Foundation) error {
	if err := f.EnsureAdminKey(ctx, filepath.Join(c.Data, "admin.key")); err != nil {
		return err
	}
	if err := f.EnsureBudget(ctx); err != nil {
		return err
	}
	exists, err := f.EnsurePool(ctx, defaultPool, "default", c.Reward)
	if err != nil {
		return err
	}
	if exists {
		c.pool = defaultPool
	} else {
		fmt.Printf("Note: %s was deleted and stays so. A new node joins the pool with most room, if there is one;\n"+
			"      make one with: lucid-coordinator pool create --name home --data %s\n", defaultPool, c.Data)
	}
	return f.Config.WriteDevFile(filepath.Join(c.Data, devFile))
}

const defaultPool = "pool_default"

func (c *devCmd) runFleet(ctx context.Context, f *coordinator.Foundation, agent string, log *slog.Logger) error {
	lines := newLines(ctx, os.Stdout, f)
	program, err := coordinator.New(f, coordinator.Options{Version: version, Observer: lines.observer()})
	if err != nil {
		return err
	}
	// The coordinator outlives the agent, so that the agent can say goodbye.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- program.Run(running) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		stop()
		return <-stopped
	case <-program.Serving():
	}
	c.banner(f, agent)
	if agent != "" {
		c.agentNotes(ctx, f, log)
	}
	fmt.Printf("Samples, proofs and earnings follow. Ctrl-C stops everything.\n\n")
	context.AfterFunc(ctx, func() { fmt.Println("\nStopping ...") })
	local := &localAgent{
		binary: agent, dir: filepath.Join(c.Data, "agent"), server: f.BrokerAddress(), log: log,
		enrolFile: func(ctx context.Context) (string, error) {
			return f.EnrolFile(ctx, coordinator.EnrolRequest{PoolID: c.pool, PayoutAddress: c.Payout, Life: time.Hour})
		},
	}
	ctx, stopAgent := context.WithCancel(ctx)
	defer stopAgent()
	agentEnded := make(chan error, 1)
	go func() { agentEnded <- local.run(ctx) }()
	select {
	case err = <-agentEnded: // at a signal, or because it cannot be had
		stop()
		return errors.Join(err, <-stopped)
	case err = <-stopped:
		stopAgent()
		return errors.Join(err, <-agentEnded)
	}
}

func (c *devCmd) banner(f *coordinator.Foundation, agent string) {
	fmt.Printf(`
Lucid is up. Data: %s
  API        %s/api/v1/nodes/
  API docs   %s/docs
  MQTT       %s (TLS)
  Admin key  %s
  Try        curl -H "X-API-Key: $(cat %s)" %s/api/v1/nodes/
`, c.Data, f.URL(), f.URL(), f.Config.MQTT.Addr, filepath.Join(c.Data, "admin.key"), filepath.Join(c.Data, "admin.key"), f.URL())
	if f.NewMasterKey != "" {
		fmt.Printf("  Master key %s (new: keep a copy, without it the database is worth nothing; docs/keys.md)\n", f.NewMasterKey)
	}
	if agent == "" {
		bound := ""
		if c.pool != "" {
			bound = " --pool " + c.pool
		}
		fmt.Printf("  No agent runs here; enrol one: lucid-coordinator token create --data %s%s\n", c.Data, bound)
	}
}

// agentNotes say what the local agent's identity means for it.
func (c *devCmd) agentNotes(ctx context.Context, f *coordinator.Foundation, log *slog.Logger) {
	identity := filepath.Join(c.Data, "agent", "state", "identity.json")
	gone, err := f.NodeGone(ctx, identity)
	switch {
	case err != nil: // the agent says what it makes of it
		log.Warn("the local agent's node could not be looked up", "error", err)
	case gone:
		fmt.Printf("  Agent      This machine's node was deleted; remove %s to make a new one\n", filepath.Join(c.Data, "agent"))
		return
	}
	c.payoutNote(exists(identity))
}

// payoutNote says when no payout will ever be made, which no line below would.
func (c *devCmd) payoutNote(enrolled bool) {
	switch {
	case enrolled && c.Payout != "":
		fmt.Println("  Payouts    the node on this machine is enrolled already and keeps what payout address it has; `lucidctl nodes update NODE --payout-address` changes it")
	case !enrolled && c.Payout == "":
		fmt.Println("  Payouts    none: without --payout-address earnings stay payable")
	}
}

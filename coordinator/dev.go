package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"lucid.internal/coordinator/internal/atomicfile"
	"lucid.internal/coordinator/internal/db/cluster"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/tron"
)

// DefaultDevDir is the data folder when none is named; why is not empty when it
// is not ./.lucid.
func DefaultDevDir() (dir, why string, err error) {
	cwd, err := os.Getwd()
	if err != nil {
		return "", "", err
	}
	return cluster.DefaultDir(cwd)
}

// Database is a private server; its zero value is none.
type Database struct{ server *cluster.Cluster }

// PrivateDatabase starts a private Postgres in the data folder and puts its
// address into config, unless config names a server already.
func PrivateDatabase(ctx context.Context, config *Config, log *slog.Logger) (Database, error) {
	if config.Database.ConnString() != "" {
		return Database{}, nil
	}
	server, err := cluster.Start(ctx, cluster.Config{Dir: config.DataDir, Logger: log})
	if err != nil {
		return Database{}, err
	}
	config.Database.URL, config.Database.OwnerURL = Secret(server.ProgramURL()), Secret(server.URL())
	return Database{server}, nil
}

// Stop ends the server and waits for it.
func (d Database) Stop() error {
	if d.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return d.server.Stop(ctx)
}

// EnsureAdminKey leaves an API key of role admin in file, mode 0600. A key that
// stands there and is good is kept.
func (f *Foundation) EnsureAdminKey(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin key: %w", err)
	}
	if err == nil {
		_, err := f.Access.Authenticate(ctx, strings.TrimSpace(string(text)))
		if err == nil || !fault.Has(err, fault.BadCredentials) {
			return err
		}
	}
	_, secret, err := f.CreateKey(ctx, KeyRequest{Name: "dev-admin", Role: "admin"})
	if err != nil {
		return err
	}
	return atomicfile.Replace(file, []byte(secret+"\n"))
}

// devBudget is what automatic rounds of dev may spend in 24 hours when nobody
// approved another budget: nothing leaves a machine by itself there.
const devBudget USDT = 10_000_000_000

// EnsureBudget approves a budget of automatic payouts where there was never
// one, in the name of who starts dev.
func (f *Foundation) EnsureBudget(ctx context.Context) error {
	ever, err := f.payouts.HadBudget(ctx)
	if err != nil || ever {
		return err
	}
	_, err = f.payouts.SetBudget(ctx, AtShell(), devBudget)
	return err
}

// defaultReward is what dev's pool shares out when nobody said how much.
const defaultReward USDT = 1_000_000

// EnsurePool makes a pool, unless it exists, and gives it the reward an epoch;
// nil leaves the one that it has. One that was deleted stays so: then there is
// none.
func (f *Foundation) EnsurePool(ctx context.Context, id, name string, reward *USDT) (exists bool, err error) {
	_, err = f.Pools.Get(ctx, id)
	switch {
	case fault.Has(err, fault.PoolNotFound):
		n := pool.New{ID: id, Name: name, Description: "Made by dev", RewardPerEpoch: defaultReward}
		if reward != nil {
			n.RewardPerEpoch = *reward
		}
		_, err = f.Pools.Create(ctx, ByCLI(), n)
		if fault.Has(err, fault.NameTaken) {
			return false, nil
		}
		return err == nil, err
	case err != nil || reward == nil:
		return err == nil, err
	}
	_, err = f.Pools.Update(ctx, ByCLI(), id, nil, pool.Patch{RewardPerEpoch: reward})
	return err == nil, err
}

// CheckFree tells before anything is started that the data folder is in use,
// or else that an address is taken.
func CheckFree(c Config) error {
	if c.Database.ConnString() == "" {
		if err := cluster.CheckFree(c.DataDir); err != nil {
			return err
		}
	}
	for _, a := range []struct{ what, address, flag string }{{"API", c.API.Addr(), "--http"}, {"MQTT", c.MQTT.Addr, "--mqtt"}} {
		l, err := net.Listen("tcp", a.address)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("%s address %s is taken by another program; stop that or choose another with %s,\n"+
				"or through make: make run RUN_FLAGS=\"--http 127.0.0.1:8096 --mqtt 127.0.0.1:8884\"", a.what, a.address, a.flag)
		case err != nil:
			return fmt.Errorf("%s cannot listen on %s: %w; choose another address with %s", a.what, a.address, err, a.flag)
		}
		_ = l.Close()
	}
	return nil
}

// NodeGone reports whether the node of an agent's identity file was deleted, or
// never was in this database. No file is no node yet.
func (f *Foundation) NodeGone(ctx context.Context, identity string) (bool, error) {
	text, err := os.ReadFile(identity)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var known struct {
		NodeID string `json:"node_id"`
	}
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return false, fmt.Errorf("identity of the local agent: %s: %w", identity, err)
	}
	_, err = f.Nodes.Get(ctx, known.NodeID)
	if fault.Has(err, fault.NodeNotFound) {
		return true, nil
	}
	return false, err
}

// CheckPayoutAddress tells what is wrong with a TRON address.
func CheckPayoutAddress(address string) error { return tron.CheckAddress(address) }

// WriteDevFile writes the settings by which other commands find a running dev.
func (c Config) WriteDevFile(file string) error {
	return atomicfile.Replace(file, fmt.Appendf(nil, `# Written by "lucid-coordinator dev" at each start, for commands that are given --data.
data_dir = %q
[api]
host = %q
port = %d
tls = %q
[mqtt]
addr = %q
[database]
url = %q
owner_url = %q
`, c.DataDir, c.API.Host, c.API.Port, c.API.TLS, c.MQTT.Addr, string(c.Database.URL), string(c.Database.OwnerURL)))
}

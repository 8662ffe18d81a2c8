package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"lucid.internal/coordinator"
)

// withFoundation opens what an administrative command works on.
func (s *settings) withFoundation(ctx context.Context, do func(f *coordinator.Foundation) error) error {
	config, log, err := s.open()
	if err != nil {
		return err
	}
	f, err := coordinator.OpenFoundation(ctx, config, log)
	if err != nil && filepath.Base(s.File) == devFile {
		return fmt.Errorf("%w\nIs `lucid-coordinator dev --data %s` running? Only then is there a database", err, filepath.Dir(s.File))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f)
}

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a one-time token and print the enroll.toml that a device enrols with."`
}

type tokenCreateCmd struct {
	settings
	Pool          string        `placeholder:"POOL_ID" help:"Pool that the device joins."`
	Name          string        `placeholder:"NAME" help:"Name of the new node (default: from the device's host name)."`
	Node          string        `placeholder:"NODE_ID" help:"Enrol this node again instead of making a new one."`
	PayoutAddress string        `placeholder:"ADDRESS" help:"TRON address that the node's earnings are paid to."`
	Serial        []string      `sep:"none" placeholder:"SERIAL" help:"Serial number of a board that it brings in, or its SHA-256; may be given up to 100 times (default: any one board)."`
	Life          time.Duration `default:"24h" help:"How long the token may be used, at most 168h."`
}

// Run prints the enroll.toml.
func (c *tokenCreateCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		text, err := f.EnrolFile(ctx, coordinator.EnrolRequest{
			PoolID: c.Pool, NodeName: c.Name, NodeID: c.Node, PayoutAddress: c.PayoutAddress, Serials: c.Serial, Life: c.Life,
		})
		if err != nil {
			return err
		}
		c.sayWhere(f)
		_, err = fmt.Print(text)
		return err
	})
}

// sayWhere says on standard error where devices are sent to. dev leaves its
// flags in the data folder; those that serve was given nobody else knows.
func (s *settings) sayWhere(f *coordinator.Foundation) {
	if filepath.Base(s.File) == devFile {
		return
	}
	fmt.Fprintf(os.Stderr, "devices are sent to %s, by the settings of this command; if `serve` got another address by a flag (--http), "+
		"give this command the same by LUCID_NODE_API_HOST, LUCID_NODE_API_PORT and LUCID_PUBLIC_HOSTS\n", f.URL())
}

type apikeyCmd struct {
	Create apikeyCreateCmd `cmd:"" help:"Make an API key and print it once."`
	List   apikeyListCmd   `cmd:"" help:"List the API keys."`
	Revoke apikeyRevokeCmd `cmd:"" help:"Revoke an API key."`
}

type apikeyCreateCmd struct {
	settings
	Name string        `required:"" help:"What or whom the key is for."`
	Role string        `enum:"viewer,operator,admin,service" default:"viewer" help:"viewer, operator, admin or service."`
	Life time.Duration `help:"How long it is valid (default: until revoked)."`
	Node []string      `placeholder:"NODE_ID" help:"Bind it to this node: it sees nothing else. May be given several times."`
}

// Run prints the new key on standard output and what it is on standard error.
func (c *apikeyCreateCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		key, secret, err := f.CreateKey(ctx, coordinator.KeyRequest{Name: c.Name, Role: c.Role, Life: c.Life, NodeIDs: c.Node})
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s, role %s; it is shown only now:\n", key.ID, key.Role)
		fmt.Println(secret)
		return nil
	})
}

type apikeyListCmd struct{ settings }

// Run prints a table of the keys.
func (c *apikeyListCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		keys, err := f.Keys(ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tNAME\tROLE\tCREATED\tEXPIRES\tREVOKED\tNODES")
		for _, k := range keys {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Role, stamp(k.CreatedAt),
				stampOrNone(k.ExpiresAt), stampOrNone(k.RevokedAt), cmp.Or(strings.Join(k.NodeIDs, ","), "-"))
		}
		return table.Flush()
	})
}

type apikeyRevokeCmd struct {
	settings
	ID string `arg:"" help:"Id of the key, key_..."`
}

// Run revokes the key.
func (c *apikeyRevokeCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error { return f.RevokeKey(ctx, c.ID) })
}

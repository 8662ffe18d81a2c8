package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"lucid.internal/coordinator"
)

// walletCmd is the key that pays over TRON.
type walletCmd struct {
	Create  walletCreateCmd  `cmd:"" help:"Make a new key in an encrypted file, and print its address."`
	Address walletAddressCmd `cmd:"" help:"Print the address that pays."`
	Check   walletCheckCmd   `cmd:"" help:"Open the key, or ask the signer, and check its signature."`
}

type walletCreateCmd struct {
	settings
	PassphraseStdin bool `help:"Read the passphrase from standard input; else it is the setting, or asked for."`
}

// Run makes the wallet.
func (c *walletCreateCmd) Run(ctx context.Context) error {
	config, _, err := c.open()
	if err != nil {
		return err
	}
	if config.Tron.Passphrase == "" || c.PassphraseStdin {
		passphrase, err := newPassword(ctx, "passphrase", c.PassphraseStdin)
		if err != nil {
			return err
		}
		config.Tron.Passphrase = coordinator.Secret(passphrase)
	}
	address, err := coordinator.CreateWallet(config)
	if err != nil {
		return err
	}
	fmt.Println(address)
	fmt.Fprintf(os.Stderr, "%s holds its key. Keep a copy of the file and of its passphrase, apart from each other: nobody can make them again.\n", config.WalletFile())
	return nil
}

type walletAddressCmd struct{ settings }

// Run prints the address.
func (c *walletAddressCmd) Run() error {
	config, _, err := c.open()
	if err != nil {
		return err
	}
	address, err := coordinator.WalletAddress(config)
	if err == nil {
		fmt.Println(address)
	}
	return err
}

type walletCheckCmd struct{ settings }

// Run tries the key.
func (c *walletCheckCmd) Run(ctx context.Context) error {
	config, _, err := c.open()
	if err != nil {
		return err
	}
	address, err := coordinator.CheckWallet(ctx, config)
	if err == nil {
		fmt.Println("can sign for", address)
	}
	return err
}

// railCmd is what an operator sees and records of the rail over TRON.
type railCmd struct {
	Status railStatusCmd `cmd:"" help:"Show what is under way, what waits and why, and what halts payouts."`
	Match  railMatchCmd  `cmd:"" help:"Say what a transaction of the wallet was that this database does not know."`
	Accept railAcceptCmd `cmd:"" help:"Book what is missing in the wallet as spent, and let payouts go on."`
}

type railStatusCmd struct{ settings }

// Run prints the status.
func (c *railStatusCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		s, err := f.RailStatus(ctx)
		if errors.Is(err, coordinator.ErrNoRail) { // nothing is wrong
			fmt.Println(err)
			return nil
		} else if err != nil {
			return err
		}
		out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(out, "WALLET\t%s\nBOOKED\t%s USDT\t%s TRX\n", s.Wallet, s.USDT, s.TRX)
		for _, h := range s.Halts {
			fmt.Fprintf(out, "HALTED\t%s\tsince %s\n", h.Reason, stamp(h.At))
		}
		if !s.SearchedUntil.IsZero() {
			fmt.Fprintf(out, "SEARCHING\toutflows are looked for in blocks up to %s\n", stamp(s.SearchedUntil))
		}
		for _, o := range s.Outflows {
			fmt.Fprintf(out, "UNKNOWN OUTFLOW\t%s\tblock %d\n", o.Transaction, o.Block)
		}
		for _, l := range s.Live {
			fmt.Fprintf(out, "UNDER WAY\t%s\t%s USDT to %s\texpires %s\t%s\n", l.PayoutID, l.Amount, l.Payee, stamp(l.ExpiresAt), l.Transaction)
		}
		for _, d := range s.Deferred {
			fmt.Fprintf(out, "WAITS\t%s\t%s\tuntil %s\n", d.PayoutID, d.Reason, stamp(d.Until))
		}
		return out.Flush()
	})
}

type railMatchCmd struct {
	settings
	Transaction string `arg:"" help:"Id of the transaction, 64 hexadecimal digits."`
	Payout      string `placeholder:"ID" help:"The payout that it paid, payout_..."`
	Note        string `help:"What else it was."`
}

// Run records it.
func (c *railMatchCmd) Run(ctx context.Context) error {
	if (c.Payout == "") == (c.Note == "") {
		return errors.New("give either --payout or --note")
	}
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		return f.MatchOutflow(ctx, c.Transaction, c.Payout, c.Note)
	})
}

type railAcceptCmd struct {
	settings
	Reason string `required:"" help:"Why the wallet holds less than the ledger says; it is kept."`
}

// Run books it.
func (c *railAcceptCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		usdt, trx, err := f.AcceptShortage(ctx, c.Reason)
		if err == nil {
			fmt.Printf("booked as spent: %s USDT and %s TRX\n", usdt, trx)
		}
		return err
	})
}

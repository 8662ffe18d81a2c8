package coordinator

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"lucid.internal/coordinator/internal/rail"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
	"lucid.internal/coordinator/internal/tron/wallet"
)

// WalletFile is where the encrypted key lies.
func (c Config) WalletFile() string {
	if c.Tron.Wallet != "" {
		return c.Tron.Wallet
	}
	return filepath.Join(c.DataDir, "tron-wallet.json")
}

// CreateWallet makes the key that pays, and gives its address.
func CreateWallet(c Config) (address string, err error) {
	key, err := wallet.Create(c.WalletFile(), string(c.Tron.Passphrase))
	if err != nil {
		return "", err
	}
	return key.Address().String(), nil
}

// WalletAddress is the address that pays. It opens no key.
func WalletAddress(c Config) (string, error) {
	if c.Tron.Signer != "" {
		return c.Tron.SignerAddress, nil
	}
	address, err := wallet.AddressIn(c.WalletFile())
	return address.String(), err
}

// unpaid are the addresses that are never paid to: the project's own as they are
// set, the token's contract, which keeps what it is sent, and the wallet that
// pays, where there is one.
func (c Config) unpaid() []string {
	list := slices.Clone(c.Payout.OwnAddresses)
	if c.Tron.Contract != "" {
		list = append(list, c.Tron.Contract)
	}
	if wallet, err := WalletAddress(c); err == nil { // what is wrong with it, the rail tells
		list = append(list, wallet)
	}
	return list
}

// CheckWallet signs something that is no transaction, and so proves that the
// key can be used.
func CheckWallet(ctx context.Context, c Config) (address string, err error) {
	signer, err := c.signer()
	if err != nil {
		return "", err
	}
	text := []byte("lucid-coordinator wallet check")
	signature, err := signer.Sign(ctx, text)
	if err != nil {
		return "", err
	}
	if by, err := signature.Recover(tron.IDOf(text)); err != nil || by != signer.Address() {
		return "", errors.New("the wallet's signature is not that of its address")
	}
	return signer.Address().String(), nil
}

// signer opens the key.
func (c Config) signer() (rail.Signer, error) {
	if c.Tron.Signer == "" {
		return wallet.Open(c.WalletFile(), string(c.Tron.Passphrase))
	}
	address, err := tron.ParseAddress(c.Tron.SignerAddress)
	if err != nil {
		return nil, err
	}
	return wallet.NewCommand(address, c.Tron.Signer)
}

// newRail makes the rail over TRON.
func (f *Foundation) newRail(signer rail.Signer) (*rail.Runner, error) {
	c := f.Config.Tron
	contract, err := tron.ParseAddress(c.Contract)
	if err != nil {
		return nil, err
	}
	full, err := nodesOf(c.APIURLs)
	if err != nil {
		return nil, err
	}
	solid, err := nodesOf(c.solidityURLs())
	if err == nil && len(solid) != 2 {
		err = errors.New("tron.solidity_urls: two nodes are needed")
	}
	if err != nil {
		return nil, err
	}
	return rail.New(rail.Config{
		Pool: f.DB, Payouts: f.payouts, Signer: signer, Network: c.Network, Contract: contract,
		Full: full, Solid: [2]*chain.Node(solid), Cost: c.costRule(), Forecast: f.forecast, Now: f.now, Logger: f.Log,
	})
}

func nodesOf(urls []string) ([]*chain.Node, error) {
	nodes := make([]*chain.Node, len(urls))
	for i, u := range urls {
		node, err := chain.NewNode(u, nil)
		if err != nil {
			return nil, err
		}
		nodes[i] = node
	}
	return nodes, nil
}

// ErrNoRail says that nothing is paid over TRON, nor ever was from here.
var ErrNoRail = errors.New("no rail configured: payouts are paid by hand, and there is no wallet")

// RailStatus is what the tables say of the rail; ErrNoRail where there is none.
func (f *Foundation) RailStatus(ctx context.Context) (rail.Status, error) {
	address, err := WalletAddress(f.Config)
	if f.Config.Payout.Rail != RailTRON && errors.Is(err, fs.ErrNotExist) {
		return rail.Status{}, ErrNoRail
	} else if err != nil {
		return rail.Status{}, err
	}
	return rail.ReadStatus(ctx, f.DB, f.payouts, address)
}

// watchRail is the rail without its key, for what an operator records by hand.
func (f *Foundation) watchRail() (*rail.Runner, error) {
	text, err := WalletAddress(f.Config)
	if err != nil {
		return nil, err
	}
	address, err := tron.ParseAddress(text)
	if err != nil {
		return nil, err
	}
	return f.newRail(wallet.Watch(address))
}

// MatchOutflow records what a transaction of the wallet was that this database
// does not know: the payout that it paid, or a note.
func (f *Foundation) MatchOutflow(ctx context.Context, transaction, payoutID, note string) error {
	id, err := tron.ParseID(transaction)
	if err != nil {
		return err
	}
	r, err := f.watchRail()
	if err != nil {
		return err
	}
	if payoutID != "" {
		return r.MatchPayout(ctx, ByCLI(), id, payoutID)
	}
	return r.Explain(ctx, ByCLI(), id, note)
}

// AcceptShortage books what is missing in the wallet as spent.
func (f *Foundation) AcceptShortage(ctx context.Context, reason string) (usdt, trx USDT, err error) {
	r, err := f.watchRail()
	if err != nil {
		return 0, 0, err
	}
	return r.Accept(ctx, ByCLI(), reason)
}

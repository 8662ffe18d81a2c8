package chain

import (
	"context"
	"encoding/hex"
	"fmt"

	"lucid.internal/coordinator/internal/tron"
)

// Now is the newest block of a full node; it may still leave the chain.
func (n *Node) Now(ctx context.Context) (Block, error) {
	return n.block(ctx, "/wallet/getnowblock", none{})
}

type none struct{}

// Verdict is what a full node said to a transaction.
type Verdict struct {
	Accepted bool
	Code     string // such as DUP_TRANSACTION_ERROR; "" when accepted
	Message  string
}

// Broadcast hands a signed transaction to the network. An error says that
// nobody knows whether it arrived. DUP_TRANSACTION_ERROR says that the node knows
// the transaction already; it proves nothing, as no other code proves that a
// transaction will never be in a block.
func (n *Node) Broadcast(ctx context.Context, raw []byte, signature tron.Signature) (Verdict, error) {
	var answer struct {
		Result  bool
		Code    string
		Message string // often the hexadecimal form of a text
	}
	question := map[string]string{"transaction": hex.EncodeToString(tron.Signed(raw, signature))}
	if err := n.ask(ctx, "/wallet/broadcasthex", question, &answer); err != nil {
		return Verdict{}, err
	}
	if !answer.Result && answer.Code == "" {
		return Verdict{}, fmt.Errorf("%s/wallet/broadcasthex: the answer says neither yes nor why not", n.host)
	}
	message := answer.Message
	if text, err := hex.DecodeString(message); err == nil {
		message = string(text)
	}
	const most = 200
	return Verdict{answer.Result, answer.Code, message[:min(len(message), most)]}, nil
}

// Prices are what the network charges.
type Prices struct {
	EnergySun    int64 // for a unit of energy
	BandwidthSun int64 // for a byte
}

// Prices asks for the network's parameters.
func (n *Node) Prices(ctx context.Context) (p Prices, err error) {
	var answer struct {
		ChainParameter []struct {
			Key   string
			Value int64
		}
	}
	if err := n.ask(ctx, "/wallet/getchainparameters", none{}, &answer); err != nil {
		return p, err
	}
	for _, parameter := range answer.ChainParameter {
		switch parameter.Key {
		case "getEnergyFee":
			p.EnergySun = parameter.Value
		case "getTransactionFee":
			p.BandwidthSun = parameter.Value
		}
	}
	if p.EnergySun <= 0 || p.BandwidthSun <= 0 {
		return p, fmt.Errorf("%s/wallet/getchainparameters: no price of energy or bandwidth in the answer", n.host)
	}
	return p, nil
}

// Energy is how much the call would use now, by running it on the node.
func (n *Node) Energy(ctx context.Context, owner, contract tron.Address, data []byte) (int64, error) {
	call, err := n.call(ctx, "/wallet/triggerconstantcontract", owner, contract, data)
	if err != nil {
		return 0, err
	}
	if call.EnergyUsed <= 0 {
		return 0, fmt.Errorf("%s/wallet/triggerconstantcontract: the answer names no energy", n.host)
	}
	return call.EnergyUsed, nil
}

type constantCall struct {
	Result struct {
		Result  bool
		Message string
	}
	EnergyUsed     int64    `json:"energy_used"`
	ConstantResult []string `json:"constant_result"`
	Transaction    struct {
		Ret []struct{ Ret string }
	}
}

// call runs a call on the node without making a transaction of it.
func (n *Node) call(ctx context.Context, path string, owner, contract tron.Address, data []byte) (c constantCall, err error) {
	question := map[string]string{"owner_address": owner.Hex(), "contract_address": contract.Hex(), "data": hex.EncodeToString(data)}
	if err := n.ask(ctx, path, question, &c); err != nil {
		return c, err
	}
	failed := len(c.Transaction.Ret) > 0 && c.Transaction.Ret[0].Ret == "FAILED"
	if !c.Result.Result || failed {
		return c, fmt.Errorf("%s%s: the call would fail: %.200s", n.host, path, c.Result.Message)
	}
	return c, nil
}

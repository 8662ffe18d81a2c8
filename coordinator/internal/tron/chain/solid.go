package chain

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"lucid.internal/coordinator/internal/tron"
)

// Block is a block's head and what it holds.
type Block struct {
	ID           tron.BlockID
	Parent       tron.BlockID
	Time         time.Time
	Transactions []Transaction
}

// Transaction is one that stands in a block.
type Transaction struct {
	ID  tron.ID
	Raw []byte
}

// SolidNow is the newest final block that the node has.
func (n *Node) SolidNow(ctx context.Context) (Block, error) {
	return n.block(ctx, "/walletsolidity/getnowblock", none{})
}

// SolidBlock is the final block of a number. A node that does not have it, not
// yet or no longer, is an error.
func (n *Node) SolidBlock(ctx context.Context, number int64) (Block, error) {
	b, err := n.block(ctx, "/walletsolidity/getblockbynum", map[string]int64{"num": number})
	if err == nil && b.ID.Number() != number {
		return b, fmt.Errorf("%s: asked for block %d, got %d", n.host, number, b.ID.Number())
	}
	return b, err
}

func (n *Node) block(ctx context.Context, path string, question any) (b Block, err error) {
	var answer struct {
		BlockID     string
		BlockHeader struct {
			RawData struct {
				Number     int64
				Timestamp  int64
				ParentHash string
			} `json:"raw_data"`
		} `json:"block_header"`
		Transactions []struct {
			TxID       string
			RawDataHex string `json:"raw_data_hex"`
		}
	}
	if err := n.ask(ctx, path, question, &answer); err != nil {
		return b, err
	}
	id, err := hex.DecodeString(answer.BlockID)
	parent, parentErr := hex.DecodeString(answer.BlockHeader.RawData.ParentHash)
	head := answer.BlockHeader.RawData
	if err != nil || parentErr != nil || len(id) != len(b.ID) || len(parent) != len(b.Parent) ||
		tron.BlockID(id).Number() != head.Number || head.Timestamp <= 0 && head.Number > 0 { // block 0 names neither number nor time
		return b, fmt.Errorf("%s%s: no block in the answer", n.host, path)
	}
	b = Block{ID: tron.BlockID(id), Parent: tron.BlockID(parent), Time: time.UnixMilli(head.Timestamp).UTC()}
	for _, t := range answer.Transactions {
		raw, err := hex.DecodeString(t.RawDataHex)
		if err != nil || len(raw) == 0 || tron.IDOf(raw).String() != t.TxID {
			return b, fmt.Errorf("%s%s: a transaction of block %d does not have the id of its bytes", n.host, path, head.Number)
		}
		b.Transactions = append(b.Transactions, Transaction{tron.IDOf(raw), raw})
	}
	return b, nil
}

// Success is the result of a contract call that did what it should.
const Success = "SUCCESS"

// Receipt is what became of a transaction that stands in a final block.
type Receipt struct {
	Block     int64
	Time      time.Time // of the block
	Result    string    // Success, REVERT, OUT_OF_ENERGY, ...
	FeeSun    int64     // all that was burnt for it
	EnergyAll int64     // also what was not burnt but staked
	Logs      []tron.Log
}

// Succeeded reports whether the call did not fail. What it did, its logs tell.
func (r Receipt) Succeeded() bool { return r.Result == Success }

// Receipt asks what became of a transaction. found is false when the node does
// not know it, which proves nothing.
func (n *Node) Receipt(ctx context.Context, id tron.ID) (r Receipt, found bool, err error) {
	const path = "/walletsolidity/gettransactioninfobyid"
	var answer struct {
		ID             string
		BlockNumber    int64
		BlockTimeStamp int64
		Fee            int64
		Result         string // FAILED, or nothing
		Receipt        struct {
			Result           string
			EnergyUsageTotal int64 `json:"energy_usage_total"`
		}
		Log []tron.Log
	}
	if err := n.ask(ctx, path, map[string]string{"value": id.String()}, &answer); err != nil {
		return r, false, err
	}
	if answer.ID == "" {
		return r, false, nil
	}
	result := answer.Receipt.Result
	if result == "" || answer.ID != id.String() || answer.BlockNumber <= 0 || answer.Fee < 0 || (answer.Result == "FAILED") == (result == Success) {
		return r, false, fmt.Errorf("%s%s: the answer does not tell what became of %s", n.host, path, id)
	}
	return Receipt{
		Block: answer.BlockNumber, Time: time.UnixMilli(answer.BlockTimeStamp).UTC(), Result: result,
		FeeSun: answer.Fee, EnergyAll: answer.Receipt.EnergyUsageTotal, Logs: answer.Log,
	}, true, nil
}

// TokenBalance is what an address holds of a token, in its smallest unit.
func (n *Node) TokenBalance(ctx context.Context, contract, of tron.Address) (int64, error) {
	const path = "/walletsolidity/triggerconstantcontract"
	call, err := n.call(ctx, path, of, contract, tron.BalanceCall(of))
	if err != nil {
		return 0, err
	}
	if len(call.ConstantResult) == 1 {
		if raw, err := hex.DecodeString(call.ConstantResult[0]); err == nil && len(raw) == 32 {
			if balance := new(big.Int).SetBytes(raw); balance.IsInt64() {
				return balance.Int64(), nil
			}
		}
	}
	return 0, fmt.Errorf("%s%s: no balance in the answer", n.host, path)
}

// Sun is what an address holds of TRX, in millionths. An address that the
// chain has never seen holds nothing.
func (n *Node) Sun(ctx context.Context, of tron.Address) (int64, error) {
	const path = "/walletsolidity/getaccount"
	var answer struct {
		Address string
		Balance int64
	}
	if err := n.ask(ctx, path, map[string]string{"address": of.Hex()}, &answer); err != nil {
		return 0, err
	}
	if answer.Address != "" && answer.Address != of.Hex() || answer.Balance < 0 {
		return 0, fmt.Errorf("%s%s: the answer is of another account", n.host, path)
	}
	return answer.Balance, nil
}

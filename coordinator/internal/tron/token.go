package tron

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"

	"lucid.internal/shared/address"
)

// USDT is the contract of Tether's dollar on mainnet; it has six decimals.
const USDT = address.USDT

// Selectors: the first four bytes of the Keccak-256 of a function's signature.
const (
	transferSelector  = "\xa9\x05\x9c\xbb" // transfer(address,uint256)
	balanceOfSelector = "\x70\xa0\x82\x31" // balanceOf(address)
)

// TransferTopic is the Keccak-256 of Transfer(address,address,uint256), the
// first topic of the log that every transfer of a token leaves.
const TransferTopic = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

// TransferCall is the calldata that sends amount, in the token's smallest unit.
func TransferCall(to Address, amount int64) []byte {
	address, value := to.word(), word(amount)
	return slices.Concat([]byte(transferSelector), address[:], value[:])
}

// ParseTransferCall takes TransferCall's bytes apart; nothing else passes.
func ParseTransferCall(data []byte) (to Address, amount int64, err error) {
	if len(data) != 4+32+32 || string(data[:4]) != transferSelector || !zero(data[4:16]) || !zero(data[36:60]) {
		return to, 0, errors.New("not the call of a token's transfer")
	}
	to[0] = address.Prefix
	copy(to[1:], data[16:36])
	if amount = int64(binary.BigEndian.Uint64(data[60:])); amount < 0 {
		return to, 0, errors.New("the call transfers more than there can be")
	}
	return to, amount, nil
}

// BalanceCall is the calldata that asks for the balance of an address.
func BalanceCall(of Address) []byte {
	address := of.word()
	return slices.Concat([]byte(balanceOfSelector), address[:])
}

func word(n int64) (w [32]byte) {
	binary.BigEndian.PutUint64(w[24:], uint64(n))
	return w
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Log is what a contract left of an event, as nodes of the network tell it.
type Log struct {
	Address string   `json:"address"` // 40 hexadecimal digits, without 41
	Topics  []string `json:"topics"`  // 64 digits each
	Data    string   `json:"data"`
}

// Transfer reads the log of a token's transfer; ok is false for any other log.
func (l Log) Transfer() (contract, from, to Address, amount *big.Int, ok bool) {
	raw, err := hex.DecodeString(l.Address)
	if err == nil && len(raw) == len(Address{}) && raw[0] == address.Prefix {
		raw = raw[1:] // some nodes write the prefix
	}
	data, dataErr := hex.DecodeString(l.Data)
	if err != nil || dataErr != nil || len(raw) != 20 || len(data) != 32 || len(l.Topics) != 3 || l.Topics[0] != TransferTopic {
		return contract, from, to, nil, false
	}
	contract[0] = address.Prefix
	copy(contract[1:], raw)
	from, fromOK := addressOfTopic(l.Topics[1])
	to, toOK := addressOfTopic(l.Topics[2])
	return contract, from, to, new(big.Int).SetBytes(data), fromOK && toOK
}

func addressOfTopic(topic string) (a Address, ok bool) {
	raw, err := hex.DecodeString(topic)
	if err != nil || len(raw) != 32 || !zero(raw[:12]) {
		return a, false
	}
	a[0] = address.Prefix
	copy(a[1:], raw[12:])
	return a, true
}

// Moves reports whether the logs show this one transfer of the contract, and
// no other one from the same address. USDT's transfer returns false even when
// it works: the log is what tells.
func Moves(logs []Log, contract, from, to Address, amount int64) bool {
	found := 0
	for _, l := range logs {
		c, f, t, value, ok := l.Transfer()
		if !ok || c != contract || f != from {
			continue
		}
		if t != to || !value.IsInt64() || value.Int64() != amount {
			return false
		}
		found++
	}
	return found == 1
}

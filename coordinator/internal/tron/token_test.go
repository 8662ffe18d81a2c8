package tron_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

const (
	alice = "TUrghVrb8LWkWW2ioQXbV1daQKV8E6uxP6"
	bob   = "TV6MuMXfmLbBqPZvBHdwFsDnQeVfnmiuSi"
	other = "TPswDDCAWhJAZGdHPidFg5nEf8TkNToDX1"
)

func transferLog(t *testing.T, contract, from, to string, amount int64) tron.Log {
	return chaintest.TransferLog(address(t, contract), address(t, from), address(t, to), amount)
}

func TestMovesWantsExactlyTheTransfer(t *testing.T) {
	right := transferLog(t, tron.USDT, alice, bob, 990_000)
	prefixed := right
	prefixed.Address = "41" + right.Address
	approval := right
	approval.Topics = []string{strings.Repeat("8", 64), right.Topics[1], right.Topics[2]}
	huge := right
	huge.Data = strings.Repeat("f", 64)
	for name, c := range map[string]struct {
		logs []tron.Log
		want bool
	}{
		"the transfer":                  {[]tron.Log{right}, true},
		"with the prefix 41":            {[]tron.Log{prefixed}, true},
		"beside other events":           {[]tron.Log{approval, right}, true},
		"beside a stranger's transfer":  {[]tron.Log{transferLog(t, tron.USDT, other, bob, 5), right}, true},
		"none":                          {nil, false},
		"another event":                 {[]tron.Log{approval}, false},
		"another contract":              {[]tron.Log{transferLog(t, other, alice, bob, 990_000)}, false},
		"another sender":                {[]tron.Log{transferLog(t, tron.USDT, other, bob, 990_000)}, false},
		"another payee":                 {[]tron.Log{transferLog(t, tron.USDT, alice, other, 990_000)}, false},
		"one unit less":                 {[]tron.Log{transferLog(t, tron.USDT, alice, bob, 989_999)}, false},
		"more than int64":               {[]tron.Log{huge}, false},
		"twice":                         {[]tron.Log{right, right}, false},
		"and a second one of the owner": {[]tron.Log{right, transferLog(t, tron.USDT, alice, other, 1)}, false},
	} {
		if got := tron.Moves(c.logs, address(t, tron.USDT), address(t, alice), address(t, bob), 990_000); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestParseTransferCallRefusesOtherCalls(t *testing.T) {
	good := tron.TransferCall(address(t, bob), 7)
	change := func(at int, to byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = to
		return b
	}
	for name, data := range map[string][]byte{
		"balanceOf":        tron.BalanceCall(address(t, bob)),
		"another selector": change(0, 0),
		"the prefix 41":    change(15, 0x41),
		"2^64 more":        change(59, 1),
		"beyond int64":     change(60, 0x80),
		"a byte more":      append(append([]byte(nil), good...), 0),
	} {
		if to, amount, err := tron.ParseTransferCall(data); err == nil {
			t.Errorf("%s: reads %d to %s", name, amount, to)
		}
	}
}

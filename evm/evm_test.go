package evm

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm/runtime"

	"lucid.internal/coordinator/internal/tron"
)

// token is a contract of Ethereum's mainnet with its storage, and a call of it
// with the log that it left there: testdata/erc20.json names the source.
type token struct {
	Contract common.Address
	Code     string
	Storage  map[common.Hash]common.Hash
	Call     struct {
		From  common.Address
		Input string
	}
	Log struct {
		Topics []common.Hash
		Data   string
	}
	config *runtime.Config
}

func newToken(t *testing.T) *token {
	t.Helper()
	var c token
	text, err := os.ReadFile("testdata/erc20.json")
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	db.SetCode(c.Contract, common.FromHex(c.Code), 0)
	for slot, value := range c.Storage {
		db.SetState(c.Contract, slot, value)
	}
	c.config = &runtime.Config{State: db, Origin: c.Call.From, BlockNumber: big.NewInt(765825), GasLimit: 1_000_000}
	return &c
}

// run calls the contract as the owner of the tokens.
func (c *token) run(t *testing.T, data []byte) []byte {
	t.Helper()
	answer, _, err := runtime.Call(c.Contract, data, c.config)
	if err != nil {
		t.Fatalf("the contract refuses %x: %v", data, err)
	}
	return answer
}

func (c *token) balance(t *testing.T, of tron.Address) int64 {
	t.Helper()
	return new(big.Int).SetBytes(c.run(t, tron.BalanceCall(of))).Int64()
}

// onTron is an address as it is written on TRON.
func onTron(a common.Address) (b tron.Address) {
	b[0] = 0x41
	copy(b[1:], a[:])
	return b
}

func TestTransferMovesTokensOfARealContract(t *testing.T) {
	c := newToken(t)
	const amount = 10_000_000
	from, to := onTron(c.Call.From), onTron(common.BytesToAddress(c.Log.Topics[2][:]))
	data := tron.TransferCall(to, amount)
	if made := "0x" + hex.EncodeToString(data); made != c.Call.Input {
		t.Errorf("calldata\n%s\nis not the one of the real call\n%s", made, c.Call.Input)
	}
	before, gained := c.balance(t, from), c.balance(t, to)
	c.run(t, data)
	if c.balance(t, from) != before-amount || c.balance(t, to) != gained+amount || before < amount {
		t.Errorf("from %d to %d, and from %d to %d", before, c.balance(t, from), gained, c.balance(t, to))
	}
	logs := c.config.State.Logs()
	if len(logs) != 1 || logs[0].Topics[0] != c.Log.Topics[0] || hex.EncodeToString(logs[0].Data) != c.Log.Data[2:] {
		t.Fatalf("logs %+v, want the one of the real call", logs)
	}
	told := tron.Log{Address: hex.EncodeToString(logs[0].Address[:]), Data: hex.EncodeToString(logs[0].Data)}
	for _, topic := range logs[0].Topics {
		told.Topics = append(told.Topics, hex.EncodeToString(topic[:]))
	}
	if !tron.Moves([]tron.Log{told}, onTron(c.Contract), from, to, amount) {
		t.Errorf("the contract's log %+v is not read as the transfer", told)
	}
	if tron.Moves([]tron.Log{told}, onTron(c.Contract), from, to, amount-1) {
		t.Error("the log is read as another amount")
	}
}

// More than there is moves nothing, and leaves no log by which it could be
// taken for paid, whatever the call answers.
func TestTransferOfTooMuchLeavesNoLog(t *testing.T) {
	c := newToken(t)
	to := onTron(common.BytesToAddress(c.Log.Topics[2][:]))
	held := c.balance(t, onTron(c.Call.From))
	_, _, err := runtime.Call(c.Contract, tron.TransferCall(to, held+1), c.config)
	if n := len(c.config.State.Logs()); n != 0 {
		t.Errorf("%d logs, error %v", n, err)
	}
	if got := c.balance(t, onTron(c.Call.From)); got != held {
		t.Errorf("%d of %d are left", got, held)
	}
}

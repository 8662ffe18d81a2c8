package chaintest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"lucid.internal/coordinator/internal/tron"
)

// Answer is how a node deals with one request.
type Answer int

// Answers.
const (
	Truth       Answer = iota
	LostBefore         // the connection ends before the node heard
	LostAfter          // the node did it, and the connection ends before the answer
	Unavailable        // status 503
	Garbage            // status 200 and no JSON
	Unknown            // "never heard of it": an empty object, as pruned and lagging nodes say
	Duplicate          // a broadcast is called a duplicate that never arrived
	OtherFork          // a block with another hash; a receipt that says the contrary
	Lagging            // as it was so many blocks ago
)

// lag is by how many blocks a lagging node is behind.
const lag = 40

// Node is the HTTP API of one node of the chain, with its own faults.
type Node struct {
	chain *Chain
	// Faults decides about each request by its path; nil tells the truth.
	Faults func(path string) Answer
	pruned int64 // the oldest block that the node still has
}

// Prune has the node forget what is older than a block.
func (n *Node) Prune(below int64) {
	n.chain.mu.Lock()
	defer n.chain.mu.Unlock()
	n.pruned = below
}

// Node makes another node of the network.
func (c *Chain) Node() *Node { return &Node{chain: c} }

// question is what the calls of the API ask, all of them together.
type question struct {
	Transaction string
	Value       string
	Num         int64
	Address     string
	Data        string
}

// ServeHTTP answers as java-tron does, or as the node's faults want it.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked question
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	n.chain.mu.Lock()
	defer n.chain.mu.Unlock()
	how := Truth
	if n.Faults != nil {
		how = n.Faults(r.URL.Path)
	}
	switch how {
	case LostBefore:
		panic(http.ErrAbortHandler) // ends the connection
	case Unavailable:
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	case Garbage:
		fmt.Fprint(w, "<html>")
		return
	}
	answer := view{n, how, n.solid(how)}.answer(r.URL.Path, asked)
	switch {
	case answer == nil:
		http.NotFound(w, r)
		return
	case how == LostAfter:
		panic(http.ErrAbortHandler)
	case how == Unknown:
		answer = m{}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// answer is nil for a path that there is not.
func (v view) answer(path string, asked question) any {
	switch path {
	case "/wallet/getnowblock":
		return v.blockJSON(len(v.chain.blocks) - 1)
	case "/wallet/broadcasthex":
		return v.broadcast(asked.Transaction)
	case "/wallet/getchainparameters":
		return m{"chainParameter": []m{
			{"key": "getMaintenanceTimeInterval", "value": 21_600_000}, {"key": "getEnergyFee", "value": EnergySun},
			{"key": "getTransactionFee", "value": BandwidthSun}, {"key": "getAllowTvm"},
		}}
	case "/wallet/triggerconstantcontract", "/walletsolidity/triggerconstantcontract":
		return v.call(asked.Data)
	case "/walletsolidity/getnowblock":
		return v.blockJSON(v.solid)
	case "/walletsolidity/getblockbynum":
		return v.blockByNumber(asked.Num)
	case "/walletsolidity/gettransactioninfobyid":
		return v.receipt(asked.Value)
	case "/walletsolidity/getaccount":
		return v.account(asked.Address)
	}
	return nil
}

type m = map[string]any

// view is what one request sees.
type view struct {
	*Node
	how   Answer
	solid int // index of the newest final block
}

func (n *Node) solid(how Answer) int {
	solid := len(n.chain.blocks) - 1 - SolidDepth
	if how == Lagging {
		solid = max(0, solid-lag)
	}
	return solid
}

func (v view) blockJSON(index int) any {
	b := v.chain.blocks[index]
	id := b.id
	if v.how == OtherFork {
		id[31] ^= 1
	}
	answer := m{"blockID": id.String(), "block_header": m{"raw_data": m{
		"number": first + index, "timestamp": b.time.UnixMilli(), "parentHash": b.parent.String(),
	}}}
	var list []m
	for _, mined := range b.mined {
		list = append(list, m{"txID": mined.ID.String(), "raw_data_hex": hex.EncodeToString(mined.Raw)})
	}
	if list != nil {
		answer["transactions"] = list
	}
	return answer
}

func (v view) blockByNumber(number int64) any {
	if number == 0 && v.chain.Genesis != (tron.BlockID{}) { // nodes leave out what is 0
		return m{"blockID": v.chain.Genesis.String(), "block_header": m{"raw_data": m{"parentHash": tron.BlockID{}.String()}}}
	}
	index := int(number - first)
	if index < 0 || index > v.solid || number < v.pruned {
		return m{}
	}
	return v.blockJSON(index)
}

func (v view) broadcast(text string) any {
	signed, err := hex.DecodeString(text)
	code := "OTHER_ERROR"
	switch {
	case v.how == Duplicate:
		code = "DUP_TRANSACTION_ERROR"
	case err == nil:
		code = v.chain.take(signed)
	}
	if code == "" {
		return m{"result": true, "code": "SUCCESS", "message": ""}
	}
	return m{"code": code, "message": hex.EncodeToString([]byte("no: " + code))}
}

// mined is a transaction that this node knows to be final.
func (v view) mined(id string) *Mined {
	parsed, err := tron.ParseID(id)
	found := v.chain.mined[parsed]
	if err != nil || found == nil || found.Block > int64(first+v.solid) || found.Block < v.pruned {
		return nil
	}
	return found
}

func (v view) receipt(id string) any {
	found := v.mined(id)
	if found == nil {
		return m{}
	}
	result := found.Result
	if v.how == OtherFork { // the contrary
		result = map[bool]string{true: "REVERT", false: "SUCCESS"}[result == "SUCCESS"]
	}
	answer := m{
		"id": id, "blockNumber": found.Block, "blockTimeStamp": found.Time.UnixMilli(), "fee": found.FeeSun,
		"receipt": m{"result": result, "energy_usage_total": found.Energy}, "log": found.Logs,
	}
	if result != "SUCCESS" {
		answer["result"] = "FAILED"
	}
	return answer
}

// call runs balanceOf and transfer.
func (v view) call(data string) any {
	answer := m{"result": m{"result": true}, "energy_used": 0, "constant_result": []string{strings.Repeat("0", 64)}}
	raw, err := hex.DecodeString(data)
	switch {
	case err != nil || len(raw) < 36:
		return m{"result": m{"code": "OTHER_ERROR", "message": "no call"}}
	case len(raw) == 36:
		var of tron.Address
		of[0] = 0x41
		copy(of[1:], raw[16:])
		tokens, _ := v.balances(of)
		answer["constant_result"] = []string{fmt.Sprintf("%064x", tokens)}
	default:
		to, _, _ := tron.ParseTransferCall(raw)
		answer["energy_used"] = v.chain.energy(to)
	}
	return answer
}

func (v view) account(address string) any {
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw) != len(tron.Address{}) {
		return m{}
	}
	_, sun := v.balances(tron.Address(raw))
	return m{"address": address, "balance": sun}
}

// balances of an address as of this node's newest final block: what came
// later is taken back.
func (v view) balances(of tron.Address) (tokens, sun int64) {
	tokens, sun = v.chain.tokens[of], v.chain.sun[of]
	for _, mined := range v.chain.order {
		if mined.Block <= int64(first+v.solid) {
			continue
		}
		if mined.From == of {
			tokens += mined.Amount
			sun += mined.FeeSun
		}
		if mined.To == of {
			tokens -= mined.Amount
		}
	}
	return tokens, sun
}

// TransferLog is the log that a token's transfer leaves.
func TransferLog(contract, from, to tron.Address, amount int64) tron.Log {
	topic := func(a tron.Address) string { return strings.Repeat("0", 24) + a.Hex()[2:] }
	return tron.Log{Address: contract.Hex()[2:], Topics: []string{tron.TransferTopic, topic(from), topic(to)}, Data: fmt.Sprintf("%064x", amount)}
}

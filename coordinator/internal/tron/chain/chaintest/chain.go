// Package chaintest owns a small TRON for tests: blocks every three seconds of
// its own time, one token, and the HTTP API of nodes that lose, delay, lag and
// lie as they are told to.
//
// It must never be imported by anything but tests.
package chaintest

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/tron"
)

// What the network does and charges.
const (
	BlockTime = 3 * time.Second
	// SolidDepth: a block is final once so many producers have built on it.
	SolidDepth = 19

	EnergySun    = 100    // for a unit of energy
	Energy       = 64_285 // of a transfer
	EnergyNew    = 130_285
	BandwidthSun = 1000 // for a byte
	callBytes    = 345
)

// Fate is what becomes of a transaction that a node took.
type Fate int

// Fates.
const (
	Included Fate = iota // in one of the next blocks
	Dropped              // in none: the node forgot it
	Late                 // in the last block that may hold it
	Reverted             // in a block, and failed
	Starved              // in a block, and failed when all that it may burn was burnt
)

// Chain is the network.
type Chain struct {
	mu       sync.Mutex
	random   *rand.Rand
	contract tron.Address
	blocks   []*block // blocks[i] has number first+i
	waiting  []*waiting
	known    map[tron.ID]bool // ever taken by a node
	mined    map[tron.ID]*Mined
	order    []*Mined
	tokens   map[tron.Address]int64
	sun      map[tron.Address]int64

	// Genesis is the id of block 0, by which networks tell themselves apart; nodes
	// do not serve it while it is zero.
	Genesis tron.BlockID
	// Fate decides about each transaction; nil includes all.
	Fate func(id tron.ID) Fate
}

type block struct {
	id, parent tron.BlockID
	time       time.Time
	mined      []*Mined
}

type waiting struct {
	raw       []byte
	tx        tron.Transaction
	fate      Fate
	afterHead int // blocks that pass before it is included
}

// Mined is a transaction in a block.
type Mined struct {
	ID     tron.ID
	Raw    []byte
	Block  int64
	Time   time.Time
	Result string
	FeeSun int64
	Energy int64
	Logs   []tron.Log

	From, To tron.Address
	Amount   int64 // moved; 0 when it failed
}

const first = 1000

// New makes a chain whose newest block is of that time. The same seed and the
// same calls give the same chain.
func New(seed uint64, contract tron.Address, at time.Time) *Chain {
	c := &Chain{
		random: rand.New(rand.NewPCG(seed, 1)), contract: contract, known: make(map[tron.ID]bool), mined: make(map[tron.ID]*Mined),
		tokens: make(map[tron.Address]int64), sun: make(map[tron.Address]int64),
	}
	for i := range SolidDepth + 5 {
		c.append(at.Add(time.Duration(i-SolidDepth-4) * BlockTime))
	}
	return c
}

// append makes the next block.
func (c *Chain) append(at time.Time) *block {
	b := &block{time: at}
	if n := len(c.blocks); n > 0 {
		b.parent = c.blocks[n-1].id
	}
	sum := sha256.Sum256(append(b.parent[:], byte(c.random.Uint32())))
	b.id = sum
	binary.BigEndian.PutUint64(b.id[:8], uint64(first+len(c.blocks)))
	c.blocks = append(c.blocks, b)
	return b
}

// Give puts tokens and TRX, in their smallest units, into an address from nowhere.
func (c *Chain) Give(to tron.Address, tokens, sun int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[to] += tokens
	c.sun[to] += sun
}

// Tokens is what an address holds after the newest block.
func (c *Chain) Tokens(of tron.Address) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens[of]
}

// Sun is the same of TRX.
func (c *Chain) Sun(of tron.Address) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sun[of]
}

// Now is the time of the newest block.
func (c *Chain) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head().time
}

// Head is the newest block's number.
func (c *Chain) Head() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return first + int64(len(c.blocks)) - 1
}

func (c *Chain) head() *block { return c.blocks[len(c.blocks)-1] }

// Mined lists all transactions in blocks, in their order.
func (c *Chain) Mined() []Mined {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Mined, len(c.order))
	for i, m := range c.order {
		list[i] = *m
	}
	return list
}

// Advance makes so many blocks.
func (c *Chain) Advance(blocks int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range blocks {
		c.next()
	}
}

// next makes a block of what waits. A transaction may be in a block as long as
// the block before it is not past its expiration, as on the real chain: so one
// stamped after the expiration may still hold it.
func (c *Chain) next() {
	before := c.head().time
	b := c.append(before.Add(BlockTime))
	number := first + int64(len(c.blocks)) - 1
	var rest []*waiting
	for _, w := range c.waiting {
		expires := time.UnixMilli(w.tx.Expiration)
		switch {
		case !expires.After(before): // gone
		case w.fate == Dropped || w.fate == Late && expires.After(b.time) || w.afterHead > 0:
			w.afterHead--
			rest = append(rest, w)
		default:
			m := c.execute(w)
			m.Block, m.Time = number, b.time
			b.mined = append(b.mined, m)
			c.mined[m.ID], c.order = m, append(c.order, m)
		}
	}
	c.waiting = rest
}

// execute runs a transfer and charges for it.
func (c *Chain) execute(w *waiting) *Mined {
	m := &Mined{ID: tron.IDOf(w.raw), Raw: w.raw, Result: "SUCCESS", From: w.tx.Owner}
	to, amount, err := tron.ParseTransferCall(w.tx.Data)
	m.To, m.Energy = to, c.energy(to)
	cost := m.Energy * EnergySun
	switch {
	case w.fate == Starved || cost > w.tx.FeeLimit || cost+callBytes*BandwidthSun > c.sun[w.tx.Owner]:
		m.Result, cost = "OUT_OF_ENERGY", min(w.tx.FeeLimit, c.sun[w.tx.Owner])
	case err != nil || w.tx.Contract != c.contract || w.fate == Reverted || c.tokens[w.tx.Owner] < amount:
		m.Result = "REVERT"
	default:
		m.Amount = amount
		c.tokens[w.tx.Owner] -= amount
		c.tokens[to] += amount
		m.Logs = []tron.Log{TransferLog(c.contract, w.tx.Owner, to, amount)}
	}
	m.FeeSun = min(cost+callBytes*BandwidthSun, c.sun[w.tx.Owner])
	c.sun[w.tx.Owner] -= m.FeeSun
	return m
}

func (c *Chain) energy(to tron.Address) int64 {
	if c.tokens[to] == 0 {
		return EnergyNew
	}
	return Energy
}

// take is what a node does with a broadcast: "" when it takes the transaction,
// a code of the real API otherwise.
func (c *Chain) take(signed []byte) string {
	raw, signature, err := tron.ParseSigned(signed)
	if err != nil {
		return "OTHER_ERROR"
	}
	tx, err := tron.Parse(raw)
	if err != nil {
		return "CONTRACT_VALIDATE_ERROR"
	}
	id := tron.IDOf(raw)
	if by, err := signature.Recover(id); err != nil || by != tx.Owner {
		return "SIGERROR"
	}
	head, expires := c.head(), time.UnixMilli(tx.Expiration)
	switch {
	case c.known[id]:
		return "DUP_TRANSACTION_ERROR"
	case !expires.After(head.time) || expires.After(head.time.Add(24*time.Hour)):
		return "TRANSACTION_EXPIRATION_ERROR"
	case !c.refers(tx):
		return "TAPOS_ERROR"
	}
	w := &waiting{raw: raw, tx: tx, afterHead: c.random.IntN(3)}
	if c.Fate != nil {
		w.fate = c.Fate(id)
	}
	c.known[id] = true
	c.waiting = append(c.waiting, w)
	return ""
}

func (c *Chain) refers(tx tron.Transaction) bool {
	for _, b := range c.blocks {
		if [2]byte(b.id[6:8]) == tx.RefBlockBytes {
			return [8]byte(b.id[8:16]) == tx.RefBlockHash
		}
	}
	return false
}

// Spend moves tokens out of an address by a transaction that nobody here made:
// a thief with a copy of the key, or what was sent after a backup.
func (c *Chain) Spend(raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tx, err := tron.Parse(raw)
	if err != nil {
		panic("chaintest: " + err.Error())
	}
	c.known[tron.IDOf(raw)] = true
	c.waiting = append(c.waiting, &waiting{raw: raw, tx: tx})
}

// Sent lists the transactions that ever reached a node.
func (c *Chain) Sent() []tron.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.known))
}

package identity

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// mostOffers is 3 with TEST_LONG set, as scripts/test-long.sh does.
func mostOffers() int {
	if os.Getenv("TEST_LONG") != "" {
		return 3
	}
	return 2
}

// model is a node and its coordinator as far as keys go, which are named by their
// number. The node's side is the real rules; the coordinator's is what node.Store
// does. A state is reached by steps of either in any order: whoever is killed is
// only late, or forgets what is not on its disk.
type model struct {
	external bool // the broker is another's: it has one password, until it is configured again

	memory, disk keyset
	previous     int // heeded for a while after a promotion, by the running agent
	connected    int // by the key of this number

	db       database
	backup   database
	password int      // at another's broker
	answers  []answer // on their way
	keys     int      // made so far
	offers   int
}

// database is what a backup holds.
type database struct {
	live, before int // before: good as a password while the overlap lasts
	epoch        uint32
	offer        int // open; 0: none
	offeredEpoch uint32
}

type answer struct{ offer, key int }

const mostKeys = 3

var modelTime = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func numbered(key int, epoch uint32) rootSecret {
	return rootSecret{epoch, slices.Concat([]byte{byte(key)}, make([]byte, 31))}
}

func (s rootSecret) number() int { return int(s.Root[0]) }

func newModel(external bool) model {
	k := keyset{rootSecret: numbered(1, 1)}
	db := database{live: 1, epoch: 1}
	return model{external: external, memory: k, disk: k, db: db, backup: db, password: 1, keys: 1}
}

// name of a state, equal for equal ones: a digit for each number.
func (m *model) name() string {
	b := append(describe(nil, &m.memory), '|')
	b = append(describe(b, &m.disk), '|')
	for _, db := range []database{m.db, m.backup} {
		b = digits(b, db.live, db.before, int(db.epoch), db.offer, int(db.offeredEpoch))
		b = append(b, '|')
	}
	b = digits(b, m.previous, m.connected, m.password, m.keys, m.offers)
	for _, a := range m.answers {
		b = digits(b, a.offer, a.key)
	}
	return string(b)
}

func digits(b []byte, numbers ...int) []byte {
	for _, n := range numbers {
		b = append(b, '0'+byte(n))
	}
	return b
}

// describe writes key and epoch: the one in use, > the next one with its offer, ,
// spares, ! those that are heeded, ? never used.
func describe(b []byte, k *keyset) []byte {
	b = digits(b, k.number(), int(k.KeyEpoch))
	if k.Next != nil {
		b = digits(append(b, '>'), k.Next.number(), int(k.Next.KeyEpoch), int(k.Next.Offered[0]))
	}
	for _, s := range k.Spare {
		b = digits(append(b, ','), s.number(), int(s.KeyEpoch))
		if s.Heeded {
			b = append(b, '!')
		}
		if s.Unused {
			b = append(b, '?')
		}
	}
	return b
}

// takes tells whether the broker takes a key as a password.
func (m *model) takes(key int) bool {
	if m.external {
		return key == m.password
	}
	return key == m.db.live || key == m.db.before
}

// hears tells whether a message of now under the coordinator's key counts.
func (m *model) hears() bool {
	return m.previous == m.db.live || slices.ContainsFunc(m.memory.heeded(), func(s rootSecret) bool { return s.number() == m.db.live })
}

// login tries the keys in turn; false when none is taken.
func (m *model) login() bool {
	for i, s := range m.memory.all() {
		if !m.takes(s.number()) {
			continue
		}
		m.connected = s.number()
		switch next := m.memory.Next; {
		case i == 0:
		case next != nil && i == 1:
			m.use(s)
		default:
			m.memory = m.memory.wentTo(s, modelTime)
		}
		return true
	}
	return false
}

func (m *model) use(s rootSecret) {
	before := m.memory.number()
	if k, ok := m.memory.promoted(s, modelTime); ok {
		m.memory, m.previous = k, before
	}
}

// listen is a message of now: a challenge, or a command that is new.
func (m *model) listen() {
	for _, s := range m.memory.heeded() {
		if s.number() == m.db.live {
			m.use(s)
			return
		}
	}
}

// answerOffer is Ring.Rotate; the answer is on its way once the key is on the disk.
func (m *model) answerOffer() bool {
	offered := []byte{byte(m.db.offer)}
	if next := m.memory.Next; next != nil && slices.Equal(next.Offered, offered) {
		m.answers = append(m.answers, answer{m.db.offer, next.number()})
		return len(m.answers) <= 2
	}
	if m.db.offeredEpoch <= m.memory.KeyEpoch {
		m.db.offer = 0 // refused
		return true
	}
	if m.keys == mostKeys || len(m.answers) == 2 {
		return false
	}
	m.keys++
	m.memory = m.memory.offered(&nextRoot{rootSecret: numbered(m.keys, m.db.offeredEpoch), Offered: offered}, modelTime)
	m.answers = append(m.answers, answer{m.db.offer, m.keys})
	return true
}

// commit is node.Store.takeKey: an answer to an offer that is not open changes nothing.
func (m *model) commit() {
	a := m.answers[0]
	m.answers = m.answers[1:]
	if a.offer == m.db.offer {
		m.db = database{live: a.key, before: m.db.live, epoch: m.db.offeredEpoch}
	}
}

// restore brings the backup back, and keeps what it replaces, for an operator who
// finds that it was the wrong one. At another's broker he then writes its files
// anew (docs/restore.md).
func (m *model) restore() {
	m.db, m.backup, m.connected = m.backup, m.db, 0
	if m.external {
		m.password = m.db.live
	}
}

// steps from a state, by what they are called. Each changes a copy, and gives
// false when it cannot happen there.
func steps(mostOffers int) map[string]func(*model) bool {
	always := func(do func(*model)) func(*model) bool { return func(m *model) bool { do(m); return true } }
	return map[string]func(*model) bool{
		"node connects": func(m *model) bool { return m.connected == 0 && m.login() },
		"coordinator speaks": func(m *model) bool {
			if m.connected == 0 || !m.hears() {
				return false
			}
			m.listen()
			return true
		},
		"coordinator makes an offer": func(m *model) bool {
			m.offers++
			m.db.offer, m.db.offeredEpoch = m.offers, m.db.epoch+1
			return m.offers <= mostOffers
		},
		"node answers the offer": func(m *model) bool {
			if m.connected == 0 || m.db.offer == 0 || !m.hears() {
				return false
			}
			m.listen()
			return m.answerOffer()
		},
		"offer ends": func(m *model) bool {
			open := m.db.offer != 0
			m.db.offer = 0
			return open
		},
		"coordinator takes an answer": func(m *model) bool {
			if len(m.answers) == 0 {
				return false
			}
			m.commit()
			return true
		},
		"answer is lost": func(m *model) bool {
			if len(m.answers) == 0 {
				return false
			}
			m.answers = m.answers[1:]
			return true
		},
		"overlap ends": func(m *model) bool {
			if !m.external && m.connected == m.db.before {
				m.connected = 0
			}
			m.db.before = 0
			return true
		},
		"broker is configured": func(m *model) bool {
			m.password = m.db.live
			return m.external
		},
		"15 minutes pass":   always(func(m *model) { m.previous = 0 }),
		"connection breaks": always(func(m *model) { m.connected = 0 }),
		"node is killed":    always(func(m *model) { m.memory, m.previous, m.connected = m.disk, 0, 0 }),
		"backup is taken":   always(func(m *model) { m.backup = m.db }),
		"database restored": always((*model).restore),
	}
}

// onlyOnDisk are the steps that the node takes only once its disk has them.
var onlyOnDisk = []string{"node answers the offer"}

// wrong says what must never be: a node that cannot log in, or does not hear the
// coordinator then; one that is connected and does not hear it at once.
func (m model) wrong() string {
	if !m.external && m.connected != 0 && !m.hears() {
		return "the connected node does not hear the coordinator"
	}
	for _, killed := range []bool{false, true} {
		again := m
		if again.connected = 0; killed {
			again.memory, again.previous = again.disk, 0
		}
		if !again.login() {
			return fmt.Sprintf("the node cannot log in (killed before: %v)", killed)
		}
		if again.previous = 0; !again.hears() {
			return fmt.Sprintf("the node logs in and does not hear the coordinator (killed before: %v)", killed)
		}
	}
	return ""
}

// TestNodeIsNeverLostWhateverHappensToKeys goes through every state that offers,
// answers that are lost or late, power cuts, a disk that is full, two backups that
// are taken and restored at any moment, and a broker that knows old passwords can
// lead to, with a few keys. In each the node can log in and hears the coordinator.
func TestNodeIsNeverLostWhateverHappensToKeys(t *testing.T) {
	for _, external := range []bool{false, true} {
		states := explore(t, newModel(external))
		t.Logf("external broker %v: %d states", external, states)
	}
}

type reached struct {
	before string
	step   string
}

func explore(t *testing.T, first model) int {
	t.Helper()
	all, ways := steps(mostOffers()), map[string]reached{first.name(): {}}
	for open := []model{first}; len(open) > 0; {
		m := open[0]
		open = open[1:]
		for step, take := range all {
			for _, diskFull := range []bool{false, true} {
				next := m
				next.answers = slices.Clone(m.answers)
				if diskFull && slices.Contains(onlyOnDisk, step) || !take(&next) {
					continue
				}
				if !diskFull && !bytes.Equal(describe(nil, &next.memory), describe(nil, &m.memory)) {
					next.disk = next.memory
				}
				name := next.name()
				if _, known := ways[name]; known {
					continue
				}
				ways[name] = reached{m.name(), step}
				if wrong := next.wrong(); wrong != "" {
					t.Fatalf("%s:\n%s", wrong, wayTo(ways, name))
				}
				open = append(open, next)
			}
		}
	}
	return len(ways)
}

func wayTo(ways map[string]reached, name string) string {
	var list []string
	for w := ways[name]; w.step != ""; w = ways[name] {
		list = append(list, fmt.Sprintf("%-28s %s", w.step, name))
		name = w.before
	}
	slices.Reverse(list)
	return strings.Join(list, "\n")
}

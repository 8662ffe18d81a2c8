package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is how a node behaves.
type Kind string

// Kinds of behaviour: of each rule about fraud a cheat that it is meant for, but
// of the daily cap, which whoever earns enough comes to.
const (
	Honest Kind = "honest"
	Clone  Kind = "clone"  // cloned key: two machines live with one identity
	Relay  Kind = "relay"  // answers come faster than the declared model can solve
	Shared Kind = "shared" // many nodes are one machine: one boot id, one solver, one series
	Spread Kind = "spread" // as shared, with a boot and a series each
	Pad    Kind = "pad"    // as spread, and every answer takes as long
	Skip   Kind = "skip"   // as spread, and silent when many are asked at once
	Replay Kind = "replay" // every challenge is answered with the first answer
	Alter  Kind = "alter"  // altered telemetry: the running hash is of other messages than were sent
	Copy   Kind = "copy"   // metrics copied from an honest node
	Clock  Kind = "clock"  // time since boot goes back, boot ids alternate, samples jump in time
	Sybil  Kind = "sybil"  // many nodes of one owner: one payout address, offline in step

	Second   Kind = "second"   // a challenge that is judged is answered once more, with other bytes
	Fall     Kind = "fall"     // network counters run backwards
	Flood    Kind = "flood"    // more bytes than any board's links carry
	Freeze   Kind = "freeze"   // the first sample again and again
	Hide     Kind = "hide"     // a message of the run is refused, so that nobody can check the running hash
	Twin     Kind = "twin"     // names the serial number of an honest node's board
	Swift    Kind = "swift"    // as relay, as a board of which there are honest ones
	Restless Kind = "restless" // leaves so often that nobody can tell with whom
	Payee    Kind = "payee"    // its payout address is changed once it is enrolled
)

// cheats with what they do, in the order of help and reports.
var cheats = []struct {
	kind Kind
	text string
}{
	{Clone, "two machines with one key"},
	{Relay, "answers faster than its model can"},
	{Shared, "one machine poses as all of them"},
	{Spread, "the same, each with a boot of its own"},
	{Pad, "the same, and pads its answers"},
	{Skip, "the same without padding, silent in cohorts"},
	{Replay, "answers every challenge with its first answer"},
	{Alter, "its running hash is of other telemetry than it sent"},
	{Copy, "sends an honest node's metrics"},
	{Clock, "time since boot goes back, boot ids alternate"},
	{Sybil, "one payout address, offline in step"},
	{Second, "gives a second, different answer to a challenge"},
	{Fall, "its counters run backwards"},
	{Flood, "counts more bytes than links carry"},
	{Freeze, "sends its first sample again and again"},
	{Hide, "its running hash cannot be checked"},
	{Twin, "names an honest node's serial number"},
	{Swift, "answers faster than the honest nodes of its model"},
	{Restless, "goes offline all the time"},
	{Payee, "its payout address is changed"},
}

// oneMachine reports whether all nodes of the kind are solved for by one machine.
func (k Kind) oneMachine() bool { return k == Shared || k == Spread || k == Pad || k == Skip }

// anotherMachine reports whether this machine answers as fast as it can, in place
// of the board that the node declares.
func (k Kind) anotherMachine() bool { return k == Relay || k == Pad || k == Swift }

func (k Kind) known() bool { return slices.Contains(allKinds(), k) }

func allKinds() []Kind {
	all := []Kind{Honest}
	for _, c := range cheats {
		all = append(all, c.kind)
	}
	return all
}

// Kinds names the cheats and what they do, one a line.
func Kinds() string {
	var all []string
	for _, c := range cheats {
		all = append(all, fmt.Sprintf("  %-8s %s", c.kind, c.text))
	}
	return strings.Join(all, "\n")
}

// assign says how each node behaves: cheats are spread evenly, so that they
// connect among the others, and behind the first honest node.
func assign(nodes int, counts map[Kind]int) []Kind {
	all := make([]Kind, 0, nodes)
	for _, c := range cheats {
		for range counts[c.kind] {
			all = append(all, c.kind)
		}
	}
	cheating := len(all)
	spread := slices.Repeat([]Kind{Honest}, nodes)
	for i, kind := range all {
		spread[nodes-1-i*nodes/cheating] = kind
	}
	return spread
}

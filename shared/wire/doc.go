// Package wire owns every message that an agent and the coordinator exchange:
// topic names, message types, limits and the rules a message must satisfy.
//
// It must never do I/O, hold state or know how a message is stored. Fields are
// only ever added: a reader ignores what it does not know, so an old agent and
// a new coordinator (or the reverse) keep talking. In metrics names match
// letter by letter, and a field that comes twice is refused.
//
// A run of an agent lies within one boot of its machine: samples name the run,
// and the status of that run names the boot.
package wire

// ProtocolVersion is the "v" of every message.
//
// History:
//
//	1  status, info, metrics, challenge, response, verdict, command, config; enrolment
//	1  metrics/ack added, for brokers that are not the coordinator's own: a node that does
//	   not know it is told nothing there, and an older coordinator's broker refuses it
//	1  metrics: pressure, zram, wear, links, the GPU's clock, throttle's events, board
//	1  rotate_key and the key of a command and its result added: an agent that does not know
//	   the kind refuses it and keeps its key
//	1  move and the coordinator of a command added, refused alike
//	1  status: config_version, key_epoch; versions of commands and configurations follow the clock
const ProtocolVersion = 1

// Limits that both sides keep. A message beyond one of them is refused.
const (
	MaxMessageBytes      = 128 << 10 // an MQTT payload
	MaxSamplesPerMessage = 256
	MaxNodeIDBytes       = 64
	MaxListItems         = 64 // filesystems, interfaces, cores in one sample
	MaxTextBytes         = 128
	MaxKeepAliveSeconds  = 120
	// MaxUnacknowledged is how many metrics messages a node has on their way; of
	// more, the coordinator's broker leaves the rest unread for a while.
	MaxUnacknowledged = 16
	// MaxVersion of a command or configuration: what every reader of JSON keeps exactly.
	MaxVersion = 1 << 53
)

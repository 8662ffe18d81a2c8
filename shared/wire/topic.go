package wire

import "strings"

// NodePrefix begins every topic that belongs to one node.
const NodePrefix = "lucid/v1/nodes/"

// Channel is the part of a topic after the node id.
type Channel string

// Channels of a node. The first five are published by the node, the others
// are read by it; nothing else under its prefix exists.
const (
	ChannelStatus        Channel = "status"
	ChannelInfo          Channel = "info"
	ChannelMetrics       Channel = "metrics"
	ChannelResponse      Channel = "poot/response"
	ChannelCommandResult Channel = "command/result"

	ChannelChallenge Channel = "poot/challenge"
	ChannelVerdict   Channel = "poot/verdict"
	ChannelCommand   Channel = "command"
	ChannelConfig    Channel = "config"
	// ChannelMetricsAck is there only when the broker is not the coordinator's
	// own, whose PUBACK says the same. That one refuses to let it be read, by
	// which a node tells the two apart.
	ChannelMetricsAck Channel = "metrics/ack"
)

// Channels are all of them.
func Channels() []Channel {
	return []Channel{
		ChannelStatus, ChannelInfo, ChannelMetrics, ChannelResponse, ChannelCommandResult,
		ChannelChallenge, ChannelVerdict, ChannelCommand, ChannelConfig, ChannelMetricsAck,
	}
}

// FromNode reports whether the node is the publisher of the channel.
func (c Channel) FromNode() bool {
	switch c {
	case ChannelStatus, ChannelInfo, ChannelMetrics, ChannelResponse, ChannelCommandResult:
		return true
	}
	return false
}

// ToNode reports whether the node is the reader of the channel.
func (c Channel) ToNode() bool {
	switch c {
	case ChannelChallenge, ChannelVerdict, ChannelCommand, ChannelConfig, ChannelMetricsAck:
		return true
	}
	return false
}

// Retained reports whether a broker keeps the newest message of the channel.
func (c Channel) Retained() bool {
	return c == ChannelStatus || c == ChannelInfo || c == ChannelConfig
}

// RetainedTopics are the topics of a node of which a broker keeps the newest
// message.
func RetainedTopics(nodeID string) (topics []string) {
	for _, c := range Channels() {
		if c.Retained() {
			topics = append(topics, Topic(nodeID, c))
		}
	}
	return topics
}

// Topic is the full topic name of a node's channel.
func Topic(nodeID string, c Channel) string {
	return NodePrefix + nodeID + "/" + string(c)
}

// EventTopic is where events of a kind are published for integrations.
func EventTopic(kind string) string { return "lucid/v1/events/" + kind }

// ParseTopic splits a topic into node id and channel without allocating.
// ok is false when the topic is not one of a node's channels.
func ParseTopic(topic string) (nodeID string, c Channel, ok bool) {
	rest, found := strings.CutPrefix(topic, NodePrefix)
	if !found {
		return "", "", false
	}
	nodeID, channel, found := strings.Cut(rest, "/")
	c = Channel(channel)
	if !found || !ValidNodeID(nodeID) || !(c.FromNode() || c.ToNode()) {
		return "", "", false
	}
	return nodeID, c, true
}

// ValidNodeID reports whether s matches ^node_[a-zA-Z0-9_-]+$ and fits
// MaxNodeIDBytes.
func ValidNodeID(s string) bool {
	rest, found := strings.CutPrefix(s, "node_")
	if !found || rest == "" || len(s) > MaxNodeIDBytes {
		return false
	}
	for i := range len(rest) {
		switch b := rest[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '_', b == '-':
		default:
			return false
		}
	}
	return true
}

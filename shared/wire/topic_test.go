package wire

import (
	"strings"
	"testing"
)

var channels = []Channel{ChannelStatus, ChannelInfo, ChannelMetrics, ChannelResponse, ChannelCommandResult,
	ChannelChallenge, ChannelVerdict, ChannelCommand, ChannelConfig}

func TestTopicRoundTrip(t *testing.T) {
	for i, c := range channels {
		topic := Topic("node_a-B_9", c)
		nodeID, channel, ok := ParseTopic(topic)
		if !ok || nodeID != "node_a-B_9" || channel != c {
			t.Errorf("%q gives %q, %q, %v", topic, nodeID, channel, ok)
		}
		if fromNode := i < 5; c.FromNode() != fromNode || c.ToNode() == fromNode {
			t.Errorf("%q: from node %v, to node %v", c, c.FromNode(), c.ToNode())
		}
	}
}

func TestParseTopicRefuses(t *testing.T) {
	for _, topic := range []string{
		"", "lucid", "lucid/v1/nodes/", "lucid/v1/nodes/node_a", "lucid/v1/nodes/node_a/",
		"lucid/v1/nodes/node_a/unknown", "lucid/v1/nodes/node_a/poot", "lucid/v1/nodes/node_a/poot/challenge/x",
		"lucid/v1/nodes/node_a/metrics/", "lucid/v1/nodes/node_a//metrics", "lucid/v1/nodes//metrics",
		"lucid/v1/nodes/+/metrics", "lucid/v1/nodes/node_+/metrics", "lucid/v1/nodes/#", "lucid/v1/nodes/node_a/#",
		"/lucid/v1/nodes/node_a/metrics", "lucid/v2/nodes/node_a/metrics", "LUCID/v1/nodes/node_a/metrics",
		"lucid/v1/nodes/node_a/Metrics", "lucid/v1/nodes/node_a/metrics\x00", "lucid/v1/pools/node_a/metrics",
		"lucid/v1/nodes/node_" + strings.Repeat("a", MaxNodeIDBytes) + "/metrics",
	} {
		if nodeID, c, ok := ParseTopic(topic); ok || nodeID != "" || c != "" {
			t.Errorf("%q gives %q, %q, %v", topic, nodeID, c, ok)
		}
	}
}

// The broker parses the topic of each publication.
func TestParseTopicDoesNotAllocate(t *testing.T) {
	good, bad := Topic("node_kitchen", ChannelMetrics), "lucid/v1/nodes/node_kitchen/unknown"
	if n := testing.AllocsPerRun(100, func() { ParseTopic(good); ParseTopic(bad) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestValidNodeID(t *testing.T) {
	for id, want := range map[string]bool{
		"node_a": true, "node_Z": true, "node_0": true, "node__": true, "node_-": true, "node_a_B-9": true,
		"node_" + strings.Repeat("a", MaxNodeIDBytes-5): true,
		"node_" + strings.Repeat("a", MaxNodeIDBytes-4): false,
		"": false, "node": false, "node_": false, "Node_a": false, "xnode_a": false, " node_a": false, "node_a ": false,
		"node_a/b": false, "node_+": false, "node_#": false, "node_a\n": false, "node_\x00": false, "node_é": false, "node_a.b": false,
	} {
		if got := ValidNodeID(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, c := range channels {
		f.Add(Topic("node_a", c))
	}
	f.Add("lucid/v1/nodes/+/#")
	f.Fuzz(func(t *testing.T, topic string) {
		nodeID, c, ok := ParseTopic(topic)
		if !ok {
			return
		}
		if Topic(nodeID, c) != topic || strings.ContainsAny(topic, "+#\x00") || c.FromNode() == c.ToNode() {
			t.Errorf("%q gives %q and %q", topic, nodeID, c)
		}
	})
}

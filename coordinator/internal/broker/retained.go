package broker

import (
	"strings"
	"sync"

	"lucid.internal/shared/wire"
)

// message is one publication, shared by all who are sent it.
type message struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
}

// retained has the newest retained message of each topic.
type retained struct {
	mu        sync.RWMutex
	of        map[string]*message
	forgotten map[string]struct{} // ids of deleted nodes, which nobody is given again
}

// keep replaces what its topic had; an empty payload only removes that. It
// reports false of a node that is forgotten.
func (r *retained) keep(nodeID string, m *message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, gone := r.forgotten[nodeID]; gone {
		return false
	}
	if len(m.payload) == 0 {
		delete(r.of, m.topic)
	} else {
		r.of[m.topic] = m
	}
	return true
}

// forget removes what its topics had, for good.
func (r *retained) forget(nodeID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten[nodeID] = struct{}{}
	for _, topic := range wire.RetainedTopics(nodeID) {
		delete(r.of, topic)
	}
}

func (r *retained) forgets(nodeID string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, gone := r.forgotten[nodeID]
	return gone
}

// get gives nil where nothing is retained.
func (r *retained) get(topic string) *message {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.of[topic]
}

// topics gives those of retained messages that match a filter.
func (r *retained) topics(filter string) (found []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !wild(filter) {
		if m := r.of[filter]; m != nil {
			found = append(found, m.topic)
		}
		return found
	}
	for topic := range r.of {
		if wire.Covers(filter, topic) {
			found = append(found, topic)
		}
	}
	return found
}

// wild reports whether a filter matches more than the topic of its name.
func wild(filter string) bool { return strings.ContainsAny(filter, "+#") }

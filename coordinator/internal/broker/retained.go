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
	mu sync.RWMutex
	of map[string]*message
}

// keep replaces what its topic had; an empty payload only removes that.
func (r *retained) keep(m *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(m.payload) == 0 {
		delete(r.of, m.topic)
		return
	}
	r.of[m.topic] = m
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

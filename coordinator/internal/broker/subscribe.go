package broker

import (
	"slices"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// mostSubscriptions is what one connection may have.
const mostSubscriptions = 1000

// When retained messages are sent to who subscribes, by MQTT 5, 3.8.3.1.
const (
	alwaysCatchUp = iota // and MQTT 3.1.1
	catchUpIfNew
	neverCatchUp
)

// subscribe answers a SUBSCRIBE, and has sent what is retained of it.
func (b *Broker) subscribe(s *session, pk *packets.Packet) error {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return code
	}
	if !sound(pk) {
		return packets.ErrProtocolViolation
	}
	codes, filters := make([]byte, len(pk.Filters)), []string(nil)
	for i, f := range pk.Filters {
		code, isNew := b.subscribeTo(s, f)
		codes[i] = code.Code
		if code.Code >= packets.ErrUnspecifiedError.Code {
			if s.mqtt.Properties.ProtocolVersion < 5 {
				codes[i] = packets.ErrUnspecifiedError.Code
			}
			continue
		}
		if f.RetainHandling == alwaysCatchUp || f.RetainHandling == catchUpIfNew && isNew {
			filters = append(filters, f.Filter)
		}
	}
	err := s.mqtt.WritePacket(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: pk.PacketID, ReasonCodes: codes,
	})
	var topics []string
	slices.Sort(filters)
	for _, f := range slices.Compact(filters) { // one packet may hold thousands of the same
		topics = append(topics, b.retained.topics(f)...)
	}
	if err == nil && len(topics) > 0 {
		s.outbox.bring(topics)
	}
	return err
}

// sound checks what the library lets pass of a SUBSCRIBE by MQTT 5.
func sound(pk *packets.Packet) bool {
	return !slices.Contains(pk.Properties.SubscriptionIdentifier, 0) &&
		!slices.ContainsFunc(pk.Filters, func(f packets.Subscription) bool { return f.RetainHandling > neverCatchUp })
}

// subscribeTo gives the QoS that is granted, or the reason why nothing is.
func (b *Broker) subscribeTo(s *session, f packets.Subscription) (code packets.Code, isNew bool) {
	if wire.CheckFilter(f.Filter) != nil {
		return packets.ErrTopicFilterInvalid, false
	}
	if !s.mayRead(f.Filter) {
		if s.reader != nil || !asksForAcks(s.client.NodeID, f.Filter) {
			b.refuse(s.mqtt, badSubscribeTopic, f.Filter)
		}
		return packets.ErrNotAuthorized, false
	}
	granted := packets.QosCodes[min(f.Qos, 1)]
	isNew, ok := s.outbox.subscribe(subscription{
		filter: strings.Clone(f.Filter), wild: wild(f.Filter), qos: granted.Code, asPublished: f.RetainAsPublished, identifier: f.Identifier,
	})
	if !ok {
		return packets.ErrQuotaExceeded, false
	}
	return granted, isNew
}

// unsubscribe answers an UNSUBSCRIBE.
func (b *Broker) unsubscribe(s *session, pk *packets.Packet) error {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return code
	}
	codes := make([]byte, len(pk.Filters))
	for i, f := range pk.Filters {
		if !s.outbox.unsubscribe(f.Filter) {
			codes[i] = packets.CodeNoSubscriptionExisted.Code
		}
	}
	return s.mqtt.WritePacket(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, PacketID: pk.PacketID, ReasonCodes: codes,
	})
}

// mayRead: an integration reads what it was granted, a node its own four
// channels, each by its exact name.
func (s *session) mayRead(filter string) bool {
	if s.reader != nil {
		return s.reader.mayRead(filter)
	}
	return maySubscribe(s.client.NodeID, filter)
}

// subscribe adds a subscription, or changes the one that its filter has. It
// reports false where there are too many.
func (o *outbox) subscribe(wanted subscription) (isNew, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := o.indexOf(wanted.filter); i >= 0 {
		o.subscriptions[i] = wanted
		return false, true
	}
	if len(o.subscriptions) >= mostSubscriptions {
		return false, false
	}
	o.subscriptions = append(o.subscriptions, wanted)
	return true, true
}

// unsubscribe reports whether there was such a subscription.
func (o *outbox) unsubscribe(filter string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := o.indexOf(filter)
	if i < 0 {
		return false
	}
	o.subscriptions = slices.Delete(o.subscriptions, i, i+1)
	return true
}

func (o *outbox) indexOf(filter string) int {
	return slices.IndexFunc(o.subscriptions, func(s subscription) bool { return s.filter == filter })
}

// bring has the retained messages of topics sent, behind what waits. What is
// sent of a topic last is the newest: it is looked up when it is written. One who
// subscribes again and again has it sorted again and again, while nobody waits for
// the lock; only the connection's goroutine adds topics, so none is lost.
func (o *outbox) bring(topics []string) {
	o.mu.Lock()
	topics = append(topics, o.catchUp...)
	o.catchUp = nil
	o.mu.Unlock()
	slices.Sort(topics)
	topics = slices.Compact(topics)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.catchUp = topics
	o.start()
}

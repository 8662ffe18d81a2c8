// Package packet speaks MQTT 3.1.1 in a few bytes: what a client that shares
// the machine with what it measures can afford, and what ten thousand clients
// in one process can.
//
// It must never hold state of a session, nor know what a message means.
package packet

import "encoding/binary"

// Kind is the type of a control packet: the high four bits of its first byte.
type Kind byte

// Kinds that a client is sent.
const (
	Connack  Kind = 2
	Publish  Kind = 3
	Puback   Kind = 4
	Suback   Kind = 9
	Pingresp Kind = 13
)

const (
	keepAliveSeconds = 120

	flagPassword = 0xc2 // user name, password, clean session
	flagWill     = 0x2c // retained, QoS 1
	flagQoS1     = 0x02
	flagRetain   = 0x01
	flagAgain    = 0x08
)

// Login is what a client shows at CONNECT.
type Login struct {
	ID       string // client id and user name
	Password string
	Will     *Will // nil: none
}

// Will is published for the client when its connection breaks: at QoS 1,
// retained.
type Will struct {
	Topic   string
	Payload []byte
}

// Connect asks for a clean session of keep-alive 120 s.
func Connect(who Login) []byte {
	flags := byte(flagPassword)
	if who.Will != nil {
		flags |= flagWill
	}
	body := AppendText(nil, "MQTT")
	body = append(body, 4, flags, 0, keepAliveSeconds)
	body = AppendText(body, who.ID)
	if who.Will != nil {
		body = AppendText(body, who.Will.Topic)
		body = AppendText(body, string(who.Will.Payload))
	}
	body = AppendText(body, who.ID)
	body = AppendText(body, who.Password)
	return append(binary.AppendUvarint([]byte{0x10}, uint64(len(body))), body...)
}

// AppendPublish appends a PUBLISH packet at QoS 1 up to its payload, of whose
// size it must be told; the caller appends that many bytes.
func AppendPublish(dst []byte, topic string, id uint16, payloadBytes int) []byte {
	return appendPublish(dst, 0, topic, id, payloadBytes)
}

// Message is a whole publication at QoS 1.
type Message struct {
	Topic   string
	ID      uint16 // of the packet
	Retain  bool
	Again   bool // it was sent before
	Payload []byte
}

// AppendMessage appends a PUBLISH packet with its payload.
func AppendMessage(dst []byte, m Message) []byte {
	var flags byte
	if m.Retain {
		flags |= flagRetain
	}
	if m.Again {
		flags |= flagAgain
	}
	return append(appendPublish(dst, flags, m.Topic, m.ID, len(m.Payload)), m.Payload...)
}

func appendPublish(dst []byte, flags byte, topic string, id uint16, payloadBytes int) []byte {
	dst = append(dst, byte(Publish)<<4|flagQoS1|flags)
	dst = binary.AppendUvarint(dst, uint64(2+len(topic)+2+payloadBytes))
	dst = AppendText(dst, topic)
	return binary.BigEndian.AppendUint16(dst, id)
}

// Filter is a topic to read and the quality of service asked for.
type Filter struct {
	Topic string
	QoS   byte
}

// AppendSubscribe appends a SUBSCRIBE packet.
func AppendSubscribe(dst []byte, id uint16, filters ...Filter) []byte {
	size := 2
	for _, f := range filters {
		size += 2 + len(f.Topic) + 1
	}
	dst = binary.AppendUvarint(append(dst, 0x82), uint64(size))
	dst = binary.BigEndian.AppendUint16(dst, id)
	for _, f := range filters {
		dst = append(AppendText(dst, f.Topic), f.QoS)
	}
	return dst
}

// AppendAck appends the acknowledgement of a publication.
func AppendAck(dst []byte, id uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, byte(Puback)<<4, 2), id)
}

// AppendPing appends a sign of life.
func AppendPing(dst []byte) []byte { return append(dst, 0xc0, 0) }

// AppendDisconnect appends a goodbye, after which the will is void.
func AppendDisconnect(dst []byte) []byte { return append(dst, 0xe0, 0) }

// AppendText appends a text as MQTT writes it: its length in 16 bits, then its
// bytes.
func AppendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

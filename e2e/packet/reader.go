package packet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"lucid.internal/shared/wire"
)

// Packet is what a server sent.
type Packet struct {
	Kind    Kind
	QoS     byte   // of a Publish
	ID      uint16 // of a Publish at QoS 1, a Puback and a Suback
	Topic   string // of a Publish
	Payload []byte // of a Publish; return codes of Connack and Suback
}

// readBytes is small because ten thousand readers have one each; most packets
// are an acknowledgement of four bytes.
const readBytes = 128

// maxBytes bounds a packet: a message and its topic.
const maxBytes = wire.MaxMessageBytes + 1<<10

// Reader reads packets from a connection.
type Reader struct{ buffer *bufio.Reader }

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{bufio.NewReaderSize(r, readBytes)} }

// Next waits for a packet. Its bytes are the caller's.
func (r *Reader) Next() (Packet, error) {
	first, err := r.buffer.ReadByte()
	if err != nil {
		return Packet{}, err
	}
	size, err := binary.ReadUvarint(r.buffer)
	if err != nil {
		return Packet{}, err
	}
	if size > maxBytes {
		return Packet{}, fmt.Errorf("a packet of %d bytes, limit is %d", size, maxBytes)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r.buffer, body); err != nil {
		return Packet{}, err
	}
	return parse(first, body)
}

var errShort = errors.New("a packet ends too early")

func parse(first byte, body []byte) (Packet, error) {
	p := Packet{Kind: Kind(first >> 4)}
	switch p.Kind {
	case Connack, Pingresp:
		p.Payload = body
		return p, nil
	case Puback, Suback:
		if len(body) < 2 {
			return p, errShort
		}
		p.ID, p.Payload = binary.BigEndian.Uint16(body), body[2:]
		return p, nil
	case Publish:
		return parsePublish(p, first, body)
	}
	return p, fmt.Errorf("a packet of kind %d, which no server sends", p.Kind)
}

func parsePublish(p Packet, first byte, body []byte) (Packet, error) {
	p.QoS = first >> 1 & 3
	if len(body) < 2 {
		return p, errShort
	}
	topicBytes := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	head := topicBytes
	if p.QoS > 0 {
		head += 2
	}
	if len(body) < head {
		return p, errShort
	}
	p.Topic = string(body[:topicBytes])
	if p.QoS > 0 {
		p.ID = binary.BigEndian.Uint16(body[topicBytes:])
	}
	p.Payload = body[head:]
	return p, nil
}

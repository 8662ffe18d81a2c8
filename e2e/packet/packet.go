// Package packet speaks MQTT 3.1.1 in a few bytes: what a client that shares
// the machine with what it measures can afford, and what ten thousand clients
// in one process can.
//
// It must never hold state of a connection, nor know what a message means.
package packet

import "encoding/binary"

// Login is what a client shows at CONNECT.
type Login struct {
	ID       string // client id and user name
	Password string
}

// Connect asks for a clean session of keep-alive 120 s.
func Connect(who Login) []byte {
	body := AppendText(nil, "MQTT")
	body = append(body, 4, 0xc2, 0, 120)
	body = AppendText(body, who.ID)
	body = AppendText(body, who.ID)
	body = AppendText(body, who.Password)
	return append(binary.AppendUvarint([]byte{0x10}, uint64(len(body))), body...)
}

// AppendPublish appends a PUBLISH packet at QoS 1 up to its payload, of whose
// size it must be told; the caller appends that many bytes.
func AppendPublish(dst []byte, topic string, id uint16, payloadBytes int) []byte {
	dst = binary.AppendUvarint(append(dst, 0x32), uint64(2+len(topic)+2+payloadBytes))
	dst = AppendText(dst, topic)
	return binary.BigEndian.AppendUint16(dst, id)
}

// AppendText appends a text as MQTT writes it: its length in 16 bits, then its
// bytes.
func AppendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"lucid.internal/shared/wire"
)

// A record is a message as it waits in memory and on disk:
//
//	offset  bytes  what, little endian
//	0       4      "LUSP"
//	4       1      flags: bit 0, the body is packed (pack.go)
//	5       1      0
//	6       2      samples in the message
//	8       16     run
//	24      8      sequence number of the last sample
//	32      4      bytes of the message
//	36      4      bytes of the body
//	40      4      CRC-32C of bytes 4 to 40 and the body
//	44      n      body
//
// Each stands alone: whatever happens to its neighbours, an intact record is
// found and read.
type record []byte

const (
	recordMagic  = "LUSP"
	recordHeader = 44
	flagPacked   = 1
	checkedFrom  = 4 // where what the checksum covers begins
	checksumAt   = 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newRecord makes the record of a message, packed if there is a packer and it
// gets smaller.
func newRecord(m Message, p *packer) record {
	body, flags := m.Payload, byte(0)
	if p != nil {
		if packed := p.pack(m.Payload); len(packed) < len(body) {
			body, flags = packed, flagPacked
		}
	}
	r := make(record, recordHeader, recordHeader+len(body))
	copy(r, recordMagic)
	r[4] = flags
	binary.LittleEndian.PutUint16(r[6:], uint16(m.Samples))
	copy(r[8:], m.Run[:])
	binary.LittleEndian.PutUint64(r[24:], m.LastSeq)
	binary.LittleEndian.PutUint32(r[32:], uint32(len(m.Payload)))
	binary.LittleEndian.PutUint32(r[36:], uint32(len(body)))
	r = append(r, body...)
	binary.LittleEndian.PutUint32(r[checksumAt:], r.checksum())
	return r
}

func (r record) checksum() uint32 {
	sum := crc32.Update(0, castagnoli, r[checkedFrom:checksumAt])
	return crc32.Update(sum, castagnoli, r[recordHeader:])
}

func (r record) packed() bool    { return r[4]&flagPacked != 0 }
func (r record) samples() int    { return int(binary.LittleEndian.Uint16(r[6:])) }
func (r record) run() wire.RunID { return wire.RunID(r[8:24]) }

// message gives back what newRecord was given.
func (r record) message() (Message, error) {
	m := Message{Run: r.run(), LastSeq: binary.LittleEndian.Uint64(r[24:]), Samples: r.samples(), Payload: r[recordHeader:]}
	if !r.packed() {
		return m, nil
	}
	var err error
	m.Payload, err = unpack(m.Payload, int(binary.LittleEndian.Uint32(r[32:])))
	return m, err
}

// intact finds the records of a segment's bytes that are whole, and passes
// over what is not. They share its memory.
func intact(segment []byte) []record {
	var found []record
	for {
		at := bytes.Index(segment, []byte(recordMagic))
		if at < 0 {
			return found
		}
		segment = segment[at:]
		if r := first(segment); r != nil {
			found = append(found, r)
			segment = segment[len(r):]
			continue
		}
		segment = segment[1:]
	}
}

// first is the record at the beginning of b, nil when it is not whole.
func first(b []byte) record {
	if len(b) < recordHeader {
		return nil
	}
	size := recordHeader + int64(binary.LittleEndian.Uint32(b[36:]))
	if size > int64(len(b)) || binary.LittleEndian.Uint32(b[32:]) > wire.MaxMessageBytes {
		return nil
	}
	if r := record(b[:size:size]); binary.LittleEndian.Uint32(r[checksumAt:]) == r.checksum() {
		return r
	}
	return nil
}

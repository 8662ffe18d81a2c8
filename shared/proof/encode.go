package proof

import (
	"encoding/binary"
	"errors"
)

// errShort and errLong are the two ways an encoding can fail to match.
var (
	errShort  = errors.New("proof: encoding ends too early or a field has the wrong length")
	errLong   = errors.New("proof: encoding has bytes after its last field")
	errDomain = errors.New("proof: encoding is of another kind or version")
)

func appendField(dst, field []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(field)))
	return append(dst, field...)
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

func appendInt(dst []byte, v uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 8)
	return binary.BigEndian.AppendUint64(dst, v)
}

// reader walks over an encoding; the first fault sticks.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) field() []byte {
	if r.err != nil {
		return nil
	}
	if len(r.rest) < 4 {
		r.err = errShort
		return nil
	}
	n := uint64(binary.BigEndian.Uint32(r.rest))
	if uint64(len(r.rest)-4) < n {
		r.err = errShort
		return nil
	}
	f := r.rest[4 : 4+n]
	r.rest = r.rest[4+n:]
	return f
}

func (r *reader) exact(dst []byte) {
	f := r.field()
	if r.err == nil && len(f) != len(dst) {
		r.err = errShort
		return
	}
	copy(dst, f)
}

func (r *reader) uint() uint64 {
	var b [8]byte
	r.exact(b[:])
	return binary.BigEndian.Uint64(b[:])
}

func (r *reader) domain(want string) {
	if f := r.field(); r.err == nil && string(f) != want {
		r.err = errDomain
	}
}

func (r *reader) end() error {
	if r.err == nil && len(r.rest) != 0 {
		r.err = errLong
	}
	return r.err
}

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"lucid.internal/e2e/harness"
	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

// template is a metrics message taken apart at its sequence numbers and times,
// so that a new message costs no JSON encoder.
type template struct {
	pieces [][]byte // number of samples * 2 + 1; a number goes between each two
}

// Values that stand for the numbers in the message that is taken apart.
const (
	templateSeq = 7_000_000_000_000_001
	templateAt  = 1_900_000_000_000
)

func newTemplate(run wire.RunID, samples int) (template, error) {
	m, err := harness.NewMessage(run, templateSeq, time.UnixMilli(templateAt), samples)
	if err != nil {
		return template{}, err
	}
	var t template
	rest := m.Bytes
	for i := range samples {
		for _, number := range []string{
			`"seq":` + strconv.Itoa(templateSeq+i), `"at_ms":` + strconv.Itoa(templateAt+i),
		} {
			before, after, found := bytes.Cut(rest, []byte(number))
			if !found {
				return template{}, fmt.Errorf("%s is not in the message %s", number, m.Bytes)
			}
			name, _, _ := bytes.Cut([]byte(number), []byte(":"))
			t.pieces = append(t.pieces, append(append(bytes.Clone(before), name...), ':'))
			rest = after
		}
	}
	t.pieces = append(t.pieces, bytes.Clone(rest))
	return t, nil
}

// publish appends a PUBLISH packet at QoS 1 whose samples begin at seq and at.
func (t *template) publish(dst []byte, topic string, id uint16, seq uint64, at int64) []byte {
	size := 0
	for _, p := range t.pieces {
		size += len(p)
	}
	samples := len(t.pieces) / 2
	for i := range samples {
		size += digits(seq+uint64(i)) + digits(uint64(at)+uint64(i))
	}
	dst = packet.AppendPublish(dst, topic, id, size)
	for i := range samples {
		dst = append(dst, t.pieces[2*i]...)
		dst = strconv.AppendUint(dst, seq+uint64(i), 10)
		dst = append(dst, t.pieces[2*i+1]...)
		dst = strconv.AppendInt(dst, at+int64(i), 10)
	}
	return append(dst, t.pieces[len(t.pieces)-1]...)
}

func digits(v uint64) int {
	n := 1
	for ; v >= 10; v /= 10 {
		n++
	}
	return n
}

package spool

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// dictionary is what nearly every message consists of. Deflate refers to it,
// so that one message alone packs as well as many together would. It is part
// of the format on disk: a new one needs a new flag beside flagPacked.
const dictionary = `{"v":1,"run":"0123456789abcdef","samples":[{"seq":1000,"at_ms":17` +
	`,"absent":{"cpu.temperature_celsius":"no temperature sensor of the processor","gpu":"no GPU that tells its load"}` +
	`,"gpu":{"usage_percent":,"memory_used_bytes":,"memory_total_bytes":,"temperature_celsius":` +
	`"network":{"interfaces":[{"name":"eth0","bytes_in":,"bytes_out":,"packets_in":,"packets_out":,"errors_in":0,"errors_out":0},{"name":"wlan0"` +
	`],"total_bytes_in":,"total_bytes_out":,"packets_in":,"packets_out":,"errors_in":0,"errors_out":0},"gpu":null` +
	`"disk":{"total_bytes":,"used_bytes":,"free_bytes":,"read_iops":0,"write_iops":0,"read_throughput_mbps":0,"write_throughput_mbps":0,` +
	`"filesystems":[{"mount":"/","total_bytes":,"used_bytes":,"free_bytes":,"read_only":false},{"mount":"/boot/firmware","total_bytes":` +
	`"memory":{"total_bytes":,"used_bytes":,"free_bytes":,"available_bytes":,"cached_bytes":,"swap_total_bytes":0,"swap_used_bytes":0},` +
	`{"seq":,"at_ms":17,"cpu":{"usage_percent":,"cores":4,"frequency_mhz":1500,"load_average":[0.,0.,0.],"temperature_celsius":,"per_core":[`

// packer makes messages smaller. It holds most of a megabyte, so it is made
// when messages begin to wait, and dropped when none does.
type packer struct {
	out   bytes.Buffer
	write *flate.Writer
}

func newPacker() *packer {
	p := new(packer)
	p.write, _ = flate.NewWriterDict(&p.out, flate.DefaultCompression, []byte(dictionary)) // fails on an unknown level only
	return p
}

// pack gives the packed bytes, good until the next call.
func (p *packer) pack(payload []byte) []byte {
	p.out.Reset()
	p.write.Reset(&p.out) // keeps the dictionary
	_, _ = p.write.Write(payload)
	_ = p.write.Close() // neither fails on a buffer
	return p.out.Bytes()
}

// unpack undoes pack for a message of that many bytes.
func unpack(packed []byte, size int) ([]byte, error) {
	payload := make([]byte, size)
	r := flate.NewReaderDict(bytes.NewReader(packed), []byte(dictionary))
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, fmt.Errorf("unpack a message of %d bytes: %w", size, err)
	}
	return payload, nil
}

package wire

// measured is where the parts of one sample lie: one piece of memory, instead
// of one for each part and for each figure that a machine may not have.
type measured struct {
	cpu      CPU
	memory   Memory
	disk     Disk
	network  Network
	gpu      GPU
	throttle Throttle
	zram     Zram
	board    Board
	figures  [19]float64 // the optional ones of all parts; a field comes only once
	counts   [3]uint64
	flags    [4]bool
	used     struct{ figures, counts, flags int }
}

func (r *reader) figure() *float64 {
	v := &r.parts.figures[r.parts.used.figures]
	r.parts.used.figures++
	*v = r.float()
	return v
}

func (r *reader) count() *uint64 {
	v := &r.parts.counts[r.parts.used.counts]
	r.parts.used.counts++
	*v = r.unsigned()
	return v
}

func (r *reader) flag() *bool {
	v := &r.parts.flags[r.parts.used.flags]
	r.parts.used.flags++
	*v = r.truth()
	return v
}

// bytesOfSample is about what a sample takes: it tells how many will come.
const bytesOfSample = 512

func readMetrics(payload []byte) (*Metrics, error) {
	m := new(Metrics)
	return m, readMessage(&reader{b: payload}, m, metricsFields[:])
}

// What follows lists the fields in the order in which agents write them.

var metricsFields = [...]field[Metrics]{
	{"v", func(r *reader, m *Metrics) { m.V = int(r.signed()) }},
	{"run", readRun},
	{"samples", func(r *reader, m *Metrics) {
		room := min(1+len(r.b)/bytesOfSample, MaxSamplesPerMessage)
		m.Samples = readList(r, room, MaxSamplesPerMessage, readSample)
	}},
}

func readRun(r *reader, m *Metrics) {
	if s := r.text(); r.err == nil {
		if err := m.Run.UnmarshalText(s); err != nil {
			r.fail("%.200s", err.Error())
		}
	}
}

func readSample(r *reader, s *Sample) {
	r.parts = new(measured)
	readObject(r, s, sampleFields[:])
}

var sampleFields = [...]field[Sample]{
	{"seq", func(r *reader, s *Sample) { s.Seq = r.unsigned() }},
	{"at_ms", func(r *reader, s *Sample) { s.AtMs = r.signed() }},
	{"cpu", func(r *reader, s *Sample) { s.CPU = &r.parts.cpu; readObject(r, s.CPU, cpuFields[:]) }},
	{"memory", func(r *reader, s *Sample) { s.Memory = &r.parts.memory; readObject(r, s.Memory, memoryFields[:]) }},
	{"disk", func(r *reader, s *Sample) { s.Disk = &r.parts.disk; readObject(r, s.Disk, diskFields[:]) }},
	{"network", func(r *reader, s *Sample) { s.Network = &r.parts.network; readObject(r, s.Network, networkFields[:]) }},
	{"gpu", func(r *reader, s *Sample) { s.GPU = &r.parts.gpu; readObject(r, s.GPU, gpuFields[:]) }},
	{"throttle", func(r *reader, s *Sample) {
		s.Throttle = &r.parts.throttle
		readObject(r, s.Throttle, throttleFields[:])
	}},
	{"board", func(r *reader, s *Sample) { s.Board = &r.parts.board; readObject(r, s.Board, boardFields[:]) }},
	{"update_announced", func(r *reader, s *Sample) { s.UpdateAnnounced = string(r.text()) }},
	{"absent", readAbsent},
}

func readAbsent(r *reader, s *Sample) {
	s.Absent = make(map[string]string)
	for more := r.open('{', '}'); more; more = r.more('}') {
		subject, reason := string(r.name()), ""
		if _, again := s.Absent[subject]; again {
			r.fail("%.30q comes twice", subject)
		}
		if len(s.Absent) == MaxListItems {
			r.fail("more than %d items", MaxListItems)
		}
		if !r.null() {
			reason = string(r.text())
		}
		s.Absent[subject] = reason
	}
}

var cpuFields = [...]field[CPU]{
	{"usage_percent", func(r *reader, c *CPU) { c.UsagePercent = r.figure() }},
	{"cores", func(r *reader, c *CPU) { c.Cores = int(r.signed()) }},
	{"frequency_mhz", func(r *reader, c *CPU) { c.FrequencyMHz = r.figure() }},
	{"load_average", readLoad},
	{"temperature_celsius", func(r *reader, c *CPU) { c.TemperatureCelsius = r.figure() }},
	{"per_core", func(r *reader, c *CPU) {
		c.PerCore = readList(r, 4, MaxListItems, func(r *reader, v *float64) { *v = r.float() })
	}},
	{"pressure_percent", func(r *reader, c *CPU) { c.PressurePercent = r.figure() }},
}

// readLoad takes the first three; what an array lacks is 0.
func readLoad(r *reader, c *CPU) {
	i := 0
	for more := r.open('[', ']'); more; more = r.more(']') {
		switch {
		case i >= len(c.LoadAverage):
			r.skip()
		case !r.null():
			c.LoadAverage[i] = r.float()
		}
		i++
	}
}

var memoryFields = [...]field[Memory]{
	{"total_bytes", func(r *reader, m *Memory) { m.TotalBytes = r.unsigned() }},
	{"used_bytes", func(r *reader, m *Memory) { m.UsedBytes = r.unsigned() }},
	{"free_bytes", func(r *reader, m *Memory) { m.FreeBytes = r.unsigned() }},
	{"available_bytes", func(r *reader, m *Memory) { m.AvailableBytes = r.unsigned() }},
	{"cached_bytes", func(r *reader, m *Memory) { m.CachedBytes = r.unsigned() }},
	{"swap_total_bytes", func(r *reader, m *Memory) { m.SwapTotalBytes = r.unsigned() }},
	{"swap_used_bytes", func(r *reader, m *Memory) { m.SwapUsedBytes = r.unsigned() }},
	{"pressure_percent", func(r *reader, m *Memory) { m.PressurePercent = r.figure() }},
	{"stalled_percent", func(r *reader, m *Memory) { m.StalledPercent = r.figure() }},
	{"zram", func(r *reader, m *Memory) { m.Zram = &r.parts.zram; readObject(r, m.Zram, zramFields[:]) }},
}

var zramFields = [...]field[Zram]{
	{"data_bytes", func(r *reader, z *Zram) { z.DataBytes = r.unsigned() }},
	{"packed_bytes", func(r *reader, z *Zram) { z.PackedBytes = r.unsigned() }},
	{"memory_bytes", func(r *reader, z *Zram) { z.MemoryBytes = r.unsigned() }},
}

var diskFields = [...]field[Disk]{
	{"total_bytes", func(r *reader, d *Disk) { d.TotalBytes = r.unsigned() }},
	{"used_bytes", func(r *reader, d *Disk) { d.UsedBytes = r.unsigned() }},
	{"free_bytes", func(r *reader, d *Disk) { d.FreeBytes = r.unsigned() }},
	{"read_iops", func(r *reader, d *Disk) { d.ReadIOPS = r.figure() }},
	{"write_iops", func(r *reader, d *Disk) { d.WriteIOPS = r.figure() }},
	{"read_throughput_mbps", func(r *reader, d *Disk) { d.ReadThroughputMBps = r.figure() }},
	{"write_throughput_mbps", func(r *reader, d *Disk) { d.WriteThroughputMBps = r.figure() }},
	{"filesystems", func(r *reader, d *Disk) {
		d.Filesystems = readList(r, 1, MaxListItems, func(r *reader, f *Filesystem) { readObject(r, f, filesystemFields[:]) })
	}},
	{"pressure_percent", func(r *reader, d *Disk) { d.PressurePercent = r.figure() }},
	{"stalled_percent", func(r *reader, d *Disk) { d.StalledPercent = r.figure() }},
	{"worn_percent", func(r *reader, d *Disk) { d.WornPercent = r.figure() }},
}

var filesystemFields = [...]field[Filesystem]{
	{"mount", func(r *reader, f *Filesystem) { f.Mount = string(r.text()) }},
	{"total_bytes", func(r *reader, f *Filesystem) { f.TotalBytes = r.unsigned() }},
	{"used_bytes", func(r *reader, f *Filesystem) { f.UsedBytes = r.unsigned() }},
	{"free_bytes", func(r *reader, f *Filesystem) { f.FreeBytes = r.unsigned() }},
	{"read_only", func(r *reader, f *Filesystem) { f.ReadOnly = r.truth() }},
	{"errors_count", func(r *reader, f *Filesystem) { f.ErrorsCount = new(r.unsigned()) }},
	{"lifetime_write_bytes", func(r *reader, f *Filesystem) { f.LifetimeWriteBytes = new(r.unsigned()) }},
}

var networkFields = [...]field[Network]{
	{"interfaces", func(r *reader, n *Network) {
		n.Interfaces = readList(r, 1, MaxListItems, func(r *reader, f *Interface) { readObject(r, f, interfaceFields[:]) })
	}},
	{"total_bytes_in", func(r *reader, n *Network) { n.TotalBytesIn = r.unsigned() }},
	{"total_bytes_out", func(r *reader, n *Network) { n.TotalBytesOut = r.unsigned() }},
	{"packets_in", func(r *reader, n *Network) { n.PacketsIn = r.unsigned() }},
	{"packets_out", func(r *reader, n *Network) { n.PacketsOut = r.unsigned() }},
	{"errors_in", func(r *reader, n *Network) { n.ErrorsIn = r.unsigned() }},
	{"errors_out", func(r *reader, n *Network) { n.ErrorsOut = r.unsigned() }},
}

var interfaceFields = [...]field[Interface]{
	{"name", func(r *reader, f *Interface) { f.Name = string(r.text()) }},
	{"bytes_in", func(r *reader, f *Interface) { f.BytesIn = r.unsigned() }},
	{"bytes_out", func(r *reader, f *Interface) { f.BytesOut = r.unsigned() }},
	{"speed_mbps", func(r *reader, f *Interface) { f.SpeedMbps = new(r.float()) }},
	{"carrier_changes", func(r *reader, f *Interface) { f.CarrierChanges = new(r.unsigned()) }},
	{"signal_dbm", func(r *reader, f *Interface) { f.SignalDBm = new(r.float()) }},
	{"quality", func(r *reader, f *Interface) { f.Quality = new(r.float()) }},
}

var gpuFields = [...]field[GPU]{
	{"usage_percent", func(r *reader, g *GPU) { g.UsagePercent = r.figure() }},
	{"memory_used_bytes", func(r *reader, g *GPU) { g.MemoryUsedBytes = r.count() }},
	{"memory_total_bytes", func(r *reader, g *GPU) { g.MemoryTotalBytes = r.count() }},
	{"temperature_celsius", func(r *reader, g *GPU) { g.TemperatureCelsius = r.figure() }},
	{"frequency_mhz", func(r *reader, g *GPU) { g.FrequencyMHz = r.figure() }},
}

var throttleFields = [...]field[Throttle]{
	{"under_voltage", func(r *reader, t *Throttle) { t.UnderVoltage = r.flag() }},
	{"capped", func(r *reader, t *Throttle) { t.Capped = r.flag() }},
	{"throttled", func(r *reader, t *Throttle) { t.Throttled = r.flag() }},
	{"soft_limit", func(r *reader, t *Throttle) { t.SoftLimit = r.flag() }},
	{"under_voltage_events", func(r *reader, t *Throttle) { t.UnderVoltageEvents = r.count() }},
}

var boardFields = [...]field[Board]{
	{"fan_rpm", func(r *reader, b *Board) { b.FanRPM = r.figure() }},
	{"input_volts", func(r *reader, b *Board) { b.InputVolts = r.figure() }},
	{"power_watts", func(r *reader, b *Board) { b.PowerWatts = r.figure() }},
}

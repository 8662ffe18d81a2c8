package api

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/shared/wire"
)

// resourceSubjectOperations are the newest sample's parts, each by itself.
func (s *server) resourceSubjectOperations() {
	example := exampleReading()
	registerSubject(s, sample.CPU, "getCPU", "percent of all cores, MHz, degrees Celsius", shapeCPUReading, example)
	registerSubject(s, sample.Memory, "getMemory", "bytes", shapeMemoryReading, example)
	registerSubject(s, sample.Disk, "getDisk", "bytes, and 1e6 byte/s for throughput", shapeDiskReading, example)
	registerSubject(s, sample.Network, "getNetwork", "counts from the machine's start; rates in range are in 1e6 bit/s and per second", shapeNetworkReading, example)
	registerSubject(s, sample.GPU, "getGPU", "percent, bytes, degrees Celsius", shapeGPUReading, example)
	register(s, operation{
		id: "getResourceSummary", method: http.MethodGet, path: basePath + "/nodes/{node_id}/resources/summary", tag: "resources",
		role: access.Viewer, owner: true, summary: "Read a node's resources in short",
		description: "How full and busy the machine is by its newest sample, and was over the last hour and day.",
		errors:      []fault.Code{fault.NodeNotFound, fault.OtherNotFound}, example: exampleSummary(),
	}, s.getResourceSummary)
}

// registerSubject adds the operation that reads one subject of the newest sample.
func registerSubject[B any](s *server, subject sample.Subject, id, units string, shape func(reading) B, example reading) {
	register(s, operation{
		id: id, method: http.MethodGet, path: basePath + "/nodes/{node_id}/resources/" + string(subject), tag: "resources",
		role: access.Viewer, owner: true, summary: "Read a node's " + string(subject),
		description: "From its newest sample: " + units + ". It is null where the machine cannot give it, and absent says why; " +
			"before the first sample the answer is 404.",
		errors: []fault.Code{fault.NodeNotFound, fault.OtherNotFound}, example: shape(example),
	}, func(ctx context.Context, in *resourcesInput) (*answer[B], error) {
		r, err := s.read(ctx, in, subject)
		if err != nil {
			return nil, err
		}
		return answered(shape(r))
	})
}

// AbsentBody ends what is said of one subject.
type AbsentBody struct {
	Absent *string               `json:"absent" doc:"Why the machine cannot give it."`
	Range  orNull[timeRangeBody] `json:"range" doc:"null without time_range."`
}

func (r reading) rest(subject sample.Subject) AbsentBody {
	return AbsentBody{Absent: orNil(r.sample.Absent[string(subject)]), Range: r.over}
}

type cpuReadingBody struct {
	ReadingBody
	CPU orNull[wire.CPU] `json:"cpu"`
	AbsentBody
}

type memoryReadingBody struct {
	ReadingBody
	Memory orNull[wire.Memory] `json:"memory"`
	AbsentBody
}

type diskReadingBody struct {
	ReadingBody
	Disk orNull[wire.Disk] `json:"disk"`
	AbsentBody
}

type networkReadingBody struct {
	ReadingBody
	Network orNull[wire.Network] `json:"network"`
	AbsentBody
}

type gpuReadingBody struct {
	ReadingBody
	GPU orNull[wire.GPU] `json:"gpu"`
	AbsentBody
}

func shapeCPUReading(r reading) cpuReadingBody {
	return cpuReadingBody{r.ReadingBody, orNull[wire.CPU]{r.sample.CPU}, r.rest(sample.CPU)}
}

func shapeMemoryReading(r reading) memoryReadingBody {
	return memoryReadingBody{r.ReadingBody, orNull[wire.Memory]{r.sample.Memory}, r.rest(sample.Memory)}
}

func shapeDiskReading(r reading) diskReadingBody {
	return diskReadingBody{r.ReadingBody, orNull[wire.Disk]{r.sample.Disk}, r.rest(sample.Disk)}
}

func shapeNetworkReading(r reading) networkReadingBody {
	return networkReadingBody{r.ReadingBody, orNull[wire.Network]{r.sample.Network}, r.rest(sample.Network)}
}

func shapeGPUReading(r reading) gpuReadingBody {
	return gpuReadingBody{r.ReadingBody, orNull[wire.GPU]{r.sample.GPU}, r.rest(sample.GPU)}
}

type resourceSummaryBody struct {
	ReadingBody
	AgeSeconds            seconds               `json:"age_seconds" doc:"Since the sample was taken, by the machine's clock."`
	CPUUsagePercent       *float64              `json:"cpu_usage_percent"`
	CPUTemperatureCelsius *float64              `json:"cpu_temperature_celsius"`
	MemoryUsedPercent     *float64              `json:"memory_used_percent"`
	SwapUsedPercent       *float64              `json:"swap_used_percent" doc:"null without swap."`
	DiskUsedPercent       *float64              `json:"disk_used_percent"`
	GPUUsagePercent       *float64              `json:"gpu_usage_percent"`
	LastHour              orNull[timeRangeBody] `json:"last_hour"`
	LastDay               orNull[timeRangeBody] `json:"last_day"`
}

func (s *server) getResourceSummary(ctx context.Context, in *NodeInput) (*answer[resourceSummaryBody], error) {
	hour, err := s.read(ctx, &resourcesInput{*in, TimeRangeInput{"1h"}}, "")
	if err != nil {
		return nil, err
	}
	day, err := s.read(ctx, &resourcesInput{*in, TimeRangeInput{"24h"}}, "")
	if err != nil {
		return nil, err
	}
	return answered(shapeSummary(hour, day, s.Now().UnixMilli()))
}

func shapeSummary(hour, day reading, nowMs int64) resourceSummaryBody {
	v := hour.sample
	b := resourceSummaryBody{
		ReadingBody: hour.ReadingBody, AgeSeconds: seconds(max(0, nowMs-v.AtMs)),
		LastHour: principal(hour.over), LastDay: principal(day.over),
	}
	if v.CPU != nil {
		b.CPUUsagePercent, b.CPUTemperatureCelsius = v.CPU.UsagePercent, v.CPU.TemperatureCelsius
	}
	if v.Memory != nil {
		b.MemoryUsedPercent = percent(v.Memory.UsedBytes, v.Memory.TotalBytes)
		b.SwapUsedPercent = percent(v.Memory.SwapUsedBytes, v.Memory.SwapTotalBytes)
	}
	if v.Disk != nil {
		b.DiskUsedPercent = percent(v.Disk.UsedBytes, v.Disk.TotalBytes)
	}
	if v.GPU != nil {
		b.GPUUsagePercent = v.GPU.UsagePercent
	}
	return b
}

// percent is nil of nothing.
func percent(part, whole uint64) *float64 {
	if whole == 0 {
		return nil
	}
	p := 100 * float64(part) / float64(whole)
	return &p
}

// principal keeps of a range what a summary shows.
func principal(over orNull[timeRangeBody]) orNull[timeRangeBody] {
	if over.value == nil {
		return over
	}
	shown := map[string]bool{
		"usage_percent": true, "temperature_celsius": true, "used_bytes": true, "in_mbps": true, "out_mbps": true,
	}
	short := *over.value
	short.Figures = make(map[string]figuresBody)
	for subject, f := range over.value.Figures {
		short.Figures[subject] = f.only(func(field sample.Field) bool { return shown[field.Name] })
	}
	return orNull[timeRangeBody]{&short}
}

func exampleSummary() resourceSummaryBody {
	r := exampleReading()
	r.over.value = shapeRange("1h", exampleRange())
	return shapeSummary(r, reading{}, r.sample.AtMs+4000)
}

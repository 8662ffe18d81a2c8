package api

import "lucid.internal/shared/wire"

// hardwareBody is what a machine said of itself. What it did not say is null.
type hardwareBody struct {
	Model   *string         `json:"model"`
	CPU     cpuHardware     `json:"cpu"`
	Memory  memoryHardware  `json:"memory"`
	Storage storageHardware `json:"storage"`
	Network []linkHardware  `json:"network" nullable:"false"`
}

type cpuHardware struct {
	Model        *string  `json:"model"`
	Cores        *int     `json:"cores"`
	FrequencyMHz *float64 `json:"frequency_mhz"`
	Architecture *string  `json:"architecture"`
}

type memoryHardware struct {
	TotalBytes *uint64 `json:"total_bytes"`
}

type storageHardware struct {
	TotalBytes *uint64 `json:"total_bytes" doc:"Of all real filesystems."`
}

type linkHardware struct {
	Name   string  `json:"name"`
	IP     *string `json:"ip" doc:"The first address."`
	MAC    *string `json:"mac"`
	Status string  `json:"status" enum:"up,down"`
}

func shapeHardware(v wire.Inventory) hardwareBody {
	var disks uint64
	for _, d := range v.Disks {
		disks += d.TotalBytes
	}
	return hardwareBody{
		Model: orNil(v.Model),
		CPU: cpuHardware{
			Model: orNil(v.CPU.Model), Cores: orNil(v.CPU.Cores), FrequencyMHz: orNil(v.CPU.FrequencyMHz),
			Architecture: orNil(v.CPU.Architecture),
		},
		Memory:  memoryHardware{orNil(v.MemoryBytes)},
		Storage: storageHardware{orNil(disks)},
		Network: shape(v.Interfaces, shapeInterface),
	}
}

func shapeInterface(v wire.InterfaceInfo) linkHardware {
	b := linkHardware{Name: v.Name, MAC: orNil(v.MAC), Status: "down"}
	if v.Up {
		b.Status = "up"
	}
	if len(v.IPs) > 0 {
		b.IP = &v.IPs[0]
	}
	return b
}

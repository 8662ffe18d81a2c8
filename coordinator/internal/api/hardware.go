package api

import "lucid.internal/shared/wire"

// hardwareBody is what a machine said of itself. What it did not say is null.
type hardwareBody struct {
	Model   *string             `json:"model"`
	CPU     cpuHardware         `json:"cpu"`
	Memory  memoryHardware      `json:"memory"`
	Storage storageHardware     `json:"storage"`
	GPU     orNull[gpuHardware] `json:"gpu" doc:"null where there is none, or it does not show."`
	Network []linkHardware      `json:"network" nullable:"false"`
}

type cpuHardware struct {
	Model        *string  `json:"model"`
	Cores        *int     `json:"cores"`
	FrequencyMHz *float64 `json:"frequency_mhz"`
	Architecture *string  `json:"architecture"`
}

type memoryHardware struct {
	TotalBytes *uint64 `json:"total_bytes"`
	Type       *string `json:"type" doc:"As the memory controller names it, such as DDR4."`
}

type storageHardware struct {
	TotalBytes *uint64 `json:"total_bytes" doc:"Of all real filesystems."`
	Type       *string `json:"type" doc:"Of the disk with the largest one: sd_card, emmc, ssd, hdd."`
	Interface  *string `json:"interface" doc:"Of the same disk: mmc, nvme, sata, usb, scsi, virtio."`
}

type gpuHardware struct {
	Model       *string `json:"model" doc:"As the device tree names it, such as brcm,2711-v3d, else the PCI id."`
	Driver      *string `json:"driver" doc:"Of the kernel."`
	MemoryBytes *uint64 `json:"memory_total_bytes" doc:"Its own; null where it shares the machine's."`
}

type linkHardware struct {
	Name   string  `json:"name"`
	IP     *string `json:"ip" doc:"The first address."`
	MAC    *string `json:"mac"`
	Status string  `json:"status" enum:"up,down"`
}

func shapeHardware(v wire.Inventory) hardwareBody {
	return hardwareBody{
		Model: orNil(v.Model),
		CPU: cpuHardware{
			Model: orNil(v.CPU.Model), Cores: orNil(v.CPU.Cores), FrequencyMHz: orNil(v.CPU.FrequencyMHz),
			Architecture: orNil(v.CPU.Architecture),
		},
		Memory:  memoryHardware{orNil(v.MemoryBytes), orNil(v.MemoryType)},
		Storage: shapeStorage(v.Disks),
		GPU:     orNull[gpuHardware]{shapeGPU(v.GPU)},
		Network: shape(v.Interfaces, shapeInterface),
	}
}

func shapeStorage(disks []wire.DiskInfo) storageHardware {
	var sum uint64
	var largest wire.DiskInfo
	for i, d := range disks {
		sum += d.TotalBytes
		if i == 0 || d.TotalBytes > largest.TotalBytes {
			largest = d
		}
	}
	return storageHardware{orNil(sum), orNil(largest.Type), orNil(largest.Interface)}
}

func shapeGPU(v *wire.GPUInventory) *gpuHardware {
	if v == nil {
		return nil
	}
	return &gpuHardware{Model: orNil(v.Model), Driver: orNil(v.Driver), MemoryBytes: orNil(v.MemoryBytes)}
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

// hardwareInput is what an operator knows of a machine that has not told yet.
type hardwareInput struct {
	Model   string                `json:"model,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters"`
	CPU     *cpuHardwareInput     `json:"cpu,omitempty"`
	Memory  *memoryHardwareInput  `json:"memory,omitempty"`
	Storage *storageHardwareInput `json:"storage,omitempty"`
	GPU     *gpuHardwareInput     `json:"gpu,omitempty"`
	Network []linkHardwareInput   `json:"network,omitempty" maxItems:"64"`
}

type cpuHardwareInput struct {
	Model        string  `json:"model,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters"`
	Cores        int     `json:"cores,omitempty" minimum:"1" maximum:"1024"`
	FrequencyMHz float64 `json:"frequency_mhz,omitempty" exclusiveMinimum:"0" maximum:"1000000"`
	Architecture string  `json:"architecture,omitempty" maxLength:"32" pattern:"^[a-z0-9_]*$" patternDescription:"small letters, digits and _"`
}

type memoryHardwareInput struct {
	TotalBytes uint64 `json:"total_bytes,omitempty" minimum:"1" maximum:"4611686018427387904"`
	Type       string `json:"type,omitempty" maxLength:"32" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" example:"LPDDR4"`
}

type storageHardwareInput struct {
	TotalBytes uint64 `json:"total_bytes,omitempty" minimum:"1" maximum:"4611686018427387904"`
	Type       string `json:"type,omitempty" maxLength:"32" pattern:"^[a-z0-9_]*$" patternDescription:"small letters, digits and _" example:"sd_card"`
	Interface  string `json:"interface,omitempty" maxLength:"32" pattern:"^[a-z0-9_]*$" patternDescription:"small letters, digits and _" example:"mmc"`
}

type gpuHardwareInput struct {
	Model       string `json:"model,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters"`
	MemoryBytes uint64 `json:"memory_total_bytes,omitempty" minimum:"1" maximum:"4611686018427387904"`
}

type linkHardwareInput struct {
	Name   string `json:"name" minLength:"1" maxLength:"32" pattern:"^[a-zA-Z0-9_.@:-]+$" patternDescription:"a network interface's name" example:"eth0"`
	IP     string `json:"ip,omitempty" maxLength:"45" pattern:"^[0-9a-fA-F:.]*$" patternDescription:"an IPv4 or IPv6 address" example:"192.168.1.20"`
	MAC    string `json:"mac,omitempty" pattern:"^([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})?$" patternDescription:"six bytes in hex with colons between them" example:"dc:a6:32:00:00:01"`
	Status string `json:"status,omitempty" enum:"up,down" doc:"down without it."`
}

func (in *hardwareInput) inventory() (v wire.Inventory) {
	if in == nil {
		return v
	}
	v.Model = in.Model
	if c := in.CPU; c != nil {
		v.CPU = wire.CPUInventory(*c)
	}
	if m := in.Memory; m != nil {
		v.MemoryBytes, v.MemoryType = m.TotalBytes, m.Type
	}
	if d := in.Storage; d != nil {
		v.Disks = []wire.DiskInfo{{TotalBytes: d.TotalBytes, Type: d.Type, Interface: d.Interface}}
	}
	if g := in.GPU; g != nil {
		v.GPU = &wire.GPUInventory{Model: g.Model, MemoryBytes: g.MemoryBytes}
	}
	for _, l := range in.Network {
		known := wire.InterfaceInfo{Name: l.Name, MAC: l.MAC, Up: l.Status == "up"}
		if l.IP != "" {
			known.IPs = []string{l.IP}
		}
		v.Interfaces = append(v.Interfaces, known)
	}
	return v
}

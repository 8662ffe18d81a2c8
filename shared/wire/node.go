package wire

// Status is retained on a node's status topic, and is its will (with Online
// false). Run and Connection name the session it speaks of, so that the will
// of a connection that was taken over can be told from the live one.
type Status struct {
	V            int    `json:"v"`
	Online       bool   `json:"online"`
	Run          RunID  `json:"run"`
	Connection   uint32 `json:"connection"` // 1 for the first connection of the run
	BootID       string `json:"boot_id"`
	AgentVersion string `json:"agent_version"`
	State        string `json:"state"` // StateRunning or StateStopped
	// ConfigVersion is of the newest configuration that the agent has answered,
	// CommandVersion of the newest command; 0: none. One that the coordinator does
	// not know was sent after the backup that its database was restored from.
	ConfigVersion  uint64 `json:"config_version,omitempty"`
	CommandVersion uint64 `json:"command_version,omitempty"`
	// KeyEpoch is the newest that was ever in use; 0: not told. One that the
	// coordinator does not know was agreed on after that backup.
	KeyEpoch uint32 `json:"key_epoch,omitempty"`
}

// States of an agent, as its owner or the operator set it.
const (
	StateRunning = "running"
	StateStopped = "stopped"
)

// Info is retained on a node's info topic.
type Info struct {
	V         int       `json:"v"`
	Inventory Inventory `json:"inventory"`
}

// Inventory is what a machine is, as opposed to what it does. Empty strings
// and zero numbers mean that the machine did not say.
type Inventory struct {
	Model        string          `json:"model"`       // /proc/device-tree/model, or the DMI product name
	SerialHash   string          `json:"serial_hash"` // hex SHA-256 of the board's serial number, "" without one
	Hostname     string          `json:"hostname"`
	OS           string          `json:"os"`
	Kernel       string          `json:"kernel"`
	AgentVersion string          `json:"agent_version"`
	CPU          CPUInventory    `json:"cpu"`
	MemoryBytes  uint64          `json:"memory_bytes"`
	MemoryType   string          `json:"memory_type,omitempty"` // as the memory controller names it: DDR4, LPDDR4
	GPU          *GPUInventory   `json:"gpu,omitempty"`         // nil where there is none, or it does not show
	Disks        []DiskInfo      `json:"disks"`
	Interfaces   []InterfaceInfo `json:"interfaces"`
}

// CPUInventory describes the processor.
type CPUInventory struct {
	Model        string  `json:"model"`
	Cores        int     `json:"cores"` // logical
	FrequencyMHz float64 `json:"frequency_mhz"`
	Architecture string  `json:"architecture"` // GOARCH
}

// DiskInfo is one mounted, real filesystem.
type DiskInfo struct {
	Device     string `json:"device"`
	Mount      string `json:"mount"`
	Filesystem string `json:"filesystem"`
	TotalBytes uint64 `json:"total_bytes"`
	Type       string `json:"type,omitempty"`      // of its disk: sd_card, emmc, ssd, hdd
	Interface  string `json:"interface,omitempty"` // of its disk: mmc, nvme, sata, usb, scsi, virtio
}

// GPUInventory describes the graphics processor.
type GPUInventory struct {
	Model       string `json:"model"`  // device tree compatible (brcm,2711-v3d), else the PCI id
	Driver      string `json:"driver"` // of the kernel
	MemoryBytes uint64 `json:"memory_bytes"`
}

// InterfaceInfo is one network interface that is not virtual.
type InterfaceInfo struct {
	Name string   `json:"name"`
	MAC  string   `json:"mac"`
	IPs  []string `json:"ips"`
	Up   bool     `json:"up"`
}

package collect

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

// memoryType is what the memory controller's driver says of the first module
// that it knows; "" on a machine without one, such as a Raspberry Pi. (DMI
// knows it on many PCs, and tells root alone.)
func (c *Collector) memoryType() string {
	for _, path := range c.glob("sys/devices/system/edac/mc/mc*/*/dimm_mem_type") {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if kind := parseMemoryType(string(text)); kind != "" {
			return kind
		}
	}
	return ""
}

// parseMemoryType takes DDR4 out of Unbuffered-DDR4 and its like.
func parseMemoryType(text string) string {
	kind := strings.TrimSpace(text)
	for _, prefix := range []string{"Unbuffered-", "Registered-", "Load-Reduced-", "Low-Power-"} {
		kind = strings.TrimPrefix(kind, prefix)
	}
	switch kind {
	case "Unknown", "Empty", "Reserved", "RAM":
		return ""
	}
	return kind
}

// diskKind says what a filesystem's disk is and how it is attached; "" for
// what the kernel does not tell: a disk behind encryption or a volume manager,
// a stick that calls itself rotating.
func (c *Collector) diskKind(m mount) (kind, bus string) {
	name := c.diskName(m)
	rotational := c.text("sys/block", name, "queue/rotational")
	switch {
	case name == "":
		return "", ""
	case startsWith(name, "mmcblk"):
		return map[string]string{"SD": "sd_card", "MMC": "emmc"}[c.text("sys/block", name, "device/type")], "mmc"
	case startsWith(name, "nvme"):
		return "ssd", "nvme"
	case startsWith(name, "vd"): // what the host keeps it on is the host's to know
		return "", "virtio"
	case !startsWith(name, "sd"):
		return "", ""
	}
	bus = c.busOf(name)
	switch {
	case rotational == "0":
		kind = "ssd"
	case rotational == "1" && bus == "sata":
		kind = "hdd"
	}
	return kind, bus
}

// diskName is the block device that a mounted filesystem is a part of.
func (c *Collector) diskName(m mount) (name string) {
	part := filepath.Base(m.device)
	if startsWith(m.device, "/dev/root") {
		part = uevent(c.text("sys/dev/block", m.number, "uevent"), "DEVNAME")
	}
	for _, path := range c.glob("sys/block/*") {
		disk := filepath.Base(path)
		if strings.HasPrefix(part, disk) && len(disk) > len(name) && !virtualDisk(disk) {
			name = disk
		}
	}
	return name
}

// busOf follows a disk to where it hangs in the device tree.
func (c *Collector) busOf(disk string) string {
	place, err := os.Readlink(c.path("sys/block", disk))
	switch {
	case err != nil:
		return ""
	case strings.Contains(place, "/usb"):
		return "usb"
	case strings.Contains(place, "/ata"):
		return "sata"
	case strings.Contains(place, "/virtio"):
		return "virtio"
	}
	return "scsi"
}

// gpuInventory describes the card that tells its load, else the first one with
// a driver that is more than a framebuffer; nil without any.
func (c *Collector) gpuInventory() (gpu *wire.GPUInventory) {
	for _, path := range c.glob("sys/class/drm/card*/device/uevent") {
		text, err := os.ReadFile(path)
		driver := uevent(string(text), "DRIVER")
		if err != nil || driver == "" || strings.Contains(driver, "framebuffer") {
			continue
		}
		device := filepath.Dir(path)
		_, err = os.Stat(filepath.Join(device, "gpu_stats"))
		if tells := err == nil; gpu == nil || tells {
			gpu = &wire.GPUInventory{Model: clip(gpuModel(string(text))), Driver: clip(driver), MemoryBytes: videoMemory(device)}
			if tells {
				break
			}
		}
	}
	return gpu
}

// gpuModel is the only name that every driver gives.
func gpuModel(text string) string {
	if compatible := uevent(text, "OF_COMPATIBLE_0"); compatible != "" {
		return compatible
	}
	if id := uevent(text, "PCI_ID"); id != "" {
		return "pci " + strings.ToLower(id)
	}
	return ""
}

// videoMemory is the card's own; 0 where it shares the machine's, or its driver
// does not say.
func videoMemory(device string) uint64 {
	text, err := os.ReadFile(filepath.Join(device, "mem_info_vram_total"))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 63) // what is no number says nothing
	return n
}

// uevent gives a value out of a device's uevent file.
func uevent(text, key string) string {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, key+"="); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

package collect

import (
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/mem"

	"lucid.internal/shared/wire"
)

// Inventory says what the machine is. What it does not tell stays empty. The
// agent's version is the caller's to set.
func (c *Collector) Inventory() wire.Inventory {
	inventory := wire.Inventory{
		Model:      clip(c.model()),
		SerialHash: wire.HashSerial(c.serial()),
		Hostname:   clip(c.text("proc/sys/kernel/hostname")),
		OS:         clip(parsePrettyName(c.text("etc/os-release"))),
		Kernel:     clip(c.text("proc/sys/kernel/osrelease")),
		CPU:        wire.CPUInventory{Architecture: runtime.GOARCH},
		Interfaces: c.interfaces(),
		Disks:      c.disks(),
		MemoryType: clip(c.memoryType()),
		GPU:        c.gpuInventory(),
	}
	if cores, err := cpu.InfoWithContext(c.context); err == nil && len(cores) > 0 {
		inventory.CPU.Model = clip(cores[0].ModelName)
		inventory.CPU.Cores = len(cores)
		inventory.CPU.FrequencyMHz = cores[0].Mhz
	}
	if v, err := mem.VirtualMemoryWithContext(c.context); err == nil {
		inventory.MemoryBytes = v.Total
	}
	return inventory
}

// model is the board's name: the device tree on ARM, DMI on a PC.
func (c *Collector) model() string {
	if model := c.text("proc/device-tree/model"); model != "" {
		return model
	}
	vendor, product := c.text("sys/class/dmi/id/sys_vendor"), c.text("sys/class/dmi/id/product_name")
	return strings.TrimSpace(vendor + " " + product)
}

// serial is the board's serial number; "" where it has none or root alone
// may read it.
func (c *Collector) serial() string {
	if serial := c.text("proc/device-tree/serial-number"); serial != "" {
		return serial
	}
	return c.text("sys/class/dmi/id/product_serial")
}

// parsePrettyName takes the name out of an os-release file.
func parsePrettyName(text string) string {
	for line := range strings.Lines(text) {
		value, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME=")
		if !found {
			continue
		}
		if unquoted, err := strconv.Unquote(value); err == nil {
			return unquoted
		}
		return strings.Trim(value, `'"`)
	}
	return ""
}

func (c *Collector) disks() []wire.DiskInfo {
	list := []wire.DiskInfo{}
	mounts, err := c.mounts()
	if err != nil {
		return list
	}
	mounts = mounts[:min(len(mounts), wire.MaxListItems)]
	sizes := c.sizes(mounts)
	giveUp := time.NewTimer(c.config.Timeout)
	defer giveUp.Stop()
	dead := false
	for _, m := range mounts {
		info := wire.DiskInfo{Device: clip(m.device), Mount: clip(m.point), Filesystem: clip(m.filesystem)}
		info.Type, info.Interface = c.diskKind(m)
		if !dead {
			select {
			case info.TotalBytes = <-sizes:
			case <-giveUp.C: // of a dead disk, which must not keep the agent from starting
				dead = true
			}
		}
		list = append(list, info)
	}
	return list
}

// sizes measures filesystems one after the other; 0 for one that does not
// tell.
func (c *Collector) sizes(mounts []mount) <-chan uint64 {
	sizes := make(chan uint64, len(mounts)) // room for all: nobody may wait any more
	go func() {
		for _, m := range mounts {
			f, _ := c.measure(m)
			sizes <- f.TotalBytes
		}
	}()
	return sizes
}

func (c *Collector) interfaces() []wire.InterfaceInfo {
	list := []wire.InterfaceInfo{}
	for _, path := range c.glob("sys/class/net/*") {
		name := filepath.Base(path)
		if virtualInterface(name) {
			continue
		}
		list = append(list, wire.InterfaceInfo{
			Name: clip(name),
			MAC:  clip(c.text("sys/class/net", name, "address")),
			IPs:  c.config.Addresses(name),
			Up:   c.text("sys/class/net", name, "operstate") == "up",
		})
	}
	return list[:min(len(list), wire.MaxListItems)]
}

// addressesOf asks the kernel for an interface's addresses; link-local ones
// say nothing about where the machine is.
func addressesOf(name string) []string {
	list := []string{}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return list
	}
	addresses, err := i.Addrs()
	if err != nil {
		return list
	}
	for _, a := range addresses {
		ip, _, err := net.ParseCIDR(a.String())
		if err == nil && !ip.IsLinkLocalUnicast() {
			list = append(list, ip.String())
		}
	}
	slices.Sort(list)
	return list[:min(len(list), wire.MaxListItems)]
}

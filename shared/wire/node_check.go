package wire

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// DecodeStatus parses and checks a status payload. The error says in one line
// what is wrong with it.
func DecodeStatus(payload []byte) (*Status, error) {
	s := new(Status)
	if err := decode("a status message", payload, s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Status) check() error {
	switch {
	case s.V != ProtocolVersion:
		return version(s.V)
	case s.Run == RunID{}:
		return errors.New("run is missing")
	case s.Connection == 0:
		return errors.New("connection numbers start at 1")
	case s.State != StateRunning && s.State != StateStopped:
		return fmt.Errorf("state %.40q is neither %q nor %q", s.State, StateRunning, StateStopped)
	case s.ConfigVersion > MaxVersion:
		return fmt.Errorf("config_version %d is above %d", s.ConfigVersion, uint64(MaxVersion))
	case s.CommandVersion > MaxVersion:
		return fmt.Errorf("command_version %d is above %d", s.CommandVersion, uint64(MaxVersion))
	}
	return cmp.Or(text("boot_id", s.BootID), text("agent_version", s.AgentVersion))
}

// DecodeInfo parses and checks an info payload. Store what it returns,
// encoded anew, never the payload: fields that are not known were not checked.
func DecodeInfo(payload []byte) (*Info, error) {
	i := new(Info)
	if err := decode("an info message", payload, i); err != nil {
		return nil, err
	}
	if err := cmp.Or(version(i.V), i.Inventory.check()); err != nil {
		return nil, err
	}
	return i, nil
}

// DecodeInventory parses and checks an inventory alone, as EnrollRequest
// carries it. Store what it returns, encoded anew, never the bytes given.
func DecodeInventory(raw []byte) (*Inventory, error) {
	i := new(Inventory)
	if err := decode("an inventory", raw, i); err != nil {
		return nil, err
	}
	if err := i.check(); err != nil {
		return nil, err
	}
	return i, nil
}

func (i *Inventory) check() error {
	if err := cmp.Or(
		text("inventory.model", i.Model),
		serialHash(i.SerialHash),
		text("inventory.hostname", i.Hostname),
		text("inventory.os", i.OS),
		text("inventory.kernel", i.Kernel),
		text("inventory.agent_version", i.AgentVersion),
		i.CPU.check(),
		upTo("inventory.memory_bytes", i.MemoryBytes, math.MaxInt64),
		text("inventory.memory_type", i.MemoryType),
		i.GPU.check(),
		atMost("inventory.disks", len(i.Disks), MaxListItems),
		atMost("inventory.interfaces", len(i.Interfaces), MaxListItems),
	); err != nil {
		return err
	}
	for j := range i.Disks {
		if err := i.Disks[j].check(); err != nil {
			return fmt.Errorf("inventory.disks[%d].%w", j, err)
		}
	}
	for j := range i.Interfaces {
		if err := i.Interfaces[j].check(); err != nil {
			return fmt.Errorf("inventory.interfaces[%d].%w", j, err)
		}
	}
	return nil
}

func (c *CPUInventory) check() error {
	if c.Cores < 0 || c.Cores > maxCores {
		return fmt.Errorf("inventory.cpu.cores %d is not in 0..%d", c.Cores, maxCores)
	}
	return cmp.Or(
		text("inventory.cpu.model", c.Model),
		inRange("inventory.cpu.frequency_mhz", &c.FrequencyMHz, 0, 1e6),
		text("inventory.cpu.architecture", c.Architecture))
}

func (g *GPUInventory) check() error {
	if g == nil {
		return nil
	}
	return cmp.Or(
		text("inventory.gpu.model", g.Model),
		text("inventory.gpu.driver", g.Driver),
		upTo("inventory.gpu.memory_bytes", g.MemoryBytes, math.MaxInt64))
}

func (d *DiskInfo) check() error {
	return cmp.Or(
		text("device", d.Device),
		text("mount", d.Mount),
		text("filesystem", d.Filesystem),
		text("type", d.Type),
		text("interface", d.Interface),
		upTo("total_bytes", d.TotalBytes, math.MaxInt64))
}

func (f *InterfaceInfo) check() error {
	if err := cmp.Or(text("name", f.Name), text("mac", f.MAC), atMost("ips", len(f.IPs), MaxListItems)); err != nil {
		return err
	}
	for _, ip := range f.IPs {
		if err := text("ips", ip); err != nil {
			return err
		}
	}
	return nil
}

// serialHash accepts "" and the hex SHA-256 of a serial number. Other text
// would let two spellings of one serial pass for two machines.
func serialHash(s string) error {
	if s == "" || isLowerHex(s, 64) {
		return nil
	}
	return errors.New("inventory.serial_hash is not 64 lower-case hexadecimal digits")
}

func isLowerHex(s string, digits int) bool {
	if len(s) != digits {
		return false
	}
	for i := range len(s) {
		if b := s[i]; (b < '0' || b > '9') && (b < 'a' || b > 'f') {
			return false
		}
	}
	return true
}

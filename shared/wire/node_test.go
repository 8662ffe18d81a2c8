package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func goodStatus() *Status {
	return &Status{V: 1, Online: true, Run: RunID{1, 2, 3}, Connection: 4,
		BootID: "5a1f4e34-0d5c-4b0c-a2a5-0f6c2f5f9b11", AgentVersion: "1.2.3", State: StateRunning, ConfigVersion: 1777637800000}
}

func goodInventory() Inventory {
	return Inventory{
		Model: "Raspberry Pi 4 Model B Rev 1.4", SerialHash: strings.Repeat("0f", 32), Hostname: "küche",
		OS: "Debian GNU/Linux 13 (trixie)", Kernel: "6.12.25+rpt-rpi-v8", AgentVersion: "1.2.3",
		CPU:         CPUInventory{Model: "Cortex-A72", Cores: 4, FrequencyMHz: 1800, Architecture: "arm64"},
		MemoryBytes: 8 << 30,
		Disks:       []DiskInfo{{Device: "/dev/mmcblk0p2", Mount: "/", Filesystem: "ext4", TotalBytes: 31 << 30}},
		Interfaces:  []InterfaceInfo{{Name: "eth0", MAC: "dc:a6:32:01:02:03", IPs: []string{"192.0.2.7/24", "fe80::1/64"}, Up: true}},
	}
}

func TestDecodeStatus(t *testing.T) {
	checkRefusals(t, goodStatus(), DecodeStatus, []refusal{
		{"other version", "v", 2, "protocol version 2, want 1"},
		{"no version", "v", absent, "protocol version 0"},
		{"no run", "run", absent, "run is missing"},
		{"zero run", "run", strings.Repeat("0", 32), "run is missing"},
		{"short run", "run", "0102", "run id has 4 characters"},
		{"connection 0", "connection", 0, "start at 1"},
		{"negative connection", "connection", -1, "not a status message"},
		{"connection over 32 bits", "connection", 1 << 32, "not a status message"},
		{"unknown state", "state", "asleep", `state "asleep" is neither`},
		{"long unknown state", "state", strings.Repeat("\n", 9000), "is neither"},
		{"command version that JSON would round", "command_version", MaxVersion + 1, "is above 9007199254740992"},
		{"config version that JSON would round", "config_version", MaxVersion + 1, "is above 9007199254740992"},
		{"boot id too long", "boot_id", long, "boot_id has 129 bytes"},
		{"NUL in boot id", "boot_id", "a\x00b", "boot_id holds the control character U+0000"},
		{"line feed in version", "agent_version", "1\n2", "agent_version holds the control character U+000A"},
		{"a huge number", "connection", json.RawMessage(strings.Repeat("9", 5000)), "not a status message"},
	})
}

func TestStatusRoundTrip(t *testing.T) {
	want := goodStatus()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeStatus(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestDecodeInfo(t *testing.T) {
	good := &Info{V: 1, Inventory: goodInventory()}
	const above = uint64(1) << 63
	checkRefusals(t, good, DecodeInfo, []refusal{
		{"other version", "v", 0, "protocol version 0"},
		{"model too long", "inventory.model", long, "inventory.model has 129 bytes"},
		{"NUL in model, as device-tree ends", "inventory.model", "Raspberry Pi 4\x00", "inventory.model holds the control character U+0000"},
		{"serial in clear", "inventory.serial_hash", "100000003d1d1c36", "serial_hash is not 64"},
		{"serial hash in capitals", "inventory.serial_hash", strings.Repeat("0F", 32), "serial_hash is not 64"},
		{"escape in hostname", "inventory.hostname", "\x1b[2J", "inventory.hostname holds the control character U+001B"},
		{"C1 control in os", "inventory.os", "a\u0085b", "inventory.os holds the control character U+0085"},
		{"delete in kernel", "inventory.kernel", "a\x7fb", "inventory.kernel holds the control character U+007F"},
		{"agent version", "inventory.agent_version", long, "inventory.agent_version has 129"},
		{"cpu model", "inventory.cpu.model", long, "inventory.cpu.model has 129"},
		{"negative cores", "inventory.cpu.cores", -1, "inventory.cpu.cores -1 is not in 0..4096"},
		{"too many cores", "inventory.cpu.cores", 4097, "inventory.cpu.cores 4097"},
		{"negative frequency", "inventory.cpu.frequency_mhz", -1, "inventory.cpu.frequency_mhz -1"},
		{"architecture", "inventory.cpu.architecture", "\t", "inventory.cpu.architecture holds"},
		{"memory beyond int64", "inventory.memory_bytes", above, "inventory.memory_bytes 9223372036854775808 is above"},
		{"65 disks", "inventory.disks", list(65, map[string]any{}), "inventory.disks has 65 items"},
		{"65 interfaces", "inventory.interfaces", list(65, map[string]any{}), "inventory.interfaces has 65 items"},
		{"device", "inventory.disks.0.device", long, "inventory.disks[0].device has 129"},
		{"mount", "inventory.disks.0.mount", "a\rb", "inventory.disks[0].mount holds"},
		{"filesystem", "inventory.disks.0.filesystem", long, "inventory.disks[0].filesystem has 129"},
		{"disk size", "inventory.disks.0.total_bytes", above, "inventory.disks[0].total_bytes"},
		{"interface name", "inventory.interfaces.0.name", long, "inventory.interfaces[0].name has 129"},
		{"mac", "inventory.interfaces.0.mac", long, "inventory.interfaces[0].mac has 129"},
		{"65 addresses", "inventory.interfaces.0.ips", list(65, "192.0.2.1"), "inventory.interfaces[0].ips has 65"},
		{"address", "inventory.interfaces.0.ips.1", "a\x00", "inventory.interfaces[0].ips holds"},
	})
}

func TestEmptyInventoryIsAllowed(t *testing.T) {
	got, err := DecodeInventory([]byte("{}"))
	if err != nil || !reflect.DeepEqual(*got, Inventory{}) {
		t.Errorf("got %+v, %v; a machine may say nothing of itself", got, err)
	}
}

// What was decoded can be stored as jsonb whatever the raw bytes held.
func TestInventoryEncodedAnewIsClean(t *testing.T) {
	raw := []byte("{\"model\":\"a\xff\\ud800b\",\"unknown\":\"\\u0000\",\"more\":1e999999}")
	got, err := DecodeInventory(raw)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `\u0000`) || strings.Contains(string(b), "1e999999") || got.Model != "a\ufffd\ufffdb" {
		t.Errorf("encoded anew: %s", b)
	}
}

package collect

import (
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/agent/internal/machinetest"
	"lucid.internal/shared/wire"
)

// tree makes a machine of files; a value that begins with -> is a link.
func tree(t *testing.T, files map[string]string) *Collector {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		if target, link := strings.CutPrefix(content, "->"); link {
			machinetest.Link(t, filepath.Join(root, name), target)
		} else {
			machinetest.File(t, filepath.Join(root, name), content)
		}
	}
	return New(Config{Root: root})
}

func TestDiskKind(t *testing.T) {
	const usb, ata = "devices/pci0/usb2/2-1/host0/block/", "devices/pci0/ata1/host1/block/"
	c := tree(t, map[string]string{
		"sys/block/mmcblk0/device/type": "SD\n", "sys/block/mmcblk1/device/type": "MMC\n", "sys/block/nvme0n1/queue/rotational": "0\n",
		"sys/block/vda/queue/rotational": "1\n", "sys/block/dm-0/size": "1\n", "sys/dev/block/179:2/uevent": "MAJOR=179\nDEVNAME=mmcblk0p2\n",
		"sys/" + usb + "sda/queue/rotational": "1\n", "sys/block/sda": "->../" + usb + "sda",
		"sys/" + usb + "sdaa/queue/rotational": "0\n", "sys/block/sdaa": "->../" + usb + "sdaa",
		"sys/" + ata + "sdb/queue/rotational": "1\n", "sys/block/sdb": "->../" + ata + "sdb",
	})
	for _, want := range []struct{ device, number, kind, bus string }{
		{"/dev/mmcblk0p2", "179:2", "sd_card", "mmc"},
		{"/dev/root (179:2)", "179:2", "sd_card", "mmc"},
		{"/dev/root (9:9)", "9:9", "", ""},
		{"/dev/mmcblk1p1", "179:33", "emmc", "mmc"},
		{"/dev/nvme0n1p1", "259:1", "ssd", "nvme"},
		{"/dev/vda1", "252:1", "", "virtio"},
		{"/dev/sda1", "8:1", "", "usb"}, // sticks call themselves rotating
		{"/dev/sdaa1", "65:161", "ssd", "usb"},
		{"/dev/sdb1", "8:17", "hdd", "sata"},
		{"/dev/mapper/luks-1", "0:24", "", ""},
	} {
		kind, bus := c.diskKind(mount{device: want.device, number: want.number})
		if kind != want.kind || bus != want.bus {
			t.Errorf("%s is %q on %q, want %q on %q", want.device, kind, bus, want.kind, want.bus)
		}
	}
}

func TestMemoryType(t *testing.T) {
	c := tree(t, map[string]string{
		"sys/devices/system/edac/mc/mc0/dimm0/dimm_mem_type": "Empty\n",
		"sys/devices/system/edac/mc/mc0/dimm1/dimm_mem_type": "Unbuffered-DDR4\n",
	})
	equal(t, "memory", c.memoryType(), "DDR4")
	equal(t, "memory of a machine that does not tell", newMachine(t, "pi4").memoryType(), "")
	for text, want := range map[string]string{"Registered-DDR5\n": "DDR5", "LPDDR4": "LPDDR4", "Unknown": "", "Unbuffered-RAM": ""} {
		equal(t, text, parseMemoryType(text), want)
	}
}

func TestGPUInventory(t *testing.T) {
	const drm = "sys/class/drm/"
	pi := tree(t, map[string]string{
		drm + "card0/device/uevent": "DRIVER=vc4-drm\nOF_COMPATIBLE_0=brcm,bcm2711-vc5\n",
		drm + "card1/device/uevent": "DRIVER=v3d\nOF_COMPATIBLE_0=brcm,2711-v3d\n", drm + "card1/device/gpu_stats": "",
	}).gpuInventory()
	equal(t, "the card that tells its load", *pi, wire.GPUInventory{Model: "brcm,2711-v3d", Driver: "v3d"})
	pc := tree(t, map[string]string{
		drm + "card0/device/uevent":              "DRIVER=simple-framebuffer\n",
		drm + "card1-HDMI-A-1/device/uevent":     "MAJOR=226\n",
		drm + "card1/device/uevent":              "DRIVER=amdgpu\nPCI_ID=1002:73DF\n",
		drm + "card1/device/mem_info_vram_total": "12868124672\n",
	}).gpuInventory()
	equal(t, "a card with its own memory", *pc, wire.GPUInventory{Model: "pci 1002:73df", Driver: "amdgpu", MemoryBytes: 12868124672})
	if none := newMachine(t, "x86").gpuInventory(); none != nil {
		t.Errorf("a machine without a card has %+v", none)
	}
}

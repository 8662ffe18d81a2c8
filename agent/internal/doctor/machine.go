package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is what the checks look at.
type machine struct{ Config }

// ClockPossible says whether a machine's clock may be right: it is not before there
// was an agent, as that of a Raspberry Pi without a battery, which starts in 1970
// or at its image's date.
func ClockPossible(now time.Time) bool {
	return !now.Before(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

const timeRemedy = "sudo timedatectl set-ntp true; a Raspberry Pi before model 5 has no battery for its clock and needs the network for it"

// clock looks at the machine's time.
func (m machine) clock(context.Context) Finding {
	now := m.Now().UTC()
	if !ClockPossible(now) {
		return problem("it says "+now.Format(time.DateOnly)+", which is in the past", timeRemedy)
	}
	synchronised, err := m.Clock()
	if err != nil {
		return unknown("the kernel does not tell whether it is synchronised: " + err.Error())
	}
	if !synchronised {
		return warning(now.Format(time.RFC3339)+", not synchronised", timeRemedy)
	}
	return ok(now.Format(time.RFC3339) + ", synchronised")
}

// Of adjtimex(2), linux/timex.h.
const (
	timeError = 5    // TIME_ERROR: the clock is not synchronised
	staUnsync = 0x40 // STA_UNSYNC
)

// ClockSynchronised asks the kernel, which takes no capability; a service with
// ProtectClock= may not ask.
func ClockSynchronised() (bool, error) {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	return state != timeError && t.Status&staUnsync == 0, err
}

// folder looks at the state folder.
func (m machine) folder(context.Context) Finding {
	info, err := os.Stat(m.Folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problem(m.Folder+" is not there", "enrol this machine: lucid-agent enroll --file enroll.toml")
	case errors.Is(err, fs.ErrPermission):
		return unknown(m.Folder + " may not be looked into: run this as root or as lucid-agent")
	case err != nil:
		return problem(err.Error(), "the disk may be failing: see the disk checks")
	case info.Mode().Perm()&0o077 != 0:
		return problem(fmt.Sprintf("%s is open to others (mode %#o)", m.Folder, info.Mode().Perm()), "chmod 700 "+m.Folder)
	case m.CAPEM == "":
		return problem("this machine is not enrolled", "lucid-agent enroll --file enroll.toml")
	}
	return ok(m.Folder + " holds an identity")
}

// renewBefore is when a CA's end is worth a word.
const renewBefore = 60 * 24 * time.Hour

// certificate looks at the pinned CA.
func (m machine) certificate(context.Context) Finding {
	if m.CAPEM == "" {
		return unknown("none is pinned without an enrolment")
	}
	var latest time.Time
	for rest := []byte(m.CAPEM); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && c.NotAfter.After(latest) {
			latest = c.NotAfter
		}
	}
	const again = "ask the operator for a new enroll.toml and enrol again"
	switch left := latest.Sub(m.Now()); {
	case latest.IsZero():
		return problem("the pinned CA cannot be read", again)
	case left <= 0:
		return problem("the pinned CA ended on "+latest.UTC().Format(time.DateOnly), again)
	case left < renewBefore:
		return warning("the pinned CA ends on "+latest.UTC().Format(time.DateOnly), again)
	}
	return ok("the pinned CA is good until " + latest.UTC().Format(time.DateOnly))
}

// Bits of the firmware's get_throttled, of now and since the machine started:
// raspberrypi.com, documentation of vcgencmd.
var throttleBits = []struct {
	now, since uint
	what       string
}{{0, 16, "under-voltage"}, {1, 17, "capped clock"}, {2, 18, "throttling"}, {3, 19, "soft temperature limit"}}

// power looks at what the firmware says of supply and heat.
func (m machine) power(context.Context) Finding {
	files, _ := filepath.Glob(m.path("sys/devices/platform/soc*/*firmware/get_throttled"))
	if len(files) == 0 {
		return unknown("no Raspberry Pi firmware tells of it here")
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return unknown(err.Error())
	}
	bits, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"), 16, 32)
	if err != nil {
		return unknown(fmt.Sprintf("the firmware says %q", strings.TrimSpace(string(text))))
	}
	var now, before []string
	for _, b := range throttleBits {
		if bits&(1<<b.now) != 0 {
			now = append(now, b.what)
		} else if bits&(1<<b.since) != 0 {
			before = append(before, b.what)
		}
	}
	const remedy = "use the supply that the model asks for and a short cable; for heat, a heat sink or fan"
	switch {
	case len(now) > 0:
		return problem("now: "+strings.Join(now, ", "), remedy)
	case len(before) > 0:
		return warning("since it started: "+strings.Join(before, ", "), remedy)
	}
	return ok("no under-voltage and no throttling since it started")
}

// diskErrors looks for filesystems that noted errors or were made read-only.
func (m machine) diskErrors(context.Context) Finding {
	const remedy = "save what you need; fsck at the next start (touch /forcefsck), and replace the card if it comes again"
	var bad []string
	files, _ := filepath.Glob(m.path("sys/fs/ext4/*/errors_count"))
	for _, file := range files {
		if count := m.text(file); count != "" && count != "0" {
			bad = append(bad, fmt.Sprintf("%s noted %s errors", filepath.Base(filepath.Dir(file)), count))
		}
	}
	for line := range strings.Lines(m.text(m.path("proc/mounts"))) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == "/" && slices.Contains(strings.Split(f[3], ","), "ro") && f[2] != "squashfs" && f[2] != "overlay" {
			bad = append(bad, "/ is mounted read-only")
		}
	}
	switch {
	case len(bad) > 0:
		return problem(strings.Join(bad, ", "), remedy)
	case len(files) == 0:
		return unknown("no filesystem here counts its errors")
	}
	return ok("no filesystem noted an error")
}

// diskLife looks at the wear that eMMC tells: JEDEC eMMC 5.0, EXT_CSD 268 and
// 269, in tenths of the expected life. SD cards tell nothing.
func (m machine) diskLife(context.Context) Finding {
	files, _ := filepath.Glob(m.path("sys/block/mmcblk*/device/life_time"))
	worst := uint64(0)
	for _, file := range files {
		for _, f := range strings.Fields(m.text(file)) {
			tenths, err := strconv.ParseUint(f, 0, 8)
			if err == nil {
				worst = max(worst, tenths)
			}
		}
	}
	const remedy = "plan to replace it, and keep a copy of the state folder"
	switch {
	case worst == 0:
		return unknown("no disk here tells its wear (SD cards do not)")
	case worst >= 11:
		return problem("it is beyond its expected life", remedy)
	case worst >= 9:
		return warning(fmt.Sprintf("%d %% of its expected life are used", worst*10), remedy)
	}
	return ok(fmt.Sprintf("at most %d %% of its expected life are used", worst*10))
}

// Least free space for the state folder's disk.
const (
	spaceProblem = 16 << 20
	spaceWarning = 128 << 20 // the spool's own limit, twice
)

func (m machine) diskSpace(context.Context) Finding {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(m.Folder, &fs); err != nil {
		return unknown(m.Folder + ": " + err.Error())
	}
	free := fs.Bavail * uint64(fs.Bsize)
	found := fmt.Sprintf("%d MiB free for %s", free>>20, m.Folder)
	const remedy = "make room, for instance: sudo apt-get clean; sudo journalctl --vacuum-size=50M"
	switch {
	case free < spaceProblem:
		return problem(found, remedy)
	case free < spaceWarning:
		return warning(found, remedy)
	}
	return ok(found)
}

// firmware looks for the way to the firmware's figures.
func (m machine) firmware(context.Context) Finding {
	if !strings.Contains(m.text(m.path("proc/device-tree/model")), "Raspberry Pi") {
		return unknown("this is no Raspberry Pi: there is no firmware to ask")
	}
	device := m.path("dev/vcio_gencmd")
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warning("this kernel has no /dev/vcio_gencmd: clocks and GPU memory stay empty", "update the kernel: sudo apt-get full-upgrade")
	case errors.Is(err, fs.ErrPermission):
		return warning("/dev/vcio_gencmd may not be opened by this user: clocks and GPU memory stay empty", "run this as lucid-agent; its unit has the right (SupplementaryGroups=video)")
	case err != nil:
		return unknown(err.Error())
	}
	f.Close()
	return ok("its figures can be asked for")
}

// memoryControl looks for the memory controller: without it the unit's
// MemoryMax= does nothing.
func (m machine) memoryControl(context.Context) Finding {
	text := m.text(m.path("sys/fs/cgroup/cgroup.controllers"))
	switch {
	case text == "":
		return unknown("no control groups of version 2 here")
	case !slices.Contains(strings.Fields(text), "memory"):
		return warning("the kernel does not limit memory: the unit's MemoryMax= does nothing",
			"add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt and restart; only if you want the limit")
	}
	return ok("the kernel limits memory")
}

func (m machine) path(name string) string { return filepath.Join(m.Root, name) }

// text is a small file's content, trimmed of what the kernel puts at its end.
func (m machine) text(path string) string {
	b, _ := os.ReadFile(path) // "" says as much
	return strings.Trim(string(b), " \t\r\n\x00")
}

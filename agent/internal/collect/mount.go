package collect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mount is a line of /proc/self/mountinfo that stands for a real filesystem.
type mount struct {
	device     string // /dev/mmcblk0p2
	number     string // 179:2
	point      string
	filesystem string
	readOnly   bool
	whole      bool // the filesystem's own root is mounted, not a folder of it
}

// realFilesystems hold data on a disk of this machine. Network filesystems
// are not among them: they are another machine's disk, and can hang.
var realFilesystems = []string{
	"bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "jfs",
	"nilfs2", "ntfs", "ntfs3", "reiserfs", "vfat", "xfs", "zfs",
}

// parseMounts lists the real filesystems of a mountinfo file, each device
// once, ordered by mount point. A service under systemd sees many bind
// mounts of the same device; the one that shows the whole filesystem at the
// shortest path stands for it. A folder of a filesystem that is mounted
// nowhere whole (a container's volume, /etc/hosts in it) is left out.
func parseMounts(text string) ([]mount, error) {
	best := make(map[string]mount)
	for line := range strings.Lines(text) {
		m, err := parseMount(line)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(realFilesystems, m.filesystem) {
			continue
		}
		// Subvolumes are folders in name only.
		subvolume := m.filesystem == "btrfs" || m.filesystem == "bcachefs" || m.filesystem == "zfs"
		if !m.whole && !subvolume && m.point != "/" {
			continue
		}
		if other, seen := best[m.device]; !seen || better(m, other) {
			best[m.device] = m
		}
	}
	mounts := make([]mount, 0, len(best))
	for _, m := range best {
		mounts = append(mounts, m)
	}
	slices.SortFunc(mounts, func(a, b mount) int { return strings.Compare(a.point, b.point) })
	return mounts, nil
}

func better(a, b mount) bool {
	if a.whole != b.whole {
		return a.whole
	}
	return len(a.point) < len(b.point)
}

// parseMount reads one line, see proc_pid_mountinfo(5):
// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func parseMount(line string) (mount, error) {
	left, right, found := strings.Cut(line, " - ")
	before, after := strings.Fields(left), strings.Split(strings.TrimSpace(right), " ") // the source can be empty
	if !found || len(before) < 6 || len(after) < 3 {
		return mount{}, fmt.Errorf("mountinfo has the line %q", strings.TrimSpace(line))
	}
	m := mount{
		device:     unescape(after[1]),
		number:     before[2],
		point:      unescape(before[4]),
		filesystem: after[0],
		whole:      before[3] == "/",
		// The filesystem's own state: the mount's options say "ro" to a
		// service that systemd protects, though the disk is well.
		readOnly: slices.Contains(strings.Split(after[2], ","), "ro"),
	}
	switch m.device { // not a name that anything else uses
	case "":
		m.device = "unnamed (" + m.number + ")"
	case "/dev/root":
		m.device += " (" + m.number + ")"
	}
	return m, nil
}

// unescape undoes the octal escapes (\040 is a space) of mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

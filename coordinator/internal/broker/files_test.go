package broker

import (
	"syscall"
	"testing"
)

func TestFewFiles(t *testing.T) {
	for most, wanted := range map[uint64]string{
		65_536: "", 10_500: "",
		10_499: "no more than about 9999 nodes can be connected, because this process may open 10499 files: raise LimitNOFILE of its unit, or ulimit -Hn",
		256:    "no more than about 0 nodes can be connected, because this process may open 256 files: raise LimitNOFILE of its unit, or ulimit -Hn",
	} {
		want(t, "warning", fewFiles(most), wanted)
	}
}

// The limit that a shell gives, often 1,024, is not the one that holds.
func TestTheHardLimitOfFilesHolds(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	want(t, "files", limit.Cur, limit.Max)
}

package garbage

import (
	"runtime"
	"testing"
)

func TestPercentOf(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name             string
		allocated, inUse uint64 // bytes in the last second; bytes
		want             int
	}{
		{"silence", 0, 40 * mib, quietPercent},
		{"before the first collection", 0, 0, quietPercent},
		{"a hundred nodes", 1 * mib, 20 * mib, quietPercent},
		{"as much in four seconds as is in use", 10 * mib, 40 * mib, 100},
		{"a small fleet that delivers a day at once", 200 * mib, 20 * mib, busyPercent},
		{"never more garbage than memory is for", 2048 * mib, 200 * mib, 128},
		{"a large heap", 2048 * mib, 1024 * mib, quietPercent},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := heap{allocated: 7 * mib}
			now := heap{allocated: before.allocated + c.allocated, inUse: c.inUse}
			if got := percentOf(before, now); got != c.want {
				t.Errorf("percentOf = %d, want %d", got, c.want)
			}
		})
	}
}

func TestReadHeapKnowsItsMetrics(t *testing.T) {
	before := readHeap() // a name that this Go does not know panics
	runtime.GC()
	if now := readHeap(); now.inUse == 0 || now.allocated < before.allocated {
		t.Errorf("heap %+v after %+v", now, before)
	}
}

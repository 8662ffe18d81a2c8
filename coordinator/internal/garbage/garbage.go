// Package garbage sets how much garbage may lie before it is collected. It
// must not be used where somebody has set that otherwise (GOGC).
package garbage

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage may lie before it is collected, in percent of what is in
// use: little while the fleet is silent, because ten thousand connections are
// paid for in memory; much while samples pour in, because a collection looks
// through the stacks of all these connections, however little it frees.
const (
	quietPercent = 50
	busyPercent  = 400
	maxGarbage   = 256 << 20 // bytes; beyond it only quietPercent
	paceInterval = time.Second
	paceSeconds  = 4 // of allocation that may lie
)

// heap is what the collector has to do with.
type heap struct {
	allocated uint64 // bytes since the program began
	inUse     uint64 // bytes that the last collection looked at and kept
}

// percentOf leaves room for what some seconds allocate as the last did.
func percentOf(before, now heap) int {
	room := min(paceSeconds*(now.allocated-before.allocated), maxGarbage)
	return int(min(max(100*room/max(now.inUse, 1), quietPercent), busyPercent))
}

// Pace follows the load until ctx ends.
func Pace(ctx context.Context) {
	tick := time.NewTicker(paceInterval)
	defer tick.Stop()
	for before, percent := readHeap(), 0; ; {
		now := readHeap()
		wanted := percentOf(before, now)
		// Each change stops the program for a moment.
		if wanted != percent && (wanted == quietPercent || wanted < percent*3/4 || wanted > percent*4/3) {
			percent = wanted
			debug.SetGCPercent(percent)
		}
		before = now
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(s)
	return heap{allocated: s[0].Value.Uint64(), inUse: s[1].Value.Uint64() + s[2].Value.Uint64() + s[3].Value.Uint64()}
}

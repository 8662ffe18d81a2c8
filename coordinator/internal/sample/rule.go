package sample

import (
	"fmt"
	"time"

	"lucid.internal/shared/wire"
)

// placement is where a message lies relative to its run's watermark.
type placement int

const (
	fresh   placement = iota // everything after the watermark; a gap is allowed
	behind                   // everything at or before it: a duplicate, or another message under a used number
	overlap                  // on both sides: no agent sends that
)

// place compares sequence numbers first..last of a message with lastSeq, the
// last one stored of its run (0 for none).
func place(lastSeq, first, last uint64) placement {
	switch {
	case first > lastSeq:
		return fresh
	case last <= lastSeq:
		return behind
	}
	return overlap
}

// liveAge is how old the newest sample of a message may be for the message to
// count as live: longer than a short trouble, shorter than anybody waits.
const liveAge = 2 * time.Minute

// maxAhead is how far a sample's time may lie in the future.
const maxAhead = 10 * time.Minute

// checkTimes says why the samples' times are not acceptable at the given
// moment, "" when they are.
func checkTimes(samples []wire.Sample, now time.Time, retention time.Duration) string {
	oldest, newest := now.Add(-retention).UnixMilli(), now.Add(maxAhead).UnixMilli()
	for i := range samples {
		switch at := samples[i].AtMs; {
		case at < oldest:
			return fmt.Sprintf("samples[%d].at_ms %d is older than %s, which is how long samples are kept", i, at, retention)
		case at > newest:
			return fmt.Sprintf("samples[%d].at_ms %d is more than %s in the future", i, at, maxAhead)
		}
	}
	return ""
}

// maxRunsAround is how many runs of a node may end within aroundRun before and
// after another: one each half minute. A row of each is kept for as long as its
// samples are, so that whoever draws a run id for each message would fill the
// table. A node that starts again and again is heard an hour after its mending.
//
// When a run ends is the node's word, and moves with its samples. So no more than
// maxRunsADay runs of a node are taken in a day by our own clock, whatever they
// say: more than starts each two minutes leave in a backlog of a week.
const (
	maxRunsAround = 240
	aroundRun     = time.Hour
	maxRunsADay   = 6000
)

// rank is where a sample stands among all of its node.
type rank struct {
	runNo int64
	seq   uint64
	atMs  int64
}

// supersedes reports whether a sample takes the other one's place as the
// newest. Numbers tell, not clocks, which are set right: an agent numbers what it
// measures, and delivers what an earlier run left before its own. So only what
// comes of an earlier run is asked for its time too: it was kept back, or that
// run still goes on. UpsertLatest says the same.
//
// Runs are numbered as their first messages are stored, which is how they began
// while one coordinator takes them in. Behind a shared broker two may, and number
// them the other way round: then what the earlier run left is shown while it comes,
// until the live run's next sample, which is later by its time.
func (r rank) supersedes(o rank) bool {
	switch {
	case r.runNo == o.runNo:
		return r.seq >= o.seq
	case r.runNo > o.runNo:
		return true
	}
	return r.atMs > o.atMs
}

// Reasons of dead letters, as counted. The letter itself says more.
const (
	reasonMalformed = "malformed"
	reasonTime      = "time"
	reasonConflict  = "conflict"
	reasonOverlap   = "overlap"
	reasonRuns      = "runs"     // of a run beyond maxRunsAround or maxRunsADay
	reasonDatabase  = "database" // Postgres refuses this message, and no other
)

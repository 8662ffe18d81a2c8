package broker

import (
	"fmt"
	"syscall"
)

// Each connection is a file. Go raises the process's limit to the hard one by
// itself when it starts.
const (
	ownFiles    = 500    // database, API, log and the like
	plentyNodes = 10_000 // room for as many goes without saying
)

// mostFiles is how many files the process may have open.
func mostFiles() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}

// fewFiles says what it means when no more than most files may be open; ""
// when that is plenty.
func fewFiles(most uint64) string {
	if most >= plentyNodes+ownFiles {
		return ""
	}
	return fmt.Sprintf("no more than about %d nodes can be connected, because this process may open %d files: raise LimitNOFILE of its unit, or ulimit -Hn",
		most-min(most, ownFiles), most)
}

// warnOfFewFiles tells an operator before nodes are kept out.
func (b *Broker) warnOfFewFiles() {
	if most, err := mostFiles(); err == nil {
		if text := fewFiles(most); text != "" {
			b.cfg.Logger.Warn(text)
		}
	}
}

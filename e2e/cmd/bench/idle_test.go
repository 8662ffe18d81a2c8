package main

import (
	"testing"

	"lucid.internal/e2e/harness"
)

func TestResidents(t *testing.T) {
	before := harness.Footprint{RSS: 50 << 20}
	at := func(nodes int, rss uint64) resident {
		return resident{nodes, harness.Footprint{RSS: rss, Peak: rss + 1<<20}}
	}
	held := []resident{at(1024, 80<<20), at(10_240, 250<<20)}
	for want, of := range map[string][]resident{
		"20.0 KiB resident a connection (250.0 MiB in all, 251.0 MiB at most); on the way there 30.0 KiB of 1,024 nodes (80.0 MiB in all)": held,
		"20.0 KiB resident a connection (250.0 MiB in all, 251.0 MiB at most)":                                                             held[1:],
		"0.0 KiB resident a connection (40.0 MiB in all, 41.0 MiB at most)":                                                                {at(10, 40<<20)}, // less than before
	} {
		if got := residents(of, before); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

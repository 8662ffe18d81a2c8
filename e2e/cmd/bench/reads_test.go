package main

import (
	"slices"
	"testing"
)

func TestParseReads(t *testing.T) {
	got := parseReads(`goos: linux
cpu: AMD EPYC
BenchmarkLoad/SELECT-1-2         	   12000	        90.13 %-of-SELECT-1	        11.36 p99-ms	     28764 requests/s
BenchmarkLoad/nodes-by-status-2  	   12000	        54.57 %-of-SELECT-1	        43.48 p99-ms	     10955 requests/s
PASS
ok  	lucid.internal/coordinator/internal/api	30.1s
`)
	want := []read{{"SELECT-1", 28764, 90.13, 11.36}, {"nodes-by-status", 10955, 54.57, 43.48}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := parseReads("PASS\n"); got != nil {
		t.Errorf("figures of nothing: %v", got)
	}
}

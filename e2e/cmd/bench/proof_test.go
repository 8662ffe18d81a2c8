package main

import (
	"strings"
	"testing"
)

func TestParseVerify(t *testing.T) {
	const text = `goos: linux
BenchmarkVerify/response         	  341242	      3517 ns/op	     144 B/op	       2 allocs/op
BenchmarkVerify/raw-hmac         	  383211	      3130.5 ns/op	    1024 B/op	      12 allocs/op
BenchmarkVerify/device-signature 	   28000	     42100 ns/op	       0 B/op	       0 allocs/op
PASS
`
	if v, err := parseVerify(text); v != (verification{3517, 3130.5, 42100}) || err != nil {
		t.Error(v, err)
	}
	withoutSignature := text[:strings.Index(text, "BenchmarkVerify/device")]
	for _, missing := range []string{"PASS\n", withoutSignature} {
		if _, err := parseVerify(missing); err == nil {
			t.Error("figures where there are none")
		}
	}
}

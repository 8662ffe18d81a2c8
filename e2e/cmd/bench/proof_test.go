package main

import "testing"

func TestParseVerify(t *testing.T) {
	const text = `goos: linux
BenchmarkVerify/response         	  341242	      3517 ns/op	     144 B/op	       2 allocs/op
BenchmarkVerify/raw-hmac         	  383211	      3130.5 ns/op	    1024 B/op	      12 allocs/op
PASS
`
	if check, raw, err := parseVerify(text); check != 3517 || raw != 3130.5 || err != nil {
		t.Error(check, raw, err)
	}
	if _, _, err := parseVerify("PASS\n"); err == nil {
		t.Error("figures where there are none")
	}
}

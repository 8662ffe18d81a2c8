package hostname_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/hostname"
)

func TestWhatAHostTells(t *testing.T) {
	for host, want := range map[string]struct{ loopback, wildcard, valid bool }{
		"":                               {wildcard: true},
		"0.0.0.0":                        {wildcard: true, valid: true},
		"::":                             {wildcard: true, valid: true},
		"::ffff:0.0.0.0":                 {wildcard: true, valid: true},
		"127.0.0.1":                      {loopback: true, valid: true},
		"127.9.9.9":                      {loopback: true, valid: true},
		"::1":                            {loopback: true, valid: true},
		"::ffff:127.0.0.1":               {loopback: true, valid: true},
		"localhost":                      {loopback: true, valid: true},
		"localhost.example":              {valid: true},
		"node.example":                   {valid: true},
		"10.0.0.1":                       {valid: true},
		"xn--n1a.Example-9":              {valid: true},
		"[::1]":                          {},
		"-node.example":                  {},
		"node-.example":                  {},
		"node..example":                  {},
		"node_1":                         {},
		"nöde":                           {},
		"host:80":                        {},
		strings.Repeat("a", 64):          {},
		strings.Repeat("a.", 127) + "ab": {},
	} {
		if got := hostname.Loopback(host); got != want.loopback {
			t.Errorf("%q is on this machine: %t", host, got)
		}
		if got := hostname.Wildcard(host); got != want.wildcard {
			t.Errorf("%q means all interfaces: %t", host, got)
		}
		if got := hostname.Valid(host); got != want.valid {
			t.Errorf("%q is valid: %t", host, got)
		}
	}
}

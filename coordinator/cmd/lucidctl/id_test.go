package main

import (
	"strings"
	"testing"
)

// No id is asked about or sent that cannot be one.
func TestNoID(t *testing.T) {
	f := &fleet{t: t, url: "http://127.0.0.1:1", home: t.TempDir()}
	for command, want := range map[string]string{
		"users disable bob":              "bob is no user id; `lucidctl users list` shows it",
		"users passwd node_a":            "node_a is no user id; `lucidctl users list` shows it",
		"nodes get node_":                "node_ is no node id; `lucidctl nodes list` shows it",
		"nodes update x --name y":        "x is no node id; `lucidctl nodes list` shows it",
		"score x":                        "x is no node id; `lucidctl nodes list` shows it",
		"pools delete home":              "home is no pool id; `lucidctl pools list` shows it",
		"pools remove pool_a x":          "x is no node id; `lucidctl nodes list` shows it",
		"pools remove x node_a":          "x is no pool id; `lucidctl pools list` shows it",
		"tokens revoke enroll_x":         "enroll_x is no token id; `lucidctl tokens list` shows it",
		"apikeys revoke lucid_0":         "lucid_0 is no key id; `lucidctl apikeys list` shows it",
		"grants revoke x grant_1":        "x is no key id; `lucidctl apikeys list` shows it",
		"webhooks delete https://a.test": "https://a.test is no hook id; `lucidctl webhooks list` shows it",
		"silences end 3":                 "3 is no silence id; `lucidctl silences list` shows it",
	} {
		o := f.as("key", strings.Fields(command)...)
		if o.code != exitUsage || !strings.Contains(o.notes, want) || strings.Contains(o.notes, "terminal") {
			t.Errorf("%s: exit code %d, %q, want %q", command, o.code, o.notes, want)
		}
	}
	if o := f.as("key", "nodes", "get"); o.code != exitUsage || strings.Contains(o.notes, "is no node id") {
		t.Errorf("without an id: %+v", o)
	}
}

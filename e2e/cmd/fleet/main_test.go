package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
)

func TestParse(t *testing.T) {
	o, err := parse(strings.Fields("--self --nodes 7 --duration 3s --cheat clone=2 --cheat sybil=3 --cheat clone=1 --cuts 0.5 --seed 9"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c := o.fleet
	if !o.self || c.Nodes != 7 || c.Duration != 3*time.Second || c.Cheats[fleet.Clone] != 3 || c.Cheats[fleet.Sybil] != 3 ||
		c.Faults.Cuts != 0.5 || c.Seed != 9 {
		t.Errorf("%+v", o)
	}
	for _, bad := range []string{
		"", "--self --api http://a", "--api http://a --token k", "--api http://a --token k --database d",
		"--self extra", "--record node_a", "--self --cheat clone", "--self --replay /nonexistent",
	} {
		if _, err := parse(strings.Fields(bad), io.Discard); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestHelpNamesTheCheats(t *testing.T) {
	var help strings.Builder
	if _, err := parse([]string{"--help"}, &help); err == nil || !strings.Contains(help.String(), "clone (two machines") {
		t.Errorf("%v: %s", err, &help)
	}
}

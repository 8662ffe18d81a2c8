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
		"--self extra", "--record node_a", "--self --cheat clone", "--self --cheat heat=2", "--self --nodes 0", "--self --cuts -1", "--self --nodess 7", "--self --replay /nonexistent",
	} {
		var out strings.Builder
		if _, err := parse(strings.Fields(bad), &out); err == nil {
			t.Errorf("%q was taken", bad)
		} else if out.Len() > 0 {
			t.Errorf("%q: beside %v the help was printed", bad, err)
		}
	}
}

func TestHelpNamesTheCheats(t *testing.T) {
	var help strings.Builder
	if _, err := parse([]string{"--help"}, &help); err == nil || !strings.Contains(help.String(), "\n  clone    two machines with one key\n") || !strings.Contains(help.String(), "-nodes machines") {
		t.Errorf("%v: %s", err, &help)
	}
}

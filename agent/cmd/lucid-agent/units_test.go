package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestUnitsEndAtVerdictsAlone holds systemd's units to the exit codes that say that
// to start again is of no use.
func TestUnitsEndAtVerdictsAlone(t *testing.T) {
	for unit, verdicts := range map[string][]int{
		"lucid-agent.service":  {exitNotEnrolled},
		"lucid-enroll.service": {exitRefused, exitTicket},
	} {
		text, err := os.ReadFile("../../../systemd/" + unit)
		if err != nil {
			t.Fatal(err)
		}
		listed := regexp.MustCompile(`(?m)^RestartPreventExitStatus=(.*)$`).FindStringSubmatch(string(text))
		if want := strings.Trim(fmt.Sprint(verdicts), "[]"); len(listed) == 0 || listed[1] != want {
			t.Errorf("%s: RestartPreventExitStatus is %q, want %s", unit, listed, want)
		}
	}
}

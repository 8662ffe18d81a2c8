package db

import "testing"

func TestCheckServer(t *testing.T) {
	for version, good := range map[string]bool{
		"15.14 (Debian 15.14-0+deb12u1)": true, "17beta1": true, "18.0": true, "": true, "devel": true,
		"13.22 (Debian 13.22-0+deb11u1)": false, "14.19": false, "9.6.24": false,
	} {
		if err := checkServer(version); (err == nil) != good {
			t.Errorf("version %q: %v, want it taken: %v", version, err, good)
		}
	}
}

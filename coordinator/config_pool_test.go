package coordinator

import (
	"strings"
	"testing"
)

func TestPoolSettings(t *testing.T) {
	file := writeFile(t, "lucid.toml", "[pool]\nauto_balance = true\nauto_assign = \"false\"\nmax_nodes = 40\n")
	c, _ := mustLoad(t, ProfileDev, file, []string{"LUCID_POOL_HEALTH_CHECK_INTERVAL=90"})
	if p := c.Pool; !p.AutoBalance || p.AutoAssign || p.MaxNodes != 40 || p.MinNodes != 1 || p.HealthInterval.Seconds() != 90 {
		t.Errorf("read %+v", p)
	}
	_, _, err := Load(ProfileDev, "", []string{
		"LUCID_POOL_AUTO_BALANCE=yes", "LUCID_MAX_NODES_PER_POOL=101", "LUCID_MIN_NODES_PER_POOL=0", "LUCID_POOL_HEALTH_CHECK_INTERVAL=0",
	}, nil)
	for _, want := range []string{`pool.auto_balance`, `"yes" is not true or false`, "pool.max_nodes", "pool.min_nodes", "pool.health_check_interval"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in %v", want, err)
		}
	}
}

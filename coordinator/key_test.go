package coordinator

import (
	"testing"
	"time"
)

func TestKeysGrowOldOnlyWhereThisCoordinatorChecksLogins(t *testing.T) {
	f := &Foundation{Config: Config{Node: NodeConfig{KeyAge: time.Hour}}}
	if f.keyAge() != time.Hour {
		t.Error("keys are not rotated by age")
	}
	f.Config.MQTT.Broker = BrokerExternal
	if f.keyAge() != 0 {
		t.Error("keys are rotated before another's broker knows the new passwords")
	}
}

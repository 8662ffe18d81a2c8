package coordinator

import (
	"errors"
	"strings"
	"testing"
)

// Each case is one wrong setting, alone, and the words that must explain it.
// Where want is empty the settings are right.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		profile Profile
		environ string // separated by spaces
		key     string
		want    string
	}{
		{"plain HTTP on loopback", ProfileDev, "LUCID_NODE_API_HOST=localhost", "", ""},
		{"plain HTTP for all", ProfileDev, "LUCID_NODE_API_HOST=0.0.0.0", "api.tls", "needs a loopback address"},
		{"plain HTTP on an empty host", ProfileDev, "LUCID_NODE_API_HOST=", "api.tls", "needs a loopback address"},
		{"plain HTTP behind a proxy", ProfileDev, "LUCID_NODE_API_HOST=0.0.0.0 LUCID_TRUSTED_PROXIES=10.0.0.1", "", ""},
		{"TLS mode unknown", ProfileDev, "LUCID_API_TLS=maybe", "api.tls", "is not own, files or off"},
		{"files without a key", ProfileDev, "LUCID_API_TLS=files LUCID_API_TLS_CERT=c.pem", "api.key_file", "is empty"},
		{"files without a certificate", ProfileDev, "LUCID_API_TLS=files LUCID_API_TLS_KEY=k.pem", "api.cert_file", "is empty"},
		{"files complete", ProfileDev, "LUCID_API_TLS=files LUCID_API_TLS_CERT=c.pem LUCID_API_TLS_KEY=k.pem", "", ""},
		{"certificate that nobody uses", ProfileDev, "LUCID_API_TLS_CERT=c.pem", "api.cert_file", `api.tls is "off"`},
		{"proxy not an address", ProfileDev, "LUCID_TRUSTED_PROXIES=proxy.local", "api.trusted_proxies", "neither an IP address nor a network"},
		{"host with a space character", ProfileDev, "LUCID_NODE_API_HOST=a_b", "api.host", "neither a host name"},
		{"public host bad", ProfileDev, "LUCID_PUBLIC_HOSTS=pi.local,-x", "public_hosts", `"-x" is neither`},
		{"public hosts good", ProfileDev, "LUCID_PUBLIC_HOSTS=pi.local,10.0.0.1,fe80::1", "", ""},
		{"MQTT without a port", ProfileDev, "LUCID_MQTT_ADDR=localhost", "mqtt.addr", "is not host:port"},
		{"MQTT port too high", ProfileDev, "LUCID_MQTT_ADDR=localhost:70000", "mqtt.addr", "is not host:port"},
		{"MQTT on the API's port", ProfileDev, "LUCID_MQTT_ADDR=:8095", "mqtt.addr", "is the API's own"},
		{"MQTT on another host's same port", ProfileDev, "LUCID_MQTT_ADDR=10.0.0.1:8095", "", ""},
		{"any free ports do not clash", ProfileDev, "LUCID_MQTT_ADDR=127.0.0.1:0 LUCID_NODE_API_PORT=0", "", ""},
		{"plain MQTT for others", ProfileDev, "LUCID_MQTT_PLAIN_ADDR=:1883", "mqtt.plain_addr", "never leaves the machine"},
		{"plain MQTT on loopback", ProfileDev, "LUCID_MQTT_PLAIN_ADDR=127.0.0.1:1883", "", ""},
		{"plain MQTT on the TLS port", ProfileDev, "LUCID_MQTT_PLAIN_ADDR=127.0.0.1:8883", "mqtt.plain_addr", "is mqtt.addr's"},
		{"plain MQTT without a port", ProfileDev, "LUCID_MQTT_PLAIN_ADDR=127.0.0.1", "mqtt.plain_addr", "is not host:port"},
		{"two databases", ProfileServe, "LUCID_DATABASE_URL=postgres://a/b LUCID_DATABASE_NAME=c", "database.name", "keep one"},
		{"database by name", ProfileServe, "LUCID_DATABASE_NAME=c", "", ""},
		{"no database", ProfileServe, "", "database.url", "all commands but serve find that of make run with LUCID_DATA_DIR=.lucid"},
		{"database of another kind", ProfileServe, "LUCID_DATABASE_URL=mysql://a/b", "database.url", "begins with postgres"},
		{"database word", ProfileServe, "LUCID_DATABASE_URL=lucid", "database.url", "key=value"},
		{"database pairs", ProfileServe, "LUCID_DATABASE_URL=host=/run", "", ""},
		{"empty data folder", ProfileDev, "LUCID_DATA_DIR=", "data_dir", "is empty"},
		{"short master key", ProfileDev, "LUCID_MASTER_KEY=abcd", "master_key", "32 bytes"},
		{"long master key", ProfileDev, "LUCID_MASTER_KEY=" + strings.Repeat("a", 66), "master_key", "32 bytes"},
		{"log format", ProfileDev, "LUCID_LOG_FORMAT=xml", "log.format", "is not json"},
		{"interval too short", ProfileDev, "LUCID_POOT_CALCULATION_INTERVAL=10ms", "poot.interval", "is not between"},
		{"duration of ages", ProfileDev, "LUCID_POOT_CALCULATION_INTERVAL=99999999999999", "poot.interval", "hundred years"},
		{"deadline over half the gap", ProfileDev, "LUCID_POOT_CHALLENGE_DEADLINE=6s", "poot.deadline", "half of poot.interval"},
		{"deadline negative", ProfileDev, "LUCID_POOT_CHALLENGE_DEADLINE=-1s", "poot.deadline", "not above 0"},
		{"validity below the deadline", ProfileDev, "LUCID_POOT_CHALLENGE_VALIDITY=4s", "poot.validity", "not between"},
		{"validity too long", ProfileDev, "LUCID_POOT_CHALLENGE_VALIDITY=16m", "poot.validity", "not between"},
		{"too many puzzles", ProfileDev, "LUCID_POOT_PUZZLES=65", "poot.puzzles", "1..64"},
		{"unanswerable difficulty", ProfileDev, "LUCID_POOT_DIFFICULTY=30", "poot.difficulty", "could search"},
		{"negative difficulty", ProfileDev, "LUCID_POOT_DIFFICULTY=-2", "poot.difficulty", "-1..40"},
		{"plain HMAC", ProfileDev, "LUCID_POOT_DIFFICULTY=0", "", ""},
		{"not a number", ProfileDev, "LUCID_POOT_PUZZLES=many", "poot.puzzles", "whole number"},
		{"vetting negative", ProfileDev, "LUCID_VETTING_CHALLENGES=-1", "vetting.challenges", "0.."},
		{"vetting days", ProfileDev, "LUCID_VETTING_DAYS=9999", "vetting.days", "0.."},
		{"epoch of fractions", ProfileDev, "LUCID_EPOCH=1500ms LUCID_EPOCH_GRACE=1s", "epoch.length", "whole seconds"},
		{"epoch zero", ProfileDev, "LUCID_EPOCH=0 LUCID_EPOCH_GRACE=-1s", "epoch.length", "is not between"},
		{"grace as long as the epoch", ProfileDev, "LUCID_EPOCH_GRACE=1m", "epoch.grace", "up to epoch.length"},
		{"command timeout zero", ProfileDev, "LUCID_NODE_COMMAND_TIMEOUT=0", "node.command_timeout", "from 1s to 1h"},
		{"command timeout too long", ProfileDev, "LUCID_NODE_COMMAND_TIMEOUT=61m", "node.command_timeout", "from 1s to 1h"},
		{"retention under a day", ProfileDev, "LUCID_RETENTION_RAW=1h", "retention.raw", "less than"},
		{"rollups end before samples", ProfileDev, "LUCID_RETENTION_RAW=240h LUCID_RETENTION_1M=239h", "retention.1m", "less than retention.raw"},
		{"samples kept for long", ProfileDev, "LUCID_RETENTION_RAW=720h", "", ""},
		{"amount with seven decimals", ProfileDev, "LUCID_PAYOUT_THRESHOLD_USDT=10.0000001", "payout.threshold_usdt", "six decimals"},
		{"daily cap below zero", ProfileDev, "LUCID_EPOCH_DAILY_CAP_USDT=-1", "epoch.daily_cap_usdt", "negative"},
		{"threshold below the least payout", ProfileDev, "LUCID_PAYOUT_THRESHOLD_USDT=0.5", "payout.threshold_usdt", "below payout.min_usdt"},
		{"most below the threshold", ProfileDev, "LUCID_PAYOUT_MAX_USDT=9", "payout.max_usdt", "below payout.threshold_usdt"},
		{"least payout zero", ProfileDev, "LUCID_PAYOUT_MIN_USDT=0", "payout.min_usdt", "not above 0"},
		{"fee eats the payout", ProfileDev, "LUCID_PAYOUT_FEE_MIN_USDT=1", "payout.fee_min_usdt", "eat a whole payout"},
		{"fee bounds crossed", ProfileDev, "LUCID_PAYOUT_FEE_MIN_USDT=0.5 LUCID_PAYOUT_FEE_MAX_USDT=0.1", "payout.fee_max_usdt", "below payout.fee_min_usdt"},
		{"approval below nothing", ProfileDev, "LUCID_PAYOUT_APPROVAL_USDT=-1", "payout.approval_usdt", "below 0"},
		{"an own address that is none", ProfileDev, "LUCID_PAYOUT_OWN_ADDRESSES=T1", "payout.own_addresses", "2 characters"},
		{"fee of all", ProfileDev, "LUCID_PAYOUT_FEE_PERCENT=100", "payout.fee_percent", "eat a whole payout"},
		{"fee above all", ProfileDev, "LUCID_PAYOUT_FEE_PERCENT=100.01", "payout.fee_percent", "0 to 100"},
		{"fee with an open point", ProfileDev, "LUCID_PAYOUT_FEE_PERCENT=1.", "payout.fee_percent", "0 to 100"},
		{"fee in hundredths", ProfileDev, "LUCID_PAYOUT_FEE_PERCENT=1.25", "", ""},
		{"round too rare", ProfileDev, "LUCID_PAYOUT_PROCESSING_INTERVAL=25h", "payout.interval", "is not between"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Load(c.profile, "", strings.Fields(c.environ), nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			faults, _ := errors.AsType[Faults](err)
			for _, f := range faults {
				if f.Key == c.key && strings.Contains(f.Reason, c.want) {
					return
				}
			}
			t.Errorf("%v; want %s: ...%s...", err, c.key, c.want)
		})
	}
}

func TestFaultsNeverShowSecrets(t *testing.T) {
	for _, environ := range []string{
		"LUCID_DATABASE_URL=postgres://u:sesame@h:notaport/db",
		"LUCID_DATABASE_URL=mysql://u:sesame@h/db",
		"LUCID_DATABASE_URL=sesame",
		"LUCID_MASTER_KEY=sesame",
	} {
		_, _, err := Load(ProfileServe, "", []string{environ}, nil)
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", environ, err)
		}
	}
}

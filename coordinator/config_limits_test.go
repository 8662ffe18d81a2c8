package coordinator

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestLimitsAndHostsAreChecked(t *testing.T) {
	for environ, want := range map[string]string{
		"LUCID_RATE_ANONYMOUS=-1":                          "api.rate_anonymous: -1",
		"LUCID_RATE_USER=10000001":                         "api.rate_user: 10000001",
		"LUCID_RATE_SERVICE=many":                          "api.rate_service: \"many\"",
		"LUCID_RATE_USER=0":                                "",
		"LUCID_MQTT_RATE_CONNECT=-1":                       "mqtt.rate_connect: -1",
		"LUCID_MQTT_RATE_FAILED_LOGIN=10000001":            "mqtt.rate_failed_login: 10000001",
		"LUCID_MQTT_RATE_CONNECT=0":                        "",
		"LUCID_TRUSTED_HOSTS=*":                            "",
		"LUCID_TRUSTED_HOSTS=fleet.example,10.0.0.1,::1":   "",
		"LUCID_TRUSTED_HOSTS=https://fleet.example":        "api.trusted_hosts",
		"LUCID_TRUSTED_HOSTS=*.example":                    "api.trusted_hosts",
		"LUCID_CORS_ORIGINS=https://fleet.example":         "",
		"LUCID_CORS_ORIGINS=http://localhost:3000":         "",
		"LUCID_CORS_ORIGINS=http://[::1]:3000":             "",
		"LUCID_CORS_ORIGINS=*":                             "api.cors_origins",
		"LUCID_CORS_ORIGINS=null":                          "api.cors_origins",
		"LUCID_CORS_ORIGINS=https://fleet.example/":        "api.cors_origins",
		"LUCID_CORS_ORIGINS=https://fleet.example:443":     "api.cors_origins",
		"LUCID_CORS_ORIGINS=https://Fleet.example":         "api.cors_origins",
		"LUCID_CORS_ORIGINS=https://user@fleet.example":    "api.cors_origins",
		"LUCID_CORS_ORIGINS=ftp://fleet.example":           "api.cors_origins",
		"LUCID_CORS_ORIGINS=https://a.example,fleet.local": "api.cors_origins",
	} {
		_, _, err := Load(ProfileServe, "", []string{databaseEnv, environ}, nil)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", environ, err)
			}
			continue
		}
		key, reason, _ := strings.Cut(want, ": ")
		faults, _ := errors.AsType[Faults](err)
		if len(faults) != 1 || faults[0].Key != key || !strings.HasPrefix(faults[0].Reason, reason) {
			t.Errorf("%s: %v; want one fault of %s", environ, err, want)
		}
	}
}

func TestTrustedHosts(t *testing.T) {
	serve, _ := mustLoad(t, ProfileServe, "", []string{databaseEnv, "LUCID_PUBLIC_HOSTS=fleet.example"})
	f := Foundation{Config: serve}
	if got := f.trustedHosts(); !slices.Equal(got, []string{"fleet.example", "localhost", "127.0.0.1", "::1"}) {
		t.Errorf("serve answers for %v", got)
	}
	f.Config.API.TrustedHosts = []string{"api.example"}
	if got := f.trustedHosts(); !slices.Equal(got, []string{"api.example"}) {
		t.Errorf("serve answers for %v, was told api.example", got)
	}
	dev, _ := mustLoad(t, ProfileDev, "", nil)
	f.Config = dev
	if got := f.trustedHosts(); !slices.Equal(got, []string{"*"}) {
		t.Errorf("dev answers for %v", got)
	}
}

package homeassistant

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// DefaultPrefix is where Home Assistant looks for devices.
const DefaultPrefix = "homeassistant"

// ErrNoSetting is a key that Set does not know.
var ErrNoSetting = errors.New("no such setting")

// Settings are the owner's. Without a Broker there is no Home Assistant.
type Settings struct {
	Broker       string // mqtt://host:1883 or mqtts://host:8883; the port may be left out
	User         string
	PasswordFile string // read at each connection
	CAFile       string // PEM, of mqtts; "": the system's CAs
	Prefix       string // "": DefaultPrefix
	Off          bool   // the device is taken out again
}

// Set gives a setting by its key in the section [home_assistant].
func (s *Settings) Set(key, value string) error {
	switch key {
	case "broker":
		s.Broker = value
	case "user":
		s.User = value
	case "password_file":
		s.PasswordFile = value
	case "ca_file":
		s.CAFile = value
	case "discovery_prefix":
		s.Prefix = value
	case "enabled":
		if value != "true" && value != "false" {
			return fmt.Errorf("%q is not one of true, false", value)
		}
		s.Off = value == "false"
	default:
		return ErrNoSetting
	}
	return nil
}

// Fault is what is wrong with a setting.
type Fault struct{ Key, Reason string }

// Validate names every setting that is wrong.
func (s *Settings) Validate() (wrong []Fault) {
	refuse := func(key, reason string) { wrong = append(wrong, Fault{key, reason}) }
	if s.Broker == "" {
		if *s != (Settings{}) {
			refuse("broker", "missing")
		}
		return wrong
	}
	u, err := url.Parse(s.Broker)
	switch {
	case err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "":
		refuse("broker", "want mqtt://host:1883, or mqtts://host:8883 for TLS")
	case u.User != nil:
		refuse("broker", "user and password have settings of their own")
	case s.CAFile != "" && u.Scheme != "mqtts":
		refuse("ca_file", "only mqtts:// uses it")
	}
	if s.PasswordFile != "" && s.User == "" {
		refuse("user", "missing, and there is a password_file")
	}
	if strings.ContainsAny(s.Prefix, "+#\x00") || strings.HasPrefix(s.Prefix, "/") || strings.HasSuffix(s.Prefix, "/") {
		refuse("discovery_prefix", fmt.Sprintf("%q is not the beginning of a topic", s.Prefix))
	}
	return wrong
}

// address is the broker's host:port, and whether it is reached by TLS.
func (s *Settings) address() (host, address string, secure bool) {
	u, _ := url.Parse(s.Broker) // Validate did
	secure = u.Scheme == "mqtts"
	port := "1883"
	if secure {
		port = "8883"
	}
	return u.Hostname(), net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)), secure
}

func (s *Settings) document(nodeID string) string {
	return cmp.Or(s.Prefix, DefaultPrefix) + "/device/" + nodeID + "/config"
}

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

// Validate names every setting that is wrong.
func (s *Settings) Validate() (wrong []error) {
	if s.Broker == "" {
		if *s != (Settings{}) {
			return []error{errors.New("broker: missing")}
		}
		return nil
	}
	u, err := url.Parse(s.Broker)
	switch {
	case err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "":
		wrong = append(wrong, errors.New("broker: want mqtt://host:1883, or mqtts://host:8883 for TLS"))
	case u.User != nil:
		wrong = append(wrong, errors.New("broker: user and password have settings of their own"))
	case s.CAFile != "" && u.Scheme != "mqtts":
		wrong = append(wrong, errors.New("ca_file: only mqtts:// uses it"))
	}
	if s.PasswordFile != "" && s.User == "" {
		wrong = append(wrong, errors.New("user: missing, and there is a password_file"))
	}
	if strings.ContainsAny(s.Prefix, "+#\x00") || strings.HasPrefix(s.Prefix, "/") || strings.HasSuffix(s.Prefix, "/") {
		wrong = append(wrong, fmt.Errorf("discovery_prefix: %q is not the beginning of a topic", s.Prefix))
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

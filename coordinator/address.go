package coordinator

import (
	"net"
	"os"
	"slices"

	"lucid.internal/coordinator/internal/hostname"
)

// hosts are the names and addresses that this coordinator is reached by.
func (f *Foundation) hosts() []string {
	if len(f.Config.PublicHosts) > 0 {
		return f.Config.PublicHosts
	}
	var hosts []string
	for _, address := range []string{f.Config.API.Addr(), f.Config.MQTT.Addr} {
		if host, _, err := net.SplitHostPort(address); err == nil && !hostname.Wildcard(host) {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		if name, err := os.Hostname(); err == nil {
			hosts = append(hosts, name)
		}
	}
	return slices.Compact(hosts)
}

// certificateHosts are the hosts plus the loopback, by which this machine's own
// tools come.
func (f *Foundation) certificateHosts() []string {
	hosts := slices.Clone(f.hosts())
	for _, own := range []string{"localhost", "127.0.0.1", "::1"} {
		if !slices.Contains(hosts, own) {
			hosts = append(hosts, own)
		}
	}
	return hosts
}

// trustedHosts are the names under which the API answers.
func (f *Foundation) trustedHosts() []string {
	if len(f.Config.API.TrustedHosts) > 0 {
		return f.Config.API.TrustedHosts
	}
	return f.certificateHosts()
}

func (f *Foundation) brokerAddresses() []string {
	_, port, err := net.SplitHostPort(f.Config.MQTT.Addr)
	if err != nil {
		return nil
	}
	var addresses []string
	for _, host := range f.hosts() {
		addresses = append(addresses, net.JoinHostPort(host, port))
	}
	return addresses
}

// BrokerAddress is host:port of the broker, as told to agents.
func (f *Foundation) BrokerAddress() string { return f.brokerAddresses()[0] }

// URL is where people and agents find the API.
func (f *Foundation) URL() string {
	scheme := "https"
	if f.Config.API.TLS == TLSOff {
		scheme = "http"
	}
	_, port, _ := net.SplitHostPort(f.Config.API.Addr())
	host := f.hosts()[0]
	return scheme + "://" + net.JoinHostPort(host, port)
}

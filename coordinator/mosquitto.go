package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"lucid.internal/coordinator/internal/atomicfile"
	"lucid.internal/coordinator/internal/bus"
	"lucid.internal/shared/wire"
)

// WriteMosquitto writes what a Mosquitto needs to stand between nodes and
// coordinators: its settings, access rules, a certificate of the project's own
// CA, and the passwords of everybody who is enrolled now.
func (f *Foundation) WriteMosquitto(ctx context.Context, dir string) error {
	m, err := f.mosquitto(dir)
	if err != nil {
		return err
	}
	nodes, err := f.Nodes.Passwords(ctx)
	if err != nil {
		return err
	}
	passwords, err := m.Passwords(maps.All(nodes))
	if err != nil {
		return err
	}
	chain, key, err := f.Authority.CertificatePEM(f.certificateHosts())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	var errs []error
	for name, text := range map[string]string{
		bus.CertificateFile: string(chain), bus.KeyFile: string(key), bus.MosquittoRules: m.Rules(),
		bus.MosquittoPasswords: passwords, bus.MosquittoConf: m.Conf(),
	} {
		errs = append(errs, atomicfile.Replace(filepath.Join(m.Dir, name), []byte(text)))
	}
	return errors.Join(errs...)
}

func (f *Foundation) mosquitto(dir string) (*bus.Mosquitto, error) {
	c := f.Config.MQTT
	if c.Broker != BrokerExternal {
		return nil, errors.New("mqtt.broker is embedded: set LUCID_MQTT_BROKER=external, LUCID_MQTT_BROKER_URL and LUCID_MQTT_BROKER_PASSWORD first")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	own, err := url.Parse(c.BrokerURL)
	if err != nil {
		return nil, fmt.Errorf("mqtt.broker_url: %w", err)
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("mqtt.addr: %w", err)
	}
	m := &bus.Mosquitto{
		Dir: dir, User: brokerUser, Password: string(c.BrokerPassword), All: "lucid/v1/#",
		Nodes:       bus.Listener{Host: host, Port: port, TLS: true},
		Coordinator: bus.Listener{Port: own.Port(), TLS: own.Scheme == "ssl"},
	}
	if !m.Coordinator.TLS {
		m.Coordinator.Host = own.Hostname() // loopback
	}
	if m.Nodes.Port == m.Coordinator.Port {
		return nil, fmt.Errorf("mqtt.addr and mqtt.broker_url both name port %s: nodes and coordinators need a listener each", port)
	}
	for _, channel := range slices.Sorted(slices.Values(wire.Channels())) {
		topic := wire.Topic("%u", channel)
		if channel.FromNode() {
			m.Write = append(m.Write, topic)
		} else {
			m.Read = append(m.Read, topic)
		}
	}
	return m, nil
}

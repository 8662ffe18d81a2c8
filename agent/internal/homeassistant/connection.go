package homeassistant

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	timeout    = 10 * time.Second // of whatever asks the broker for an answer
	farewell   = time.Second      // for the last word before the agent ends
	farewellMs = 250
	keepAlive  = 60 * time.Second
)

// connection to the owner's broker. Once lost it stays lost.
type connection struct {
	client mqtt.Client
	lost   chan struct{}
}

// connect logs in. The will says offline, unless there is nobody to miss.
func connect(ctx context.Context, c *Config, will bool) (*connection, error) {
	var password []byte
	if c.PasswordFile != "" {
		var err error
		if password, err = os.ReadFile(c.PasswordFile); err != nil {
			return nil, err
		}
	}
	conn := &connection{lost: make(chan struct{})}
	var refused error // clearer than what paho makes of it
	options := mqtt.NewClientOptions().
		AddBroker("tcp://broker"). // named only: open makes the connection
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (raw net.Conn, err error) {
			if raw, refused = open(ctx, &c.Settings); refused != nil {
				return nil, refused
			}
			// Neither a login nor a write that is stuck outlives the agent's end.
			context.AfterFunc(ctx, func() { time.AfterFunc(farewell, func() { raw.Close() }) })
			return raw, nil
		}).
		SetClientID("lucid-agent-" + c.NodeID).
		SetUsername(c.User).
		SetPassword(string(bytes.TrimSpace(password))).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetKeepAlive(keepAlive).
		SetConnectTimeout(timeout).
		SetWriteTimeout(timeout).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(conn.lost) })
	if will {
		options.SetWill(c.topic("availability"), "offline", 1, true)
	}
	conn.client = mqtt.NewClient(options)
	token := conn.client.Connect()
	<-token.Done() // within twice the timeout
	if err := token.Error(); err != nil {
		conn.client.Disconnect(0)
		if refused != nil {
			err = refused
		}
		return nil, err
	}
	return conn, nil
}

// open makes the connection: for mqtts:// with the host's own name, and the CA
// that the owner named or those of the system.
func open(ctx context.Context, s *Settings) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	host, address, secure := s.address()
	if !secure {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate", s.CAFile)
		}
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
}

// publish waits until the broker has taken a message, at most for a time.
func (c *connection) publish(ctx context.Context, topic string, qos byte, retained bool, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	token := c.client.Publish(topic, qos, retained, payload)
	select {
	case <-token.Done():
		return token.Error()
	case <-c.lost:
		return errors.New("connection lost")
	case <-ctx.Done():
		return fmt.Errorf("publish %s: %w", topic, ctx.Err())
	}
}

package bus

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Config of a Bus. URL is required.
type Config struct {
	URL      string // ssl://host:port, or tcp://host:port
	User     string
	Password string
	TLS      *tls.Config // for ssl
	Logger   *slog.Logger
}

const (
	keepAlive    = 30 * time.Second
	dialTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	pause        = time.Second // between two tries
	publishTime  = 5 * time.Second
)

// Bus is a coordinator's place at the broker.
type Bus struct {
	config Config
	mu     sync.Mutex
	sender *session // what is published goes through it; nil while there is none
}

// New makes a Bus; Run makes it work.
func New(config Config) *Bus {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Bus{config: config}
}

// Run keeps the connection up by which is published, until ctx ends.
func (b *Bus) Run(ctx context.Context) {
	id := "lucid-sender-" + rand.Text()[:12]
	b.keep(ctx, id, func() error {
		s, err := b.dial(ctx, id, true, nil)
		if err != nil {
			return err
		}
		defer s.close()
		b.use(s)
		defer b.use(nil)
		return s.wait(ctx)
	})
}

func (b *Bus) use(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sender = s
}

// Ready says why nothing can be published, nil when it can.
func (b *Bus) Ready() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sender == nil {
		return fmt.Errorf("no connection to the MQTT broker at %s", b.config.URL)
	}
	return nil
}

// Publish hands a message to the broker. At QoS 1 nil means that the broker
// has it, not that anybody was there.
func (b *Bus) Publish(topic string, payload []byte, qos byte, retain bool) error {
	b.mu.Lock()
	s := b.sender
	b.mu.Unlock()
	if s == nil {
		return fmt.Errorf("publish to %s: %w", topic, b.Ready())
	}
	token := s.client.Publish(topic, qos, retain, payload)
	if qos == 0 {
		return nil // it is on its way or lost: nobody waits for it
	}
	if !token.WaitTimeout(publishTime) {
		return fmt.Errorf("publish to %s: the broker does not acknowledge within %s", topic, publishTime)
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// keep calls hold again and again until ctx ends. The same trouble is told
// once.
func (b *Bus) keep(ctx context.Context, id string, hold func() error) {
	trouble := ""
	for ctx.Err() == nil {
		began := time.Now()
		err := hold()
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > keepAlive {
			trouble = ""
		}
		if err.Error() != trouble {
			trouble = err.Error()
			b.config.Logger.Warn("connection to the MQTT broker ended, trying again", "client", id, "error", err)
		}
		wait(ctx, pause)
	}
}

// session is one connection. paho is used for one only: when it reconnects by
// itself, it reports what was not acknowledged as delivered.
type session struct {
	client mqtt.Client
	lost   chan error // one error when it ends by itself
}

// dial connects. Messages that come, also before anything is subscribed, go to
// receive, one after another.
func (b *Bus) dial(ctx context.Context, id string, clean bool, receive mqtt.MessageHandler) (*session, error) {
	s := &session{lost: make(chan error, 1)}
	options := mqtt.NewClientOptions().AddBroker(b.config.URL).SetClientID(id).
		SetUsername(b.config.User).SetPassword(b.config.Password).SetTLSConfig(b.config.TLS).
		SetProtocolVersion(4).SetCleanSession(clean).SetAutoReconnect(false).SetConnectRetry(false).
		SetOrderMatters(true).SetAutoAckDisabled(true).SetDefaultPublishHandler(receive).
		SetKeepAlive(keepAlive).SetConnectTimeout(dialTimeout).SetWriteTimeout(writeTimeout).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.end(err) })
	s.client = mqtt.NewClient(options)
	token := s.client.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done():
		s.close()
		return nil, ctx.Err()
	}
	if err := token.Error(); err != nil {
		return nil, fmt.Errorf("log in as %s: %w", id, err)
	}
	return s, nil
}

// end makes wait return; the first reason stands.
func (s *session) end(err error) {
	if err == nil {
		err = errors.New("it ended")
	}
	select {
	case s.lost <- err:
	default:
	}
}

// wait returns when the connection is lost, or ctx ends.
func (s *session) wait(ctx context.Context) error {
	select {
	case err := <-s.lost:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) close() { s.client.Disconnect(100) }

func done(ctx context.Context, token mqtt.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

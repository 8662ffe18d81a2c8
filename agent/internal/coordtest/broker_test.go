package coordtest

import (
	"net"
	"testing"
)

// A broker ends while somebody connects, and does not wait for who says nothing.
func TestBrokerEndsWhileSomebodyConnects(t *testing.T) {
	for range 100 {
		b := NewBroker(t, BrokerConfig{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 4 {
				c, err := net.Dial("tcp", b.Addr)
				if err != nil {
					return
				}
				defer c.Close()
			}
		}()
		b.Close()
		<-ended
	}
}

package authority_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/authority"
)

// memory keeps secrets as the sealed store does: made once, then the same.
func memory() authority.Secret {
	kept := map[string][]byte{}
	return func(_ context.Context, name string, create func() ([]byte, error)) (_ []byte, err error) {
		if kept[name] == nil {
			kept[name], err = create()
		}
		return kept[name], err
	}
}

func load(t *testing.T, secret authority.Secret, now func() time.Time) *authority.Authority {
	t.Helper()
	a, err := authority.Load(t.Context(), secret, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestClientThatTrustsOnlyTheCAReachesTheServer(t *testing.T) {
	a := load(t, memory(), nil)
	config, err := a.ServerTLS([]string{"127.0.0.1", "pi.example"})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go handshakeAll(listener)

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(a.CAPEM()))
	dial := func(roots *x509.CertPool, name string) error {
		c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: name})
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	if err := dial(roots, "127.0.0.1"); err != nil {
		t.Errorf("by address: %v", err)
	}
	if err := dial(roots, "pi.example"); err != nil {
		t.Errorf("by name: %v", err)
	}
	if err := dial(roots, "other.example"); err == nil {
		t.Error("another name was accepted")
	}
	other := x509.NewCertPool()
	other.AppendCertsFromPEM([]byte(load(t, memory(), nil).CAPEM()))
	if err := dial(other, "127.0.0.1"); err == nil {
		t.Error("another CA was accepted")
	}
}

// handshakeAll is a server that ends each connection after its handshake.
func handshakeAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.(*tls.Conn).Handshake()
		_ = c.Close()
	}
}

func TestSecondCoordinatorHasTheSameCA(t *testing.T) {
	secret := memory()
	if a, b := load(t, secret, nil), load(t, secret, nil); a.Pin() != b.Pin() || a.CAPEM() != b.CAPEM() {
		t.Error("two loads of one secret gave two CAs")
	}
}

func TestCertificateIsRenewedBeforeItExpires(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := load(t, memory(), func() time.Time { return now })
	config, err := a.ServerTLS([]string{net.IPv4(127, 0, 0, 1).String()})
	if err != nil {
		t.Fatal(err)
	}
	get := func() *tls.Certificate {
		c, err := config.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := get()
	now = now.Add(59 * 24 * time.Hour)
	if get() != first {
		t.Error("renewed too early")
	}
	now = now.Add(2 * 24 * time.Hour)
	if renewed := get(); renewed == first || !renewed.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("not renewed with 29 days left")
	}
}

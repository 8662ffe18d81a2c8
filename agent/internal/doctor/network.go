package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Network is how servers are reached.
type Network struct {
	Resolver *net.Resolver // default the machine's
	Dialer   net.Dialer
}

// server goes the way of a connection step by step, and names the step at
// which it ends.
func (m machine) server(ctx context.Context, server string) Finding {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return problem(fmt.Sprintf("%q is not host:port", server), "correct `servers` in the settings")
	}
	resolver := m.Network.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addresses, err := resolver.LookupHost(ctx, host)
	if err != nil {
		return problem("its name has no address: "+err.Error(),
			"check the network and its DNS server (cat /etc/resolv.conf); a typing error in the name looks the same")
	}
	conn, err := m.dial(ctx, addresses, port)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return problem(fmt.Sprintf("nobody listens on %s", server), "is the coordinator running, and is this its MQTT port?")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return problem("there is no way to "+addresses[0]+": "+err.Error(), "check cable or wireless network, and the router")
	case err != nil:
		return problem("no connection: "+err.Error(), "a firewall between here and there may drop it: port "+port+" must be open for outgoing TCP")
	}
	defer conn.Close()
	return m.handshake(ctx, conn, host)
}

func (m machine) dial(ctx context.Context, addresses []string, port string) (conn net.Conn, err error) {
	for _, address := range addresses {
		conn, err = m.Network.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, port))
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// handshake speaks TLS as the agent does: with the pinned CA and no other.
func (m machine) handshake(ctx context.Context, conn net.Conn, host string) Finding {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(m.CAPEM)) {
		return unknown("reached at " + conn.RemoteAddr().String() + "; without an enrolment its certificate cannot be checked")
	}
	started := m.Now()
	client := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12, Time: m.Now})
	err := client.HandshakeContext(ctx)
	if err == nil {
		return ok(fmt.Sprintf("reached at %s, certificate right, %s", conn.RemoteAddr(), m.Now().Sub(started).Round(time.Millisecond)))
	}
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, isStranger := errors.AsType[x509.UnknownAuthorityError](err)
	_, isOther := errors.AsType[x509.HostnameError](err)
	_, isPlain := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isInvalid && invalid.Reason == x509.Expired:
		return problem("its certificate is not valid at "+m.Now().UTC().Format(time.RFC3339)+", the time of this machine",
			"correct the clock of this machine first (timedatectl); if it is right, the coordinator's certificate has expired")
	case isStranger:
		return problem("its certificate is of another authority than the one pinned at enrolment",
			"a captive portal or proxy may answer instead of the coordinator; if the coordinator has a new CA, enrol again")
	case isOther:
		return problem(err.Error(), "add this name to the coordinator's LUCID_PUBLIC_HOSTS, or name it by one that it has")
	case isPlain:
		return problem("it does not speak TLS", "this is another port or program: MQTT with TLS is on 8883 by default; a captive portal also looks like this")
	}
	return problem("TLS: "+err.Error(), "something between here and the coordinator ends the connection: a proxy, a firewall, or a captive portal")
}

package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
)

// Cause is why there is no connection, for programs.
type Cause string

// Causes. What fits none has "".
const (
	CauseName        Cause = "dns"         // the server's name has no address here
	CauseUnreachable Cause = "unreachable" // no way there, or nothing comes back
	CauseRefused     Cause = "refused"     // the machine is there, nobody listens
	CauseStranger    Cause = "stranger"    // somebody else answers: a captive portal, a proxy
	CauseCertificate Cause = "certificate" // the coordinator's own, and not valid for this name or time
	CauseLogin       Cause = "login"       // the coordinator does not know the node or its keys
)

// failure is a connection that did not come about, with what to think of it.
type failure struct {
	cause Cause
	hint  string
	error
}

func (f *failure) Error() string {
	if f.hint == "" {
		return f.error.Error()
	}
	return fmt.Sprintf("%s (%s)", f.hint, f.error)
}

func (f *failure) Unwrap() error { return f.error }

func causeOf(err error) Cause {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.cause
	}
	return ""
}

// reached explains why a server could not be reached.
func reached(err error) error {
	name, isName := errors.AsType[*net.DNSError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case isName && name.IsNotFound:
		return &failure{CauseName, fmt.Sprintf("the name %s has no address: it is misspelt, or this network's DNS server does not know it", name.Name), err}
	case isName:
		return &failure{CauseName, "this network's DNS server does not answer", err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &failure{CauseRefused, "nobody listens there: the coordinator is down, or this is another port or machine", err}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return &failure{CauseUnreachable, "there is no way there: check cable, wireless network and router", err}
	case isNetwork && network.Timeout():
		return &failure{CauseUnreachable, "nothing comes back: a firewall or captive portal may hold it up", err}
	}
	return err
}

// greeted explains why a server that was reached is not the coordinator.
func greeted(server, host string, err error) error {
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, isStranger := errors.AsType[x509.UnknownAuthorityError](err)
	other, isOther := errors.AsType[x509.HostnameError](err)
	_, isPlain := errors.AsType[tls.RecordHeaderError](err)
	wrapped := fmt.Errorf("TLS with %s: %w", server, err)
	switch {
	case isOther:
		return &failure{CauseCertificate, "", fmt.Errorf("TLS with %s: the certificate is valid for %s, not %s", server, names(other.Certificate), host)}
	case isInvalid && invalid.Reason == x509.Expired:
		return &failure{CauseCertificate, "its certificate is not valid at this time: check the clock first (timedatectl)", wrapped}
	case isPlain, isStranger:
		return &failure{CauseStranger, "somebody else than the coordinator answers: perhaps a captive portal that wants a sign-in, or a proxy; if the coordinator has a new CA, enrol again", wrapped}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.DeadlineExceeded) {
		return &failure{CauseStranger, "the connection ends before the coordinator has shown itself: perhaps a captive portal, a proxy or a firewall", wrapped}
	}
	return wrapped
}

// names that a certificate is valid for, each once.
func names(c *x509.Certificate) string {
	list := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

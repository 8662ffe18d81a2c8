// Package authority owns the project's own certificate authority (CA): the one
// root that agents pin, and the short-lived certificates of API and broker.
//
// It must never let its private key out of the process; at rest the key lies
// sealed in the database.
package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	caLife    = 20 * 365 * 24 * time.Hour
	leafLife  = 90 * 24 * time.Hour
	leafRenew = 30 * 24 * time.Hour // renewed when less than this is left
	backdate  = 24 * time.Hour      // a Pi's clock may lag before it is set
)

// Secret gives the secret of a name, made by create on first use.
type Secret func(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error)

// firstCA is the secret's name of the first CA; those that follow it have its
// name as their prefix.
const firstCA = "ca"

// Authority signs certificates with the CA's key. While one CA follows another,
// clients are told to trust both.
type Authority struct {
	secret Secret
	plans  func(context.Context) ([]Plan, error)
	now    func() time.Time
	all    atomic.Pointer[[]generation] // oldest first
}

// Load reads the CAs from the sealed secrets and makes the first one at first
// use. plans gives those that follow it, oldest first; nil: none.
func Load(ctx context.Context, secret Secret, plans func(context.Context) ([]Plan, error), now func() time.Time) (*Authority, error) {
	if now == nil {
		now = time.Now
	}
	if plans == nil {
		plans = func(context.Context) ([]Plan, error) { return nil, nil }
	}
	a := &Authority{secret: secret, plans: plans, now: now}
	return a, a.Reload(ctx)
}

// Reload takes over a CA that was made meanwhile.
func (a *Authority) Reload(ctx context.Context) error {
	plans, err := a.plans(ctx)
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	all := make([]generation, 0, 1+len(plans))
	for _, plan := range append([]Plan{{Name: firstCA}}, plans...) {
		bundle, err := a.secret(ctx, plan.Name, func() ([]byte, error) { return newCA(a.now()) })
		if err != nil {
			return fmt.Errorf("certificate authority: %w", err)
		}
		g, err := parseCA(bundle)
		if err != nil {
			return fmt.Errorf("certificate authority %s: %w", plan.Name, err)
		}
		g.Plan = plan
		all = append(all, g)
	}
	a.all.Store(&all)
	return nil
}

func parseCA(bundle []byte) (g generation, err error) {
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			g.certificate, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			g.key, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return g, err
		}
	}
	if g.certificate == nil || g.key == nil {
		return g, errors.New("the sealed secret holds no certificate and key")
	}
	return g, nil
}

func newCA(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Lucid coordinator CA"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})...), nil
}

// CAPEM are the certificates of the CAs that clients trust now.
func (a *Authority) CAPEM() string {
	var b strings.Builder
	for _, g := range trusted(*a.all.Load(), a.now()) {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.certificate.Raw}))
	}
	return b.String()
}

// Pin is the hexadecimal SHA-256 of the SubjectPublicKeyInfo of the CA that
// issues now, by which a device recognises it before it knows anything else.
func (a *Authority) Pin() string {
	sum := sha256.Sum256(issuing(*a.all.Load(), a.now()).certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Newest is the plan of the newest CA; ok is false while there is but the first.
func (a *Authority) Newest() (p Plan, ok bool) {
	all := *a.all.Load()
	return all[len(all)-1].Plan, len(all) > 1
}

// ServerTLS is a server's configuration with a certificate for the hosts (names
// or addresses), made now and made again before it expires.
func (a *Authority) ServerTLS(hosts []string) (*tls.Config, error) {
	server := &leaf{authority: a, hosts: hosts}
	if _, err := server.get(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return server.get() },
	}, nil
}

// CertificatePEM makes a certificate for the hosts and its key, for a server of
// another program; it is valid for 90 days.
func (a *Authority) CertificatePEM(hosts []string) (chain, key []byte, err error) {
	made, err := a.issue(hosts, a.now())
	if err != nil {
		return nil, nil, fmt.Errorf("certificate for %v: %w", hosts, err)
	}
	for _, raw := range made.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})...)
	}
	private, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), nil
}

// leaf keeps one server's current certificate.
type leaf struct {
	authority *Authority
	hosts     []string
	mu        sync.Mutex
	current   *tls.Certificate
	by        *x509.Certificate // the CA that made it
}

func (l *leaf) get() (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.authority.now()
	ca := issuing(*l.authority.all.Load(), now).certificate
	if l.current != nil && l.by.Equal(ca) && now.Add(leafRenew).Before(l.current.Leaf.NotAfter) {
		return l.current, nil
	}
	made, err := l.authority.issue(l.hosts, now)
	if err != nil {
		return nil, fmt.Errorf("certificate for %v: %w", l.hosts, err)
	}
	l.current, l.by = made, ca
	return made, nil
}

func (a *Authority) issue(hosts []string, now time.Time) (*tls.Certificate, error) {
	if len(hosts) == 0 {
		return nil, errors.New("no host names")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	ca := issuing(*a.all.Load(), now)
	raw, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{raw, ca.certificate.Raw}, PrivateKey: key, Leaf: parsed}, nil
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	b[0] &= 0x7f           // positive
	return new(big.Int).SetBytes(b[:])
}

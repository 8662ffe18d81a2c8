// Package authority owns the project's own certificate authority (CA): the one
// root that agents pin, and the short-lived certificates of API and broker.
//
// It must never let its private key out of the process; at rest the key lies
// sealed in the database.
package authority

import (
	"context"
	"crypto"
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
	"sync"
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

// Authority signs certificates with the CA's key.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	now         func() time.Time
}

// Load reads the CA from the sealed secrets and makes it at first use.
func Load(ctx context.Context, secret Secret, now func() time.Time) (*Authority, error) {
	if now == nil {
		now = time.Now
	}
	bundle, err := secret(ctx, "ca", func() ([]byte, error) { return newCA(now()) })
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	a := &Authority{now: now}
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			a.certificate, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			a.key, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return nil, fmt.Errorf("certificate authority: %w", err)
		}
	}
	if a.certificate == nil || a.key == nil {
		return nil, errors.New("certificate authority: the sealed secret holds no certificate and key")
	}
	return a, nil
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

// CAPEM is the CA's certificate, which clients trust.
func (a *Authority) CAPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
}

// Pin is the hexadecimal SHA-256 of the CA's SubjectPublicKeyInfo, by which a
// device recognises the CA before it knows anything else.
func (a *Authority) Pin() string {
	sum := sha256.Sum256(a.certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
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
}

func (l *leaf) get() (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.authority.now()
	if l.current != nil && now.Add(leafRenew).Before(l.current.Leaf.NotAfter) {
		return l.current, nil
	}
	made, err := l.authority.issue(l.hosts, now)
	if err != nil {
		return nil, fmt.Errorf("certificate for %v: %w", l.hosts, err)
	}
	l.current = made
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
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{raw, a.certificate.Raw}, PrivateKey: key, Leaf: parsed}, nil
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	b[0] &= 0x7f           // positive
	return new(big.Int).SetBytes(b[:])
}

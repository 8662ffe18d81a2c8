// Package issuer owns the tokens of others: it checks a JSON Web Token by the
// published keys of an issuer that the operator named.
//
// It must never take an algorithm, an audience or an address from a token:
// those are pinned by the settings. It does not know what a role may do.
package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"lucid.internal/coordinator/internal/hostname"
)

// Config is one outside issuer. All but the role's fields are required.
type Config struct {
	Name      string            // short: it stands before the subject in logs
	Issuer    string            // exactly the token's iss
	Audience  string            // must be in the token's aud
	JWKSURL   string            // https, or http on loopback
	Algorithm string            // EdDSA, ES256 or RS256; no other is taken
	RoleClaim string            // claim that holds a text or a list of texts; "" for none
	Roles     map[string]string // value of the claim -> role
	Client    *http.Client      // default: one with time-outs and no redirects
	Now       func() time.Time
}

// Identity is who a good token speaks for.
type Identity struct {
	Subject string   // name of the issuer, a colon, and its sub
	Roles   []string // what Config.Roles gives for the token's claim
	Until   time.Time
}

// Issuer checks the tokens of one outside issuer.
type Issuer struct {
	config Config
	keys   *keySet
	parser *jwt.Parser
}

const (
	maxSubjectBytes = 128
	leeway          = 30 * time.Second // their clock is not ours
)

// New makes an Issuer. It does not ask for keys before the first token comes.
func New(c Config) (*Issuer, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Client == nil {
		c.Client = newClient()
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("outside issuer %q: %w", c.Name, err)
	}
	return &Issuer{
		config: c,
		keys:   newKeySet(c.JWKSURL, c.Algorithm, c.Client, c.Now),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{c.Algorithm}), jwt.WithIssuer(c.Issuer), jwt.WithAudience(c.Audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(c.Now),
		),
	}, nil
}

func (c Config) check() error {
	if c.Name == "" || c.Issuer == "" || c.Audience == "" {
		return errors.New("name, issuer and audience are required")
	}
	if strings.ContainsFunc(c.Name, func(r rune) bool { return r == ':' || r <= ' ' || r > '~' }) {
		return errors.New("name holds a character that is not plain, or a colon")
	}
	if !slices.Contains([]string{"EdDSA", "ES256", "RS256"}, c.Algorithm) {
		return fmt.Errorf("algorithm %q is not EdDSA, ES256 or RS256", c.Algorithm)
	}
	u, err := url.Parse(c.JWKSURL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !hostname.Loopback(u.Hostname())) {
		return fmt.Errorf("jwks_url %q is not https (http is for loopback only)", c.JWKSURL)
	}
	if len(c.Roles) > 0 && c.RoleClaim == "" {
		return errors.New("roles are mapped, but role_claim does not say from what")
	}
	return nil
}

// Verify checks a token. bad says that the token is to blame; otherwise an
// error means that the issuer's keys could not be had. Errors may quote the
// token: they are not for strangers.
func (i *Issuer) Verify(ctx context.Context, text string) (id Identity, bad bool, err error) {
	claims := jwt.MapClaims{}
	unavailable := false
	_, err = i.parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		if _, has := t.Header["crit"]; has { // RFC 7515: who does not know the extension must refuse
			return nil, errors.New("the token needs an extension that we do not know")
		}
		kid, _ := t.Header["kid"].(string)
		if kid == "" {
			return nil, errors.New("the token names no key")
		}
		key, err := i.keys.find(ctx, kid)
		unavailable = errors.Is(err, errUnavailable)
		return key, err
	})
	if err != nil {
		return Identity{}, !unavailable, err
	}
	subject, err := claims.GetSubject()
	if err != nil || subject == "" || len(subject) > maxSubjectBytes ||
		strings.ContainsFunc(subject, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsGraphic(r) }) {
		return Identity{}, true, errors.New("the token's subject is missing or odd")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return Identity{}, true, err
	}
	return Identity{Subject: i.config.Name + ":" + subject, Roles: i.roles(claims), Until: expires.UTC()}, false, nil
}

// roles maps the claim, a text or a list of texts. What is not mapped counts
// for nothing.
func (i *Issuer) roles(claims jwt.MapClaims) (roles []string) {
	var given []any
	switch v := claims[i.config.RoleClaim].(type) {
	case string:
		given = []any{v}
	case []any:
		given = v
	}
	for _, g := range given {
		if text, ok := g.(string); ok {
			if role, mapped := i.config.Roles[text]; mapped {
				roles = append(roles, role)
			}
		}
	}
	return roles
}

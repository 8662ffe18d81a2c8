package access

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/access/issuer"
	"lucid.internal/coordinator/internal/fault"
)

// outsideMemory is how long a token of an outside issuer is trusted without
// looking again: a key that the issuer withdraws counts no longer after it.
const outsideMemory = 5 * time.Minute

func newOutside(c Config) (map[string]*issuer.Issuer, error) {
	outside := map[string]*issuer.Issuer{}
	for _, one := range c.Outside {
		for value, role := range one.Roles {
			if !Role(role).Valid() {
				return nil, fmt.Errorf("outside issuer %q: %q is mapped to %q, which is no role", one.Name, value, role)
			}
		}
		if one.Now == nil {
			one.Now = c.Now
		}
		i, err := issuer.New(one)
		if err != nil {
			return nil, err
		}
		if one.Issuer == c.Issuer || outside[one.Issuer] != nil {
			return nil, fmt.Errorf("outside issuer %q: %q is taken", one.Name, one.Issuer)
		}
		outside[one.Issuer] = i
	}
	return outside, nil
}

// verifyOutside takes a token of an outside issuer: a viewer, unless a claim is
// mapped to more.
func (s *Store) verifyOutside(ctx context.Context, i *issuer.Issuer, credential string) (Principal, time.Time, error) {
	id, bad, err := i.Verify(ctx, credential)
	if bad {
		return Principal{}, time.Time{}, errRefused()
	}
	if err != nil {
		return Principal{}, time.Time{}, fault.Wrap(fault.TimedOut, err, "the keys of this token's issuer cannot be had at the moment; try again")
	}
	p := Principal{Kind: ByIssuer, ID: id.Subject, Role: Viewer, Until: id.Until}
	for _, role := range id.Roles {
		if Role(role).Covers(p.Role) {
			p.Role = Role(role)
		}
	}
	keep := s.now().Add(outsideMemory)
	if p.Until.Before(keep) {
		keep = p.Until
	}
	return p, keep, nil
}

package authority

import (
	"crypto"
	"crypto/x509"
	"time"
)

// Plan is when a CA follows the one before it.
type Plan struct {
	Name       string    // of its sealed secret
	Announced  time.Time // from here on it is trusted beside the one before
	IssuesFrom time.Time // from here on certificates are made by it
	OldUntil   time.Time // until here the one before is trusted
}

// generation is one CA of those that followed each other.
type generation struct {
	Plan
	certificate *x509.Certificate
	key         crypto.Signer
}

// issuing is the CA that makes certificates at that time. The first one has no
// plan, so there always is one.
func issuing(all []generation, at time.Time) *generation {
	for i := len(all) - 1; i > 0; i-- {
		if !at.Before(all[i].IssuesFrom) {
			return &all[i]
		}
	}
	return &all[0]
}

// trusted are the CAs that clients are to trust at that time, oldest first.
func trusted(all []generation, at time.Time) (list []*generation) {
	for i := range all {
		announced := i == 0 || !at.Before(all[i].Announced)
		over := i+1 < len(all) && !at.Before(all[i+1].OldUntil)
		if announced && !over {
			list = append(list, &all[i])
		}
	}
	return list
}

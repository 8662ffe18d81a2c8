package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/fault"
)

const keyHeader = "X-API-Key"

// authenticate finds out who calls.
func (s *server) authenticate(ctx context.Context, r *http.Request) (access.Principal, error) {
	credential, err := credentialOf(r)
	if err != nil {
		return access.Principal{}, err
	}
	return s.Access.Authenticate(ctx, credential)
}

// credentialOf is the one credential of a request: two that differ would leave
// open whom it speaks for.
func credentialOf(r *http.Request) (string, error) {
	bearer, err := bearerOf(r.Header.Values("Authorization"))
	if err != nil {
		return "", err
	}
	key := r.Header.Get(keyHeader)
	switch {
	case bearer == "" && key == "" && cookieOf(r) != "":
		return cookieOf(r), nil
	case bearer == "" && key == "":
		return "", fault.New(fault.NoCredentials,
			"send an API key or a token as Authorization: Bearer, or an API key as %s", keyHeader)
	case bearer != "" && key != "" && bearer != key:
		return "", fault.New(fault.BadCredentials, "send either Authorization or %s, not both", keyHeader)
	case bearer == "":
		bearer = key
	}
	return bearer, nil
}

func bearerOf(headers []string) (string, error) {
	switch len(headers) {
	case 0:
		return "", nil
	case 1:
		scheme, credential, found := strings.Cut(headers[0], " ")
		if found && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(credential), nil
		}
	}
	return "", fault.New(fault.BadCredentials, "Authorization must be given once, as: Bearer followed by the key or token")
}

func hasCredential(r *http.Request) bool {
	return r.Header.Get("Authorization") != "" || r.Header.Get(keyHeader) != ""
}

// admit finds out who calls, and whether that caller may call the operation at
// all, now, and for the node that stands in the path.
func (s *server) admit(ctx context.Context, c *gin.Context, o operation) (access.Principal, error) {
	nodeID := c.Param("node_id")
	p, err := s.identify(ctx, c)
	if err != nil {
		return p, err
	}
	if o.role == access.Admin || o.money {
		if p, err = s.Access.Recheck(ctx, p); err != nil {
			return p, err
		}
	}
	switch {
	case o.role != "" && !p.Role.Covers(o.role):
		return p, fault.New(fault.RoleTooLow, "%s needs role %s; this credential has %s", o.id, o.role, p.Role)
	case len(p.NodeIDs) == 0:
		return p, nil
	case o.role != "" && !o.owner:
		return p, fault.New(fault.RoleTooLow, "%s is not for credentials that are bound to nodes", o.id)
	case nodeID != "" && !slices.Contains(p.NodeIDs, nodeID):
		return p, fault.New(fault.NodeNotFound, "no such node among those that this credential is bound to")
	}
	return p, nil
}

// by is on whose behalf an operation changes something.
func by(ctx context.Context) audit.By {
	c := callOf(ctx)
	return audit.By{Actor: c.principal.ID, RequestID: c.id}
}

func (s *server) authOperations() {
	s.tokenOperations()
	s.keyOperations()
	s.grantOperations()
	s.userOperations()
}

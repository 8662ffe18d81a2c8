package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

const keyHeader = "X-API-Key"

// authenticate finds out who calls. A request carries one credential: two that
// differ would leave open whom it speaks for.
func (s *server) authenticate(ctx context.Context, r *http.Request) (access.Principal, error) {
	bearer, err := bearerOf(r.Header.Values("Authorization"))
	if err != nil {
		return access.Principal{}, err
	}
	key := r.Header.Get(keyHeader)
	switch {
	case bearer == "" && key == "":
		return access.Principal{}, fault.New(fault.NoCredentials,
			"send an API key or a token as Authorization: Bearer, or an API key as %s", keyHeader)
	case bearer != "" && key != "" && bearer != key:
		return access.Principal{}, fault.New(fault.BadCredentials, "send either Authorization or %s, not both", keyHeader)
	case bearer == "":
		bearer = key
	}
	return s.Access.Authenticate(ctx, bearer)
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

func (s *server) authOperations() {
	register(s, operation{
		id: "createToken", method: http.MethodPost, path: basePath + "/auth/token", tag: "access", role: access.Viewer,
		summary: "Exchange an API key for a token",
		description: "The token has the key's role and ends after 15 minutes, or with the key. " +
			"Present the key itself: a token makes no tokens.",
		example: tokenBody{
			AccessToken: "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiJ9.eyJzdWIiOiJrZXlfLi4uIn0.c2lnbmF0dXJl", TokenType: "Bearer",
			ExpiresIn: 900, ExpiresAt: exampleTime(), Role: "operator",
		},
	}, s.createToken)
}

type tokenBody struct {
	AccessToken string    `json:"access_token"`
	TokenType   string    `json:"token_type" enum:"Bearer"`
	ExpiresIn   int64     `json:"expires_in" doc:"Seconds."`
	ExpiresAt   time.Time `json:"expires_at"`
	Role        string    `json:"role" enum:"viewer,operator,admin,service"`
}

func (s *server) createToken(ctx context.Context, _ *struct{}) (*answer[tokenBody], error) {
	caller := callOf(ctx).principal
	t, err := s.Access.Exchange(caller)
	if err != nil {
		return nil, err
	}
	return answered(tokenBody{
		AccessToken: t.Text, TokenType: "Bearer", ExpiresIn: int64(t.Expires.Sub(s.Now()) / time.Second),
		ExpiresAt: t.Expires, Role: string(caller.Role),
	})
}

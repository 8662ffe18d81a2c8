package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

func (s *server) tokenOperations() {
	register(s, operation{
		id: "createToken", method: http.MethodPost, path: basePath + "/auth/token", tag: "access", welcomes: true, maxBody: maxAuthBytes,
		summary: "Log in, or exchange an API key for a token",
		description: "With name and password in the body it opens a session: a token of 15 minutes and a refresh token for the next one. " +
			"With an API key as credential and no body it gives a token with the key's role, which ends after 15 minutes or with the key. " +
			"A token makes no tokens. Failed logins make the next ones wait, by name and by address.",
		errors:  []fault.Code{fault.NoCredentials, fault.BadCredentials, fault.RateLimited},
		request: loginBody{Name: "ada", Password: "a sentence of her own"},
		example: exampleToken(),
	}, s.createToken)
	register(s, operation{
		id: "refreshToken", method: http.MethodPost, path: basePath + "/auth/refresh", tag: "access", maxBody: maxAuthBytes,
		summary: "Exchange a refresh token for the next token",
		description: "A refresh token is good once: the answer holds its successor. One that comes a second time has been copied, so the whole " +
			"session ends and its user logs in again.",
		errors: []fault.Code{fault.BadCredentials}, request: refreshBody{RefreshToken: "lucidr_1f2e3c"}, example: exampleToken(),
	}, s.refreshToken)
	register(s, operation{
		id: "logout", method: http.MethodPost, path: basePath + "/auth/logout", tag: "access", maxBody: maxAuthBytes,
		status: http.StatusNoContent, summary: "End a session", request: refreshBody{RefreshToken: "lucidr_1f2e3d"},
		description: "Ends the session of the refresh token and its tokens. A refresh token that nobody knows gets the same answer.",
	}, s.logout)
	register(s, operation{
		id: "getJWKS", method: http.MethodGet, path: "/.well-known/jwks.json", tag: "access",
		summary:     "Read the keys that sign tokens",
		description: "A JSON Web Key Set (RFC 7517). A key appears minutes before it signs and stays until its last token has expired.",
		example:     jwksBody{Keys: []jwkBody{{Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", Kid: "5f1a0c9e77b3d204", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}},
	}, s.getJWKS)
}

// maxAuthBytes bounds the bodies that anybody can send.
const maxAuthBytes = 8 << 10

type loginBody struct {
	Name     string `json:"name" minLength:"1" maxLength:"100" example:"ada" doc:"Name of the user."`
	Password string `json:"password" minLength:"1" maxLength:"200" format:"password"`
}

type refreshBody struct {
	RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"100" example:"lucidr_..."`
}

type tokenBody struct {
	AccessToken      string     `json:"access_token"`
	TokenType        string     `json:"token_type" enum:"Bearer"`
	ExpiresIn        int64      `json:"expires_in" doc:"Seconds."`
	ExpiresAt        time.Time  `json:"expires_at"`
	Role             string     `json:"role" enum:"viewer,operator,admin,service"`
	RefreshToken     *string    `json:"refresh_token" doc:"Of a login: good once, for the next token. null for an API key, which can be exchanged again."`
	RefreshExpiresAt *time.Time `json:"refresh_expires_at"`
}

// tokenAnswer is a token; that of a login also comes as a cookie for events.
type tokenAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"Of a login: the token for GET /events, HttpOnly and SameSite=Strict."`
	Body      tokenBody
}

func (s *server) grantAnswer(ctx context.Context, g access.Grant) *tokenAnswer {
	return &tokenAnswer{cookieFor(g.Token, s.Now(), callOf(ctx).encrypted), s.shapeGrant(g)}
}

func (s *server) createToken(ctx context.Context, in *struct{ Body *loginBody }) (*tokenAnswer, error) {
	caller := callOf(ctx)
	switch {
	case in.Body != nil && caller.principal.ID != "":
		return nil, fault.New(fault.BadCredentials, "send either a credential or name and password, not both")
	case in.Body == nil && caller.principal.ID == "":
		return nil, fault.New(fault.NoCredentials, "send name and password, or an API key as Authorization: Bearer or as %s", keyHeader)
	case in.Body == nil:
		t, err := s.Access.Exchange(caller.principal)
		if err != nil {
			return nil, err
		}
		return &tokenAnswer{Body: s.shapeToken(t, caller.principal.Role)}, nil
	}
	g, err := s.Access.Login(ctx, access.Attempt{
		Name: in.Body.Name, Password: in.Body.Password, Address: caller.address, RequestID: caller.id,
	})
	if err != nil {
		return nil, err
	}
	return s.grantAnswer(ctx, g), nil
}

func (s *server) refreshToken(ctx context.Context, in *struct{ Body refreshBody }) (*tokenAnswer, error) {
	g, err := s.Access.Refresh(ctx, in.Body.RefreshToken, callOf(ctx).id)
	if err != nil {
		return nil, err
	}
	return s.grantAnswer(ctx, g), nil
}

type logoutAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"Takes the cookie for GET /events away."`
}

func (s *server) logout(ctx context.Context, in *struct{ Body refreshBody }) (*logoutAnswer, error) {
	if err := s.Access.Logout(ctx, in.Body.RefreshToken, callOf(ctx).id); err != nil {
		return nil, err
	}
	return &logoutAnswer{cookieFor(access.Token{}, s.Now(), callOf(ctx).encrypted)}, nil
}

func (s *server) shapeToken(t access.Token, role access.Role) tokenBody {
	return tokenBody{
		AccessToken: t.Text, TokenType: "Bearer", ExpiresIn: int64(t.Expires.Sub(s.Now()) / time.Second), ExpiresAt: t.Expires, Role: string(role),
	}
}

func (s *server) shapeGrant(g access.Grant) tokenBody {
	b := s.shapeToken(g.Token, g.Role)
	b.RefreshToken, b.RefreshExpiresAt = &g.Refresh, &g.RefreshExpires
	return b
}

func exampleToken() tokenBody {
	refresh, until := "lucidr_1f2e3d", exampleTime().Add(14*24*time.Hour)
	return tokenBody{
		AccessToken: "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiJ9.eyJzdWIiOiJ1c2VyXy4uLiJ9.c2lnbmF0dXJl", TokenType: "Bearer",
		ExpiresIn: 900, ExpiresAt: exampleTime(), Role: "operator", RefreshToken: &refresh, RefreshExpiresAt: &until,
	}
}

type jwksBody struct {
	Keys []jwkBody `json:"keys" nullable:"false"`
}

type jwkBody struct {
	Kty string `json:"kty" enum:"OKP"`
	Crv string `json:"crv" enum:"Ed25519"`
	Alg string `json:"alg" enum:"EdDSA"`
	Use string `json:"use" enum:"sig"`
	Kid string `json:"kid"`
	X   string `json:"x" doc:"The public key, base64url."`
}

type jwksAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         jwksBody
}

// getJWKS may be cached for less time than a new key is known before it signs.
func (s *server) getJWKS(context.Context, *struct{}) (*jwksAnswer, error) {
	return &jwksAnswer{"public, max-age=60", jwksBody{shape(s.Access.PublicKeys(), func(k access.PublicKey) jwkBody {
		return jwkBody{Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", Kid: k.ID, X: base64.RawURLEncoding.EncodeToString(k.Key)}
	})}}, nil
}

package api

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
)

// cookie is the one that an answer sets; nil for none.
func (a answerOf) cookie() *http.Cookie {
	for _, c := range a.Cookies() {
		return c
	}
	return nil
}

func withCookie(value string, edits ...func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: eventsCookie, Value: value})
		for _, edit := range edits {
			edit(r)
		}
	}
}

func TestEventsCookie(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	w.want(w.asAdmin(http.MethodPost, usersPath, `{"name":"ada","role":"admin","password":"`+password+`"}`), http.StatusCreated, nil)
	login := func(edit func(*http.Request)) answerOf {
		t.Helper()
		a := w.send(http.MethodPost, tokenPath, `{"name":"ada","password":"`+password+`"}`, edit)
		w.want(a, http.StatusOK, nil)
		return a
	}
	overTLS := from("10.0.0.1:1", func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") })
	for secure, edit := range map[bool]func(*http.Request){false: nil, true: overTLS} {
		c := login(edit).cookie()
		if c == nil || c.Name != eventsCookie || c.Path != "/api/v1/events" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode ||
			c.Secure != secure || c.MaxAge != 15*60 || c.Domain != "" {
			t.Errorf("the login sets %+v", c)
		}
	}
	first := login(nil)
	cookie := first.cookie().Value
	if a := w.send(http.MethodGet, eventsPath, "", withCookie(cookie)); a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("events by cookie: %d %s", a.StatusCode, a.body)
	}

	// It is good for nothing else, so a page that makes a browser send it gets nothing done.
	for _, target := range []string{nodesPath, usersPath, "/api/v1/audit"} {
		w.wantError(w.send(http.MethodGet, target, "", withCookie(cookie)), http.StatusUnauthorized, "LUCID_ERR_2001")
	}
	w.wantError(w.send(http.MethodPost, usersPath, `{"name":"eve","role":"admin","password":"`+password+`"}`, withCookie(cookie)),
		http.StatusUnauthorized, "LUCID_ERR_2001")
	w.wantError(w.send(http.MethodPost, eventsPath, "", withCookie(cookie)), http.StatusMethodNotAllowed, "LUCID_ERR_1005")
	// A header goes before it, also a bad one.
	w.wantError(w.send(http.MethodGet, eventsPath, "", withCookie(cookie, as("nonsense"))), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.wantError(w.send(http.MethodGet, eventsPath, "", withCookie("nonsense")), http.StatusUnauthorized, "LUCID_ERR_2002")

	// A key that is exchanged is a program's, which needs none.
	if c := w.send(http.MethodPost, tokenPath, "", as(w.keys[access.Viewer])).cookie(); c != nil {
		t.Errorf("an exchanged key sets %+v", c)
	}
	var token tokenBody
	w.decode(first.body, &token)
	refreshed := w.send(http.MethodPost, "/api/v1/auth/refresh", `{"refresh_token":"`+*token.RefreshToken+`"}`, nil)
	if c := refreshed.cookie(); c == nil || c.Value == cookie && c.MaxAge <= 0 {
		t.Errorf("the refresh sets %+v", c)
	}
	w.decode(refreshed.body, &token)
	out := w.send(http.MethodPost, "/api/v1/auth/logout", `{"refresh_token":"`+*token.RefreshToken+`"}`, nil)
	if c := out.cookie(); out.StatusCode != http.StatusNoContent || c == nil || c.MaxAge != -1 || c.Path != eventsPath || c.Value != "" {
		t.Errorf("the logout answers %d and sets %+v", out.StatusCode, c)
	}
	w.wantError(w.send(http.MethodGet, eventsPath, "", withCookie(cookie)), http.StatusUnauthorized, "LUCID_ERR_2002") // its session has ended
	cookie = login(nil).cookie().Value
	w.advance(15 * time.Minute)
	w.wantError(w.send(http.MethodGet, eventsPath, "", withCookie(cookie)), http.StatusUnauthorized, "LUCID_ERR_2002")
}

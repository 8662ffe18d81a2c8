package api

import (
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
)

// eventsPath is where events are followed.
const eventsPath = basePath + "/events"

// eventsCookie holds the token of a login for the stream of events, which a
// browser's EventSource opens without any header of ours.
//
// It is good for GET on that path only, so no page can make a browser change
// anything with it. SameSite keeps it from requests that other sites cause, and
// no other origin is let read what a cookie got: origin.go allows none.
const eventsCookie = "lucid_events"

func cookieOf(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path != eventsPath {
		return ""
	}
	c, err := r.Cookie(eventsCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// cookieFor is the Set-Cookie of a token, which ends with it. Only a connection
// that is encrypted up to the browser makes it Secure: dev has no TLS.
func cookieFor(t access.Token, now time.Time, encrypted bool) string {
	c := http.Cookie{
		Name: eventsCookie, Value: t.Text, Path: eventsPath, HttpOnly: true, Secure: encrypted, SameSite: http.SameSiteStrictMode,
		MaxAge: int(t.Expires.Sub(now) / time.Second),
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1 // which takes it away
	}
	return c.String()
}

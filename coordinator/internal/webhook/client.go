package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	timeLimit      = 10 * time.Second // of one attempt, from dialling to the end of the answer
	maxAnswerBytes = 64 << 10         // what is read of an answer; the rest is of no interest
	maxErrorBytes  = 300              // what is kept of one
)

// newClient makes a client that goes where it is sent and nowhere else: no
// proxy, no redirect, and the address is judged after the name was looked up,
// so that no name can lead elsewhere.
func newClient(linkLocal bool) *http.Client {
	dialer := &net.Dialer{
		Timeout: 5 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !allowed(to.Addr(), linkLocal) {
				return fmt.Errorf("%s is not an address that webhooks may reach", address)
			}
			return nil
		},
	}
	return &http.Client{
		Timeout: timeLimit,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends a body. status is 0 without an answer; problem says what was wrong
// with the attempt, "" when nothing was.
func (s *Store) post(ctx context.Context, target string, header map[string]string, body []byte) (status int, problem string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, problemOf(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "lucid-coordinator/"+s.cfg.Version)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := s.client.Do(r)
	if err != nil {
		return 0, problemOf(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	switch {
	case response.StatusCode < 300:
		return response.StatusCode, ""
	case response.StatusCode < 400:
		return response.StatusCode, "it redirects, which is not followed; give the webhook its final address"
	}
	return response.StatusCode, shorten(fmt.Sprintf("answered %d %s", response.StatusCode, text))
}

// problemOf says what was wrong without the URL, which may hold a secret.
func problemOf(err error) string {
	if about, is := errors.AsType[*url.Error](err); is {
		err = about.Err
	}
	return shorten(err.Error())
}

// shorten makes a text from outside fit to be kept and shown.
func shorten(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxErrorBytes {
		text = strings.ToValidUTF8(text[:maxErrorBytes], "")
	}
	return text
}

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"lucid.internal/coordinator/internal/alert"
)

// sign gives the value of the header webhook-signature, as the specification
// of Standard Webhooks (standardwebhooks.com) has it: HMAC-SHA256 under the
// secret over id "." seconds "." body.
func sign(secret []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

const (
	firstWait = 5 * time.Second
	mostWait  = time.Hour
	giveUp    = 24 * time.Hour // since the message was made
)

// wait is how long an endpoint is left in peace after so many failures in a
// row. luck, from 0 to 1, spreads those that failed together.
func wait(failures int, luck float64) time.Duration {
	d := mostWait
	if failures < 20 {
		d = min(firstWait<<max(failures-1, 0), mostWait)
	}
	return d/2 + time.Duration(luck*float64(d/2))
}

// verdict is what an attempt means for a delivery.
type verdict int

const (
	delivered verdict = iota
	again             // later
	refused           // never
	expired           // never, nor what is as old
)

// judge reads an answer's status; 0 is none. What the receiver finds wrong with
// the message would be wrong the next time too.
func judge(status int, age time.Duration) verdict {
	switch {
	case status >= 200 && status < 300:
		return delivered
	case status >= 400 && status < 500 && status != 401 && status != 403 && status != 404 && status != 408 && status != 425 && status != 429:
		return refused
	case age >= giveUp:
		return expired
	}
	return again
}

// selects reports whether an endpoint is told of an alert. One that was
// critical stays of interest until its end.
func selects(kinds []string, least alert.Severity, a alert.Alert) bool {
	return (len(kinds) == 0 || slices.Contains(kinds, string(a.Kind))) &&
		(least != alert.Critical || a.Severity == alert.Critical || a.Worst == alert.Critical)
}

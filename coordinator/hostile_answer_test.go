package coordinator

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// logbook is a log that may be read while it is written.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// page reads what stands at the coordinator's address.
func (l *life) page(path string) string {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.listener.Addr().String()+path, nil)
	l.must(err)
	r.Header.Set("Authorization", "Bearer "+l.key)
	answer, err := http.DefaultClient.Do(r)
	l.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	l.must(err)
	return string(text)
}

// dump is every row of every table, as text.
func (l *life) dump() string {
	l.t.Helper()
	all := func(query string) []string {
		rows, err := l.DB.Query(l.t.Context(), query)
		l.must(err)
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		l.must(err)
		return list
	}
	var text strings.Builder
	for _, table := range all("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'") {
		for _, row := range all("SELECT t::text FROM " + pgx.Identifier{table}.Sanitize() + " t") {
			fmt.Fprintln(&text, table, row)
		}
	}
	return text.String()
}

// spellings are the ways in which bytes come to stand in text.
func spellings(secret []byte) []string {
	return []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret), strings.Trim(fmt.Sprint(secret), "[]"),
		strings.Trim(strconv.Quote(string(secret)), `"`), // as a log does
	}
}

// ownKeys are the private keys that the coordinator signs with.
func (l *life) ownKeys() map[string][]byte {
	l.t.Helper()
	bundle, err := l.secrets.Secret(l.t.Context(), "ca", nil)
	l.must(err)
	_, rest := pem.Decode(bundle) // the certificate, which is no secret
	block, _ := pem.Decode(rest)
	ca, err := x509.ParseECPrivateKey(block.Bytes)
	l.must(err)
	scalar, err := ca.Bytes()
	l.must(err)
	signing, err := access.LoadSigningKeys(l.t.Context(), l.DB, l.secrets.Secret)
	l.must(err)
	return map[string][]byte{
		"CA key": scalar, "CA key's file": block.Bytes[:48], // a line of PEM, which holds all of it
		"enrolment key": l.enrolmentKey.Seed(), "JWT key": signing[0].Private.Seed(),
	}
}

// TestKeysStandNowhere greps all that comes out of a coordinator that works, and
// that is lied to, for every key that it uses.
func TestKeysStandNowhere(t *testing.T) {
	log := new(logbook)
	l := newLifeTelling(t, slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	id, token := l.create("attic-pi")
	d := l.enrol(token)
	d.connect()
	l.awaitRow("SELECT 1 FROM node WHERE node_id = $1 AND status = 'active'", id)
	good := d.keys
	d.keys.MQTTPassword += "x"
	if d.dial() == nil {
		t.Fatal("a wrong password logs in")
	}
	d.keys = good
	d.connect()
	for _, payload := range []string{"{", `{"v":1,"challenge_id":"` + strings.Repeat("0", 32) + `","bytes":"AAAA"}`} {
		l.must(done(d.client.Publish(wire.Topic(id, wire.ChannelResponse), 1, false, payload)))
	}
	l.call(http.MethodPost, "/enroll", `{"v":1}`, http.StatusUnprocessableEntity, nil)

	outputs := map[string]string{"log": log.String(), "metrics": l.page("/metrics"), "database": l.dump()}
	for _, path := range []string{
		"/nodes/" + id, "/nodes/" + id + "/poot/score", "/nodes/" + id + "/poot/history", "/nodes/" + id + "/poot/explain", "/audit", "/enrolment-tokens",
	} {
		outputs[path] = l.page("/api/v1" + path)
	}
	master, err := os.ReadFile(l.Config.DataDir + "/master.key")
	l.must(err)
	box, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(master)))
	if err != nil || len(box) != 32 {
		t.Fatalf("master key of %d bytes: %v", len(box), err)
	}
	secrets := l.ownKeys()
	maps.Copy(secrets, map[string][]byte{
		"node's root":   d.root[:],
		"challenge key": good.Challenge[:], "response key": good.Response[:], "command key": good.Command[:], "puzzle key": l.puzzleKey[:],
		"MQTT password": []byte(good.MQTTPassword), "enrolment token": []byte(token), "master key": box,
	})
	for what, secret := range secrets {
		for where, text := range outputs {
			for _, spelled := range spellings(secret) {
				if strings.Contains(text, spelled) {
					t.Errorf("the %s stands in: %s", what, where)
				}
			}
		}
	}
	if !strings.Contains(outputs["log"], id) || !strings.Contains(outputs["database"], id) || !strings.Contains(outputs["metrics"], "lucid_poot_answers_ignored_total") {
		t.Error("there is nothing to grep in")
	}
}

// TestFloodOfAnswersTouchesNobodyElse lets one node send answers by the thousand
// while another one enrols and proves itself.
func TestFloodOfAnswersTouchesNobodyElse(t *testing.T) {
	l := newLife(t)
	_, token := l.create("loud-pi")
	loud := l.enrol(token)
	loud.connect()
	l.awaitRow("SELECT 1 FROM node WHERE node_id = $1 AND status = 'active'", loud.id)
	junk := proof.Response{Solutions: make([]uint64, 8)}
	payload := loud.encode(wire.Response{V: wire.ProtocolVersion, ChallengeID: strings.Repeat("0", 32), Bytes: junk.Encode(proof.Key{9}, loud.sign)})
	for range 2000 {
		loud.client.Publish(wire.Topic(loud.id, wire.ChannelResponse), 1, false, payload)
	}
	_, token = l.create("quiet-pi")
	quiet := l.enrol(token)
	quiet.connect()
	l.awaitRow("SELECT 1 FROM node WHERE node_id = $1 AND status = 'active'", quiet.id)
	l.must(done(loud.client.Publish(wire.Topic(loud.id, wire.ChannelResponse), 1, false, payload))) // behind all of them

	var looked, paced float64
	for line := range strings.Lines(l.page("/metrics")) {
		if text, found := strings.CutPrefix(line, `lucid_poot_answers_ignored_total{reason="unknown_challenge"} `); found {
			_, _ = fmt.Sscan(text, &looked)
		}
		if text, found := strings.CutPrefix(line, "lucid_mqtt_paced_total "); found {
			_, _ = fmt.Sscan(text, &paced)
		}
	}
	const most = 1200 // two minutes' worth, were the test that slow
	if looked == 0 || looked > most || paced < 2001-most {
		t.Errorf("%.0f of 2001 answers were looked at, %.0f ignored; want at most %d looked at", looked, paced, most)
	}
	var verdicts int
	l.must(l.DB.QueryRow(t.Context(), "SELECT count(*) FROM verdict WHERE result = 'invalid'").Scan(&verdicts))
	if verdicts != 0 {
		t.Errorf("%d invalid verdicts", verdicts)
	}
}

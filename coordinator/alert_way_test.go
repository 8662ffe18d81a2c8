package coordinator

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/webhook"
	"lucid.internal/shared/wire"
)

// posted is what a webhook's receiver got.
type posted struct {
	header http.Header
	body   string
}

// A filesystem of a node has errors: it is told by the API, the event stream,
// MQTT, a signed webhook and an Alertmanager.
func TestAlertReachesEverybody(t *testing.T) {
	c := serving(t)
	ctx := t.Context()
	key, secret, err := c.CreateKey(ctx, KeyRequest{Name: "ops", Role: string(access.Viewer)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Access.GrantTopic(ctx, ByCLI(), key.ID, wire.EventTopic("alert")); err != nil {
		t.Fatal(err)
	}
	hooks, manager := make(chan posted, 10), make(chan posted, 10)
	_, signature, err := c.webhooks.Create(ctx, ByCLI(), webhook.New{Type: webhook.Signed, URL: receiver(t, hooks)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.webhooks.Create(ctx, ByCLI(), webhook.New{Type: webhook.Alertmanager, URL: receiver(t, manager)}); err != nil {
		t.Fatal(err)
	}
	i := c.integrator(t, key.ID, secret)
	if code := i.subscribe(wire.EventTopic("alert"), func(_ paho.Client, m paho.Message) { i.got <- m }); code != 1 {
		t.Fatalf("%#x", code)
	}
	stream := bufio.NewReader(c.ask(t, secret, "/events?kind=alert"))
	if _, err := stream.ReadString('\n'); err != nil { // it has begun
		t.Fatal(err)
	}

	const told = `{"seq":1,"disk":{"filesystems":[{"mount":"/","errors_count":3}]}}`
	for _, statement := range []string{
		"INSERT INTO node (node_id, name, status, online) VALUES ('node_a', 'attic-pi', 'active', true)",
		"INSERT INTO sample_latest (node_no, at, received_at, run_no, seq, body) SELECT node_no, now(), now(), 1, 1, '" + told + "' FROM node",
	} {
		if _, err := c.DB.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := alert.NewWatch(c.alerts).RunOnce(ctx); err != nil { // the leader's own looks every 15 s
		t.Fatal(err)
	}
	until(i, wire.EventTopic("alert"), func(m event.Message) bool {
		return m.Kind == event.Alert && m.NodeID == "node_a" && strings.Contains(string(m.Body), `"kind":"sd_errors","state":"firing"`)
	})
	awaitLine(t, stream, `"kind":"sd_errors","state":"firing"`)
	list, err := io.ReadAll(c.ask(t, secret, "/nodes/node_a/resources/alerts?active_only=true"))
	if err != nil || !strings.Contains(string(list), `"kind":"sd_errors","state":"firing"`) {
		t.Errorf("the API shows %s %v", list, err)
	}
	hook := await(t, hooks, "sd_errors")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signature, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, raw)
	io.WriteString(mac, hook.header.Get("webhook-id")+"."+hook.header.Get("webhook-timestamp")+"."+hook.body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); hook.header.Get("webhook-signature") != want {
		t.Errorf("signature %s, want %s", hook.header.Get("webhook-signature"), want)
	}
	await(t, manager, `"alertname":"lucid_sd_errors"`)
}

// receiver takes whatever is posted to it.
func receiver(t *testing.T, got chan posted) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- posted{r.Header, string(body)}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// await takes posts until one says something.
func await(t *testing.T, got chan posted, text string) posted {
	t.Helper()
	for timeout := time.After(integratorPatience); ; {
		select {
		case p := <-got:
			if strings.Contains(p.body, text) {
				return p
			}
		case <-timeout:
			t.Fatalf("nobody was posted %s", text)
		}
	}
}

// ask reads of the API; the test's end closes what is answered.
func (c *Coordinator) ask(t *testing.T, key, path string) io.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.listener.Addr().String()+"/api/v1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, answer.Status)
	}
	return answer.Body
}

// awaitLine reads a stream until a line says something.
func awaitLine(t *testing.T, stream *bufio.Reader, text string) {
	t.Helper()
	for {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

func TestWebhooks(t *testing.T) {
	w := newWorld(t)
	var bodies []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Header.Get("webhook-signature")+string(body))
	}))
	t.Cleanup(receiver.Close)
	admin := as(w.keys[access.Admin])
	send := func(method, path, body string, status int, into any) {
		t.Helper()
		a := w.send(method, path, body, admin)
		if a.StatusCode != status {
			t.Fatalf("%s %s: %d %s", method, path, a.StatusCode, a.body)
		}
		if into != nil {
			w.decode(a.body, into)
		}
	}
	var made createdWebhookBody
	send(http.MethodPost, "/api/v1/webhooks", `{"type": "webhook", "url": "`+receiver.URL+`", "kinds": ["disk", "cpu", "disk"]}`, http.StatusCreated, &made)
	if made.Secret == nil || !strings.HasPrefix(*made.Secret, "whsec_") || made.MinSeverity != "warning" {
		t.Errorf("%+v", made)
	}
	one := "/api/v1/webhooks/" + made.WebhookID
	send(http.MethodPost, one+"/test", "", http.StatusAccepted, nil)
	if err := w.Webhooks.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 1 || !strings.HasPrefix(bodies[0], "v1,") || !strings.Contains(bodies[0], `"type":"test"`) {
		t.Errorf("%q", bodies)
	}
	var deliveries deliveryListBody
	send(http.MethodGet, one+"/deliveries", "", http.StatusOK, &deliveries)
	if d := deliveries.Deliveries; len(d) != 1 || d[0].State != "delivered" || *d[0].Status != 200 || d[0].LastError != nil {
		t.Errorf("%+v", d)
	}
	var list webhookListBody
	send(http.MethodGet, "/api/v1/webhooks", "", http.StatusOK, &list)
	if l := list.Webhooks; len(l) != 1 || l[0].SucceededAt == nil || strings.Join(l[0].Kinds, " ") != "cpu disk" {
		t.Errorf("%+v", l)
	}
	var manager createdWebhookBody
	send(http.MethodPost, "/api/v1/webhooks", `{"type": "alertmanager", "url": "`+receiver.URL+`"}`, http.StatusCreated, &manager)
	if manager.Secret != nil {
		t.Errorf("an Alertmanager has a secret: %+v", manager)
	}
	w.wantError(w.send(http.MethodPost, "/api/v1/webhooks/"+manager.WebhookID+"/test", "", admin), 409, "LUCID_ERR_4003")
	send(http.MethodDelete, one, "", http.StatusNoContent, nil)
	w.wantError(w.send(http.MethodDelete, one, "", admin), 404, "LUCID_ERR_4901")
	w.wantError(w.send(http.MethodGet, one+"/deliveries", "", admin), 404, "LUCID_ERR_4901")
	d := w.wantError(w.send(http.MethodPost, "/api/v1/webhooks", `{"type": "webhook", "url": "http://169.254.169.254/"}`, admin), 422, "LUCID_ERR_1002")
	if len(d.Details) != 1 || d.Details[0].Name != "url" {
		t.Errorf("%+v", d)
	}
	w.wantError(w.send(http.MethodPost, "/api/v1/webhooks", `{"type": "webhook", "url": "https://a.example"}`, as(w.keys[access.Operator])), 403, "LUCID_ERR_2003")
	if n := w.auditCount("webhook."); n != 4 {
		t.Errorf("%d changes in the audit log, want 4", n)
	}
}

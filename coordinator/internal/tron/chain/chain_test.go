package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/tron"
)

// answering is a node that gives one answer to everything.
func answering(t *testing.T, handler http.HandlerFunc) *Node {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	node, err := NewNode(server.URL+"/secret-key/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func saying(t *testing.T, text string) *Node {
	return answering(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

// Whatever a node answers, it is read as what was asked for or as an error that
// does not tell the URL.
func TestAnswersThatAreNone(t *testing.T) {
	id := strings.Repeat("ab", 32)
	for name, c := range map[string]struct{ answer, wrong string }{
		"an error under status 200": {`{"Error": "class java.lang.NullPointerException : null"}`, "refused"},
		"no JSON":                   {`<html>`, "not what was asked for"},
		"another type":              {`{"id": 5}`, "not what was asked for"},
		"too much":                  {strings.Repeat(" ", maxAnswerBytes+1), "more than"},
		"another transaction":       {`{"id": "` + strings.Repeat("cd", 32) + `", "blockNumber": 5, "receipt": {"result": "SUCCESS"}}`, "does not tell"},
		"no block":                  {`{"id": "` + id + `", "receipt": {"result": "SUCCESS"}}`, "does not tell"},
		"no result":                 {`{"id": "` + id + `", "blockNumber": 5, "receipt": {}}`, "does not tell"},
		"failed with success":       {`{"id": "` + id + `", "blockNumber": 5, "result": "FAILED", "receipt": {"result": "SUCCESS"}}`, "does not tell"},
		"a negative fee":            {`{"id": "` + id + `", "blockNumber": 5, "fee": -1, "receipt": {"result": "SUCCESS"}}`, "does not tell"},
	} {
		wanted, _ := tron.ParseID(id)
		_, found, err := saying(t, c.answer).Receipt(t.Context(), wanted)
		if err == nil || found || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: found %v, %v", name, found, err)
		} else if strings.Contains(err.Error(), "secret-key") {
			t.Errorf("%s: the error tells the URL: %v", name, err)
		}
	}
	wanted, _ := tron.ParseID(id)
	if _, found, err := saying(t, `{}`).Receipt(t.Context(), wanted); found || err != nil {
		t.Errorf("an empty answer is not known, and no error: %v %v", found, err)
	}
}

func TestBlocksThatAreNone(t *testing.T) {
	header := func(id, number string) string {
		return fmt.Sprintf(`"blockID": "%s", "block_header": {"raw_data": {"number": %s, "timestamp": 5, "parentHash": "%s"}}`, id, number, strings.Repeat("0", 64))
	}
	id := fmt.Sprintf("%016x%048x", 7, 1)
	for name, answer := range map[string]string{
		"none":                           `{}`,
		"a number that is not in its id": "{" + header(id, "8") + "}",
		"another than was asked for":     "{" + header(fmt.Sprintf("%016x%048x", 8, 1), "8") + "}",
		"a transaction of another id":    "{" + header(id, "7") + `, "transactions": [{"txID": "` + id + `", "raw_data_hex": "0a"}]}`,
		"a transaction without bytes":    "{" + header(id, "7") + `, "transactions": [{"txID": "` + tron.IDOf(nil).String() + `"}]}`,
	} {
		if b, err := saying(t, answer).SolidBlock(t.Context(), 7); err == nil {
			t.Errorf("%s passes: %+v", name, b)
		}
	}
	if _, err := saying(t, "{"+header(id, "7")+"}").SolidBlock(t.Context(), 7); err != nil {
		t.Errorf("an empty block: %v", err)
	}
}

func TestNodeIsAskedOnce(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"busy": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		var asked atomic.Int64
		node := answering(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); handler(w, r) })
		if _, err := node.Broadcast(t.Context(), []byte("raw"), tron.Signature{}); err == nil || asked.Load() != 1 {
			t.Errorf("%s: asked %d times, %v", name, asked.Load(), err)
		}
	}
}

func TestSilentNodeIsLeft(t *testing.T) {
	end := make(chan struct{})
	node := answering(t, func(http.ResponseWriter, *http.Request) { <-end })
	t.Cleanup(func() { close(end) }) // before the server's own, which waits for this
	node.client.Timeout = 20 * time.Millisecond
	if _, err := node.Now(t.Context()); err == nil || !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "Timeout") {
		t.Errorf("%v", err)
	}
}

func TestVerdictThatSaysNothingIsAnError(t *testing.T) {
	if _, err := saying(t, `{}`).Broadcast(t.Context(), nil, tron.Signature{}); err == nil {
		t.Error("an empty verdict passes")
	}
	v, err := saying(t, `{"code": "DUP_TRANSACTION_ERROR", "message": "6475706c6963617465"}`).Broadcast(t.Context(), nil, tron.Signature{})
	if err != nil || v.Accepted || v.Code != "DUP_TRANSACTION_ERROR" || v.Message != "duplicate" {
		t.Errorf("%+v, %v", v, err)
	}
}

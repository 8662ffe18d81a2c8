package identity

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"lucid.internal/shared/wire"
)

// TestRequestSaysWhoseAnswerIsTaken: a coordinator with another key refuses
// before it makes a node. When the file is mended, the same request, which a
// coordinator may have bound its token to, says the new key.
func TestRequestSaysWhoseAnswerIsTaken(t *testing.T) {
	e, dir := newEnrolment(t), t.TempDir()+"/state"
	var asked []*wire.EnrollRequest
	e.Before = func(w http.ResponseWriter, r *wire.EnrollRequest, _ *wire.EnrollResponse) bool {
		asked = append(asked, r)
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	wrong, right := ticketOf(t, e.Ticket("first")), ticketOf(t, e.Ticket("first"))
	wrong.EnrolmentKey = bytes.Repeat([]byte{7}, 32)
	for _, ticket := range []*Ticket{wrong, right} {
		if _, err := Enrol(context.Background(), dir, ticket, wire.Inventory{}); err == nil {
			t.Fatal("enrolled without an answer")
		}
	}
	if len(asked) != 2 || !bytes.Equal(asked[0].EnrolmentKey, wrong.EnrolmentKey) || !bytes.Equal(asked[1].EnrolmentKey, right.EnrolmentKey) ||
		!bytes.Equal(asked[0].Signature, asked[1].Signature) {
		t.Errorf("asked %+v", asked)
	}
}

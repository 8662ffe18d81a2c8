package api

import (
	"net/http"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

// JSON cannot show a year above 9999, which a zone west of Greenwich reaches.
func TestTimesThatCannotBeShownAreRefused(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	const far = "9999-12-31T23:59:59-12:00"
	w.wantError(w.send(http.MethodPost, "/api/v1/apikeys", `{"name":"far","role":"viewer","expires_at":"`+far+`"}`, as(w.keys[access.Admin])),
		http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	w.wantError(w.send(http.MethodPut, "/api/v1/nodes/"+n.ID, `{"status":"maintenance","status_reason":"far","status_until":"`+far+`"}`, as(w.keys[access.Operator])),
		http.StatusUnprocessableEntity, "LUCID_ERR_1002")
}

package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
)

func (s *server) auditOperations() {
	register(s, operation{
		id: "listAudit", method: http.MethodGet, path: basePath + "/audit", collection: true, tag: "access", role: access.Admin,
		summary: "Read the audit log",
		description: "Who changed what, newest first. Each entry's hash covers its content and the entry before it; " +
			"`lucid-coordinator audit verify` checks the whole chain.",
		example: auditListBody{Entries: []auditBody{exampleAudit()}, Pagination: NumberCursorInput{Limit: 20}.next(0)},
	}, s.listAudit)
}

type auditInput struct {
	NumberCursorInput
	Actor  string    `query:"actor" maxLength:"200" doc:"Only what this key or user, cli:USER, device or system did."`
	Action string    `query:"action" maxLength:"100" doc:"Only this action, as pool.create."`
	Target string    `query:"target" maxLength:"200" doc:"Only what was done to this thing."`
	Since  time.Time `query:"since" doc:"At or after this time."`
	Until  time.Time `query:"until" doc:"Before this time."`
}

type auditListBody struct {
	Entries    []auditBody `json:"entries" nullable:"false"`
	Pagination pagination  `json:"pagination"`
}

type auditBody struct {
	EntryNo   int64      `json:"entry_no"`
	At        time.Time  `json:"at"`
	Actor     string     `json:"actor" doc:"Id of a key or user; cli:USER for a command beside the database; device or system."`
	Action    string     `json:"action"`
	Target    string     `json:"target"`
	Before    jsonObject `json:"before" doc:"null when there was nothing before."`
	After     jsonObject `json:"after" doc:"null when nothing is left."`
	RequestID *string    `json:"request_id" doc:"null when no request was the cause."`
	Hash      string     `json:"hash" doc:"SHA-256, in hex."`
}

func (s *server) listAudit(ctx context.Context, in *auditInput) (*answer[auditListBody], error) {
	f := audit.Filter{Actor: in.Actor, Action: in.Action, Target: in.Target, Since: in.Since, Until: in.Until, Before: in.after(), Limit: in.Limit}
	entries, next, err := s.Audit.List(ctx, f)
	if err != nil {
		return nil, err
	}
	return answered(auditListBody{shape(entries, shapeAudit), in.next(next)})
}

func shapeAudit(e audit.Entry) auditBody {
	return auditBody{
		EntryNo: e.No, At: e.At, Actor: e.Actor, Action: e.Action, Target: e.Target,
		Before: jsonObject{e.Before}, After: jsonObject{e.After}, RequestID: orNil(e.RequestID), Hash: hex.EncodeToString(e.Hash[:]),
	}
}

func exampleAudit() auditBody {
	return shapeAudit(audit.Entry{
		No: 42, At: exampleTime(), Actor: "key_4f1c2a", Action: "pool.create", Target: "pool_home",
		After: json.RawMessage(`{"name":"home"}`), RequestID: "018e0000-0000-7000-8000-000000000001",
	})
}

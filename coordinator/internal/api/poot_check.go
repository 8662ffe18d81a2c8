package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/fault"
)

// maxProofBatchBytes holds as many answers as one request may bring.
const maxProofBatchBytes = 8 << 20

func (s *server) pootCheckOperations() {
	answer := ShownAnswer{OutputData: []byte("canonical bytes of a response"), Nonce: "018e000000007000800000000000002a", Timestamp: instant{exampleTime()}}
	register(s, operation{
		id: "validateProof", method: http.MethodPost, path: basePath + "/nodes/{node_id}/poot/validate", tag: "poot", role: access.Operator,
		summary: "Check a node's answer to a challenge",
		description: "Compares an answer with a challenge that is judged, and gives the verdict on record, which never changes. " +
			"Answers are judged where nodes give them, over MQTT: an open challenge is refused. Three answers can be checked for each challenge; " +
			"the same one again, within minutes, is not counted.",
		errors:  []fault.Code{fault.ChallengeUnknown, fault.ChallengeExpired, fault.TooManyAttempts, fault.ChallengeOpen},
		request: answer, example: exampleChecked(),
	}, s.validateProof)
	register(s, operation{
		id: "validateProofs", method: http.MethodPost, path: basePath + "/nodes/poot/batch-validate", tag: "poot", role: access.Operator,
		summary: "Check many answers", description: "As one by one: an answer that cannot be checked has an error and keeps no other from it.",
		maxBody: maxProofBatchBytes,
		request: validateProofsBody{Validations: []nodeAnswer{{NodeID: "node_4f1c2a", ShownAnswer: answer}}},
		example: proofResultsBody{
			Results: []proofResult{{NodeID: "node_4f1c2a", Nonce: answer.Nonce, Result: orNull[checkedBody]{value: exampleChecked()}}},
			Summary: proofSummary{Total: 1, Valid: 1},
		},
	}, s.validateProofs)
}

// ShownAnswer is an answer that somebody shows. Exported as huma wants what others embed.
type ShownAnswer struct {
	OutputData []byte  `json:"output_data" maxLength:"8192" doc:"Canonical bytes of a response, as a node sends them over MQTT, in base64: docs/poot.md."`
	Nonce      string  `json:"nonce" pattern:"^[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$" patternDescription:"a challenge's id: 32 hexadecimal digits, or a UUID" maxLength:"36" doc:"Id of the challenge."`
	Timestamp  instant `json:"timestamp" doc:"When the node gave the answer."`
}

func (a *ShownAnswer) shown(nodeID string) challenge.Shown {
	id, _ := uuid.Parse(a.Nonce) // its pattern lets only ids through
	return challenge.Shown{NodeID: nodeID, ChallengeID: id, Answer: a.OutputData, At: a.Timestamp.Time}
}

type validateProofInput struct {
	NodeInput
	Body ShownAnswer
}

type checkedBody struct {
	NodeID           string     `json:"node_id"`
	ChallengeID      string     `json:"challenge_id" format:"uuid"`
	IsValid          bool       `json:"is_valid" doc:"All checks hold, and the verdict is valid."`
	ValidationStatus string     `json:"validation_status" enum:"valid,invalid,late,missed,deferred,void" doc:"The verdict on record."`
	ValidationReason *string    `json:"validation_reason"`
	JudgedAt         time.Time  `json:"judged_at"`
	OutputHash       string     `json:"output_hash" doc:"SHA-256, in hex, of output_data."`
	Checks           checksBody `json:"checks"`
}

type checksBody struct {
	MAC       bool `json:"mac" doc:"Made with the node's key, for this challenge."`
	Signature bool `json:"signature" doc:"Signed by the node's device key."`
	Solutions bool `json:"solutions" doc:"Every puzzle is solved."`
	SameBytes bool `json:"same_bytes" doc:"These bytes are what the verdict judged."`
	Timestamp bool `json:"timestamp" doc:"It lies between the challenge and its end."`
}

func (s *server) validateProof(ctx context.Context, in *validateProofInput) (*answer[*checkedBody], error) {
	shown := in.Body.shown(in.NodeID)
	checked, err := s.Proofs.Check(ctx, by(ctx), []challenge.Shown{shown})
	if err != nil {
		return nil, err
	}
	if checked[0].Fault != nil {
		return nil, checked[0].Fault
	}
	return answered(shapeChecked(shown, checked[0].Finding))
}

func shapeChecked(shown challenge.Shown, f challenge.Finding) *checkedBody {
	return &checkedBody{
		NodeID: shown.NodeID, ChallengeID: shown.ChallengeID.String(), IsValid: f.Valid(), ValidationStatus: string(f.Result),
		ValidationReason: orNil(f.Reason), JudgedAt: f.JudgedAt, OutputHash: challenge.OutputHash(shown.Answer),
		Checks: checksBody{MAC: f.Genuine, Signature: f.Signed, Solutions: f.Solved, SameBytes: f.Judged, Timestamp: f.InTime},
	}
}

type nodeAnswer struct {
	NodeID string `json:"node_id" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64"`
	ShownAnswer
}

type validateProofsBody struct {
	Validations []nodeAnswer `json:"validations" minItems:"1" maxItems:"1000" nullable:"false"`
}

type validateProofsInput struct{ Body validateProofsBody }

type proofResultsBody struct {
	Results []proofResult `json:"results" nullable:"false" doc:"In the order of the request."`
	Summary proofSummary  `json:"summary"`
}

type proofResult struct {
	NodeID string              `json:"node_id"`
	Nonce  string              `json:"nonce"`
	Result orNull[checkedBody] `json:"result" doc:"null with an error."`
	Error  orNull[refusalBody] `json:"error" doc:"null with a result."`
}

type refusalBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type proofSummary struct {
	Total   int `json:"total"`
	Valid   int `json:"valid"`
	Invalid int `json:"invalid" doc:"Checked and not valid."`
	Errors  int `json:"errors"`
}

func (s *server) validateProofs(ctx context.Context, in *validateProofsInput) (*answer[proofResultsBody], error) {
	shown := make([]challenge.Shown, len(in.Body.Validations))
	for i := range shown {
		v := &in.Body.Validations[i]
		shown[i] = v.shown(v.NodeID)
	}
	checked, err := s.Proofs.Check(ctx, by(ctx), shown)
	if err != nil {
		return nil, err
	}
	body := proofResultsBody{Results: make([]proofResult, len(shown)), Summary: proofSummary{Total: len(shown)}}
	for i, c := range checked {
		r := proofResult{NodeID: shown[i].NodeID, Nonce: in.Body.Validations[i].Nonce}
		switch {
		case c.Fault != nil:
			r.Error.value = &refusalBody{c.Fault.Code.String(), c.Fault.Message}
			body.Summary.Errors++
		case c.Valid():
			body.Summary.Valid++
		default:
			body.Summary.Invalid++
		}
		if c.Fault == nil {
			r.Result.value = shapeChecked(shown[i], c.Finding)
		}
		body.Results[i] = r
	}
	return answered(body)
}

func exampleChecked() *checkedBody {
	shown := challenge.Shown{NodeID: "node_4f1c2a", ChallengeID: uuid.MustParse("018e0000-0000-7000-8000-00000000002a")}
	return shapeChecked(shown, challenge.Finding{
		Result: challenge.Valid, JudgedAt: exampleTime(), Genuine: true, Signed: true, Solved: true, Judged: true, InTime: true,
	})
}

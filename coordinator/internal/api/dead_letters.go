package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/sample"
)

func (s *server) letterOperations() {
	register(s, operation{
		id: "listDeadLetters", method: http.MethodGet, path: basePath + "/dead-letters", collection: true, tag: "resources", role: access.Operator,
		summary: "List messages that are no data",
		description: "What nodes sent and the coordinator acknowledged but could not take as data, with the reason, newest first. " +
			"The newest 10,000 are kept, 200 of one node, at most 20 a minute of it; lucid_ingest_dead_letters_total counts all.",
		example: deadLetterListBody{DeadLetters: []deadLetterBody{exampleLetter()}, Pagination: NumberCursorInput{Limit: 20}.next(0)},
	}, s.listLetters)
}

type letterInput struct {
	NumberCursorInput
	NodeID  string `query:"node_id" pattern:"^(node_[a-zA-Z0-9_-]+)?$" patternDescription:"a node's id" maxLength:"64" doc:"Only of this node."`
	Channel string `query:"channel" enum:"status,info,metrics,command/result" doc:"Only of this channel."`
	Reason  string `query:"reason" enum:"malformed,time,conflict,overlap,runs,database,unknown" doc:"Only with this reason."`
}

type deadLetterListBody struct {
	DeadLetters []deadLetterBody `json:"dead_letters" nullable:"false"`
	Pagination  pagination       `json:"pagination"`
}

type deadLetterBody struct {
	LetterNo   int64     `json:"letter_no"`
	NodeID     *string   `json:"node_id" doc:"null when the sender is not known any more."`
	ReceivedAt time.Time `json:"received_at"`
	Channel    string    `json:"channel"`
	Reason     string    `json:"reason" enum:"malformed,time,conflict,overlap,runs,database,unknown" doc:"malformed: not what the channel carries; time: too old or in the future; conflict: other samples are stored under its numbers; overlap: some of its samples are stored; runs: of a run beside which the node ended 240 others within an hour, or after 6,000 others came within 24 hours; database: refused by it; unknown: kept by an older version."`
	Detail     string    `json:"detail" doc:"The reason in full."`
	SizeBytes  int32     `json:"size_bytes" doc:"Of the whole message."`
	Payload    string    `json:"payload" doc:"Its first 4,096 bytes; what is not UTF-8 is shown as U+FFFD."`
}

func (s *server) listLetters(ctx context.Context, in *letterInput) (*answer[deadLetterListBody], error) {
	f := sample.LetterFilter{NodeID: in.NodeID, Channel: in.Channel, Kind: in.Reason, Before: in.after(), Limit: in.Limit}
	letters, next, err := s.Samples.Letters(ctx, f)
	if err != nil {
		return nil, err
	}
	return answered(deadLetterListBody{shape(letters, shapeLetter), in.next(next)})
}

func shapeLetter(l sample.Letter) deadLetterBody {
	return deadLetterBody{
		LetterNo: l.No, NodeID: l.NodeID, ReceivedAt: l.ReceivedAt.UTC(), Channel: l.Channel, Reason: l.Kind, Detail: l.Reason,
		SizeBytes: l.SizeBytes, Payload: strings.ToValidUTF8(string(l.Payload), "\uFFFD"),
	}
}

func exampleLetter() deadLetterBody {
	nodeID, payload := "node_4f1c2a", `{"v":1,"run":"5f0e","samples":[]}`
	return shapeLetter(sample.Letter{
		No: 42, NodeID: &nodeID, ReceivedAt: exampleTime(), Channel: "metrics", Kind: "malformed",
		Reason: "not a metrics message: run: byte 19: run id has 4 characters, want 32", SizeBytes: int32(len(payload)), Payload: []byte(payload),
	})
}

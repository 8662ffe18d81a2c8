package node

import (
	"encoding/json"
	"time"

	"lucid.internal/coordinator/internal/event"
)

// What can change, as Changed says.
const (
	changedCreated  = "created"
	changedUpdated  = "updated"
	changedDeleted  = "deleted"
	changedEnrolled = "enrolled"
	changedOnline   = "online"
	changedOffline  = "offline"
	changedStatus   = "status"
	changedBoard    = "board"     // its machine says it is another board than the one that enrolled
	changedIntruder = "intrusion" // another device tried to enrol as it
	changedKeyBack  = "key_back"  // this database was restored from before its last rotation
)

// Changed is the body of a node event: what changed, and how the node stands
// after it.
type Changed struct {
	Change string `json:"change" doc:"created, enrolled, online, offline, status, updated, deleted, board (its machine is another one than enrolled), intrusion (another device tried to enrol as it) or key_back (the database was restored, and knows an older key only)."`
	Status Status `json:"status"`
	Reason string `json:"reason,omitempty" doc:"Why it has this status; of board, intrusion and key_back, what was seen."`
	Before Status `json:"before,omitempty" doc:"The status before; of a change of status only."`
	Online bool   `json:"online"`
}

// IsDeleted reports whether the body of a node event says that the node is deleted.
func IsDeleted(body []byte) bool {
	var c Changed
	return json.Unmarshal(body, &c) == nil && c.Change == changedDeleted
}

// Stranger is the body of a node event about no node: a board tried to enrol
// with a token for others.
type Stranger struct {
	Change  string `json:"change" enum:"intrusion"`
	TokenID string `json:"token_id"`
	Reason  string `json:"reason" doc:"What was seen."`
}

func (c Changed) event(nodeID, poolID string, at time.Time) event.Event {
	return event.Event{Kind: event.Node, NodeID: nodeID, PoolID: poolID, Body: c, At: at}
}

package node

import (
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
)

// Changed is the body of a node event: what changed, and how the node stands
// after it.
type Changed struct {
	Change string `json:"change" doc:"created, enrolled, online, offline, status, updated, deleted, board (its machine is another one than enrolled) or intrusion (another device tried to enrol as it)."`
	Status Status `json:"status"`
	Reason string `json:"reason,omitempty" doc:"Why it has this status; of board and intrusion, what was seen."`
	Before Status `json:"before,omitempty" doc:"The status before; of a change of status only."`
	Online bool   `json:"online"`
}

func (c Changed) event(nodeID, poolID string, at time.Time) event.Event {
	return event.Event{Kind: event.Node, NodeID: nodeID, PoolID: poolID, Body: c, At: at}
}

package api

import (
	"bytes"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/node"
)

// nodeItem is a node as nodeBody shows it. Its JSON is made once for each state
// of the node's row, but for the heartbeat, which changes all the time.
type nodeItem struct {
	made      *nodeJSON
	heartbeat *time.Time
}

// nodeJSON is a node's JSON before and after its heartbeat.
type nodeJSON struct {
	head, tail []byte
	err        error
}

// noHeartbeat stands nowhere else in a node's JSON: quotes within a text are
// escaped, and the only maps hold texts.
const noHeartbeat = `"last_heartbeat":null`

func itemOf(n *node.Node, heartbeat *time.Time) nodeItem {
	return nodeItem{n.Made(makeNodeJSON).(*nodeJSON), heartbeat}
}

func itemOfListed(n node.Listed) nodeItem { return itemOf(n.Node, n.LastHeartbeat) }

func makeNodeJSON(n *node.Node) any {
	still := *n
	still.LastHeartbeat = nil
	var whole bytes.Buffer
	if err := encode(&whole, shapeNode(still)); err != nil {
		return &nodeJSON{err: err}
	}
	head, tail, _ := bytes.Cut(bytes.TrimRight(whole.Bytes(), "\n"), []byte(noHeartbeat))
	return &nodeJSON{head: head, tail: tail}
}

// Schema is nodeBody's.
func (nodeItem) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[nodeBody](), true, "")
}

// MarshalJSON is for the document's example.
func (i nodeItem) MarshalJSON() ([]byte, error) { return i.appendJSON(nil) }

func (i nodeItem) appendJSON(to []byte) ([]byte, error) {
	if i.made.err != nil {
		return nil, i.made.err
	}
	to = append(to, i.made.head...)
	if i.heartbeat == nil {
		to = append(to, noHeartbeat...)
	} else {
		to = append(to, `"last_heartbeat":"`...)
		to = i.heartbeat.AppendFormat(to, time.RFC3339Nano)
		to = append(to, '"')
	}
	return append(to, i.made.tail...), nil
}

func (b nodeListBody) appendJSON(to []byte) ([]byte, error) {
	return appendPage(to, "nodes", b.Nodes, b.Pagination)
}

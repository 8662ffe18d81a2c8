package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// NodeInput names the node that an operation is about.
type NodeInput struct {
	NodeID string `path:"node_id" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64" example:"node_4f1c2a" doc:"Id of the node."`
}

func (s *server) nodeOperations() {
	register(s, operation{
		id: "listNodes", method: http.MethodGet, path: basePath + "/nodes/", collection: true, tag: "nodes", role: access.Viewer, owner: true,
		summary:     "List nodes",
		description: "Filters are combined with and. Without sort the newest node comes first.",
		example:     nodeListBody{Nodes: []nodeItem{exampleNodeItem()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listNodes)
	register(s, operation{
		id: "getNode", method: http.MethodGet, path: basePath + "/nodes/{node_id}", tag: "nodes", role: access.Viewer, owner: true,
		summary: "Read a node", description: "What the node is, as it told at its enrolment and since.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleNode(),
	}, s.getNode)
	register(s, operation{
		id: "getNodeStatus", method: http.MethodGet, path: basePath + "/nodes/{node_id}/status", tag: "nodes", role: access.Viewer, owner: true,
		summary: "Read a node's status", description: "Whether the node is online and earning, and since when.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleNodeStatus(),
	}, s.getNodeStatus)
	s.nodeChangeOperations()
}

type nodeListInput struct {
	CursorInput
	Status   string         `query:"status" enum:"pending,starting,active,stopping,inactive,maintenance,suspended,error" doc:"Only nodes in this status."`
	NodeType string         `query:"node_type" enum:"worker,validator,storage,compute" doc:"Only nodes of this type."`
	PoolID   string         `query:"pool_id" pattern:"^pool_[a-zA-Z0-9_-]+$" patternDescription:"a pool's id" maxLength:"64" doc:"Only nodes in this pool."`
	Online   optional[bool] `query:"online" doc:"Only nodes that are connected, or are not."`
	Query    string         `query:"q" maxLength:"100" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"Part of the name, id, model or city, in any case."`
	Labels   string         `query:"labels" maxLength:"1000" pattern:"^([a-zA-Z0-9_./-]{1,63}:[a-zA-Z0-9_.-]{0,63}(,[a-zA-Z0-9_./-]{1,63}:[a-zA-Z0-9_.-]{0,63})*)?$" patternDescription:"key:value, with commas between them" example:"site:attic,rack:2" doc:"Only nodes with all of these labels, as key:value with commas between them."`
	Sort     string         `query:"sort" enum:"created_at,updated_at,name,poot_score,last_heartbeat" default:"created_at"`
	Order    string         `query:"order" enum:"asc,desc" default:"desc"`
}

type nodeListBody struct {
	Nodes      []nodeItem `json:"nodes" nullable:"false"`
	Pagination pagination `json:"pagination"`
}

func (in *nodeListInput) filter() node.Filter {
	return node.Filter{
		Status: in.Status, Type: in.NodeType, PoolID: in.PoolID, Online: in.Online.pointer(), Query: in.Query,
		Labels: labelsOf(in.Labels), Sort: in.Sort, Order: in.Order, Limit: in.Limit, Offset: in.offset(), After: in.Cursor,
	}
}

// Resolve asks the noun.
func (in *nodeListInput) Resolve(huma.Context) []error {
	return complaints("query", in.filter().Check())
}

func (s *server) listNodes(ctx context.Context, in *nodeListInput) (*answer[nodeListBody], error) {
	filter := in.filter()
	filter.IDs = callOf(ctx).principal.NodeIDs
	nodes, total, next, err := s.Nodes.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	return answered(nodeListBody{shape(nodes, itemOfListed), in.of(total, next)})
}

func (s *server) getNode(ctx context.Context, in *NodeInput) (*tagged[nodeItem], error) {
	n, err := s.Nodes.Get(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	return answeredTagged(itemOf(&n, n.LastHeartbeat), n.Version)
}

func (s *server) getNodeStatus(ctx context.Context, in *NodeInput) (*answer[nodeStatusBody], error) {
	n, err := s.Nodes.Get(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	var alerts []alert.Alert
	if n.Alerted {
		if alerts, err = s.Alerts.ActiveOf(ctx, n.ID); err != nil {
			return nil, err
		}
	}
	return answered(shapeNodeStatus(n, alerts, s.Now()))
}

type nodeBody struct {
	NodeID        string            `json:"node_id"`
	Name          string            `json:"name"`
	Status        string            `json:"status" enum:"pending,starting,active,stopping,inactive,maintenance,suspended,error"`
	StatusReason  *string           `json:"status_reason" doc:"Why, when the status needs a reason."`
	StatusUntil   *time.Time        `json:"status_until" doc:"When maintenance or a suspension ends by itself; null: it does not."`
	Online        bool              `json:"online"`
	NodeType      string            `json:"node_type" enum:"worker,validator,storage,compute"`
	PoolID        *string           `json:"pool_id" doc:"null outside a pool."`
	HardwareInfo  hardwareBody      `json:"hardware_info"`
	Location      locationBody      `json:"location"`
	Configuration configurationBody `json:"configuration"`
	Labels        map[string]string `json:"labels"`
	AgentVersion  *string           `json:"agent_version"`
	PayoutAddress *string           `json:"payout_address"`
	PayoutFrom    *time.Time        `json:"payout_address_from" doc:"When the address was changed: from when it is paid to, 72 hours later. Until then the one before it is. null: it never was, or was taken back."`
	PootScore     points            `json:"poot_score"`
	LastHeartbeat *time.Time        `json:"last_heartbeat" doc:"When the node was last heard; null before its first connection."`
	CreatedAt     time.Time         `json:"created_at"`
	UpdatedAt     time.Time         `json:"updated_at"`
}

func shapeNode(n node.Node) nodeBody {
	return nodeBody{
		NodeID: n.ID, Name: n.Name, Status: string(n.Status), StatusReason: orNil(n.StatusReason), StatusUntil: n.StatusUntil, Online: n.Online,
		NodeType: n.Type, PoolID: orNil(n.PoolID), HardwareInfo: shapeHardware(n.Inventory),
		Location: shapeLocation(n.Location), Configuration: shapeConfiguration(n.Configuration, n.AgentConfig), Labels: n.Labels, AgentVersion: orNil(n.AgentVersion),
		PayoutAddress: orNil(n.PayoutAddress), PayoutFrom: n.AddressDue, PootScore: points(n.ScoreNano), LastHeartbeat: n.LastHeartbeat,
		CreatedAt: n.CreatedAt, UpdatedAt: n.UpdatedAt,
	}
}

type nodeStatusBody struct {
	NodeID        string          `json:"node_id"`
	Status        string          `json:"status" enum:"pending,starting,active,stopping,inactive,maintenance,suspended,error"`
	StatusReason  *string         `json:"status_reason"`
	NodeType      string          `json:"node_type" enum:"worker,validator,storage,compute"`
	PoolID        *string         `json:"pool_id"`
	Online        bool            `json:"online"`
	LastHeartbeat *time.Time      `json:"last_heartbeat"`
	UptimeSeconds *int64          `json:"uptime_seconds" doc:"How long the node has been connected; null while it is not."`
	AgentVersion  *string         `json:"agent_version"`
	PootScore     points          `json:"poot_score"`
	Alerts        []nodeAlertBody `json:"alerts" nullable:"false" doc:"What is wrong now, one of a kind at most."`
	CreatedAt     time.Time       `json:"created_at"`
	UpdatedAt     time.Time       `json:"updated_at"`
}

func shapeNodeStatus(n node.Node, alerts []alert.Alert, now time.Time) nodeStatusBody {
	b := nodeStatusBody{
		NodeID: n.ID, Status: string(n.Status), StatusReason: orNil(n.StatusReason), NodeType: n.Type, PoolID: orNil(n.PoolID),
		Online: n.Online, LastHeartbeat: n.LastHeartbeat, AgentVersion: orNil(n.AgentVersion), PootScore: points(n.ScoreNano),
		Alerts: shape(alerts, shapeNodeAlert), CreatedAt: n.CreatedAt, UpdatedAt: n.UpdatedAt,
	}
	if n.OnlineSince != nil {
		seconds := max(0, int64(now.Sub(*n.OnlineSince)/time.Second))
		b.UptimeSeconds = &seconds
	}
	return b
}

func exampleNode() nodeBody { return shapeNode(exampleNodeRow()) }

func exampleNodeItem() nodeItem {
	n := exampleNodeRow()
	return itemOf(&n, n.LastHeartbeat)
}

func exampleNodeStatus() nodeStatusBody {
	return shapeNodeStatus(exampleNodeRow(), []alert.Alert{exampleAlert()}, exampleTime().Add(90*time.Minute))
}

func exampleTime() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// exampleEnd is still to come whenever somebody tries an example.
func exampleEnd() time.Time { return time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) }

func exampleNodeRow() node.Node {
	at := exampleTime()
	return node.Node{
		ID: "node_4f1c2a", Name: "attic-pi", Type: "worker", Status: node.Active, PoolID: "pool_default", Online: true,
		Location: node.Location{Country: "DE", City: "Munich", Timezone: "Europe/Berlin"}, Labels: map[string]string{"site": "attic"}, Version: 3,
		AgentVersion: "1.0.0", ScoreNano: 987_654_321, LastHeartbeat: &at, OnlineSince: &at, CreatedAt: at, UpdatedAt: at,
		Inventory: wire.Inventory{
			Model: "Raspberry Pi 4 Model B Rev 1.4", MemoryBytes: 4 << 30,
			CPU:        wire.CPUInventory{Model: "Cortex-A72", Cores: 4, FrequencyMHz: 1800, Architecture: "arm64"},
			GPU:        &wire.GPUInventory{Model: "brcm,2711-v3d", Driver: "v3d"},
			Disks:      []wire.DiskInfo{{Device: "/dev/mmcblk0p2", Mount: "/", Filesystem: "ext4", TotalBytes: 32 << 30, Type: "sd_card", Interface: "mmc"}},
			Interfaces: []wire.InterfaceInfo{{Name: "eth0", MAC: "dc:a6:32:00:00:01", IPs: []string{"192.168.1.20"}, Up: true}},
		},
	}
}

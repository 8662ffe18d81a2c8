package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Flags are how many nodes each rule about fraud flagged.
type Flags map[string]int

// String lists the rules by name.
func (f Flags) String() string {
	var parts []string
	for _, rule := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, fmt.Sprintf("%d %s", f[rule], rule))
	}
	return strings.Join(parts, ", ")
}

const (
	flagsPath   = "/api/v1/fraud/flags"
	flagsAtOnce = 100
)

// flagPage is a page of the API's list.
type flagPage struct {
	Flags []struct {
		NodeID string `json:"node_id"`
		Rule   string `json:"rule"`
	} `json:"flags"`
}

// Flagged is what the API shows against the nodes of each kind.
func (f *Fleet) Flagged(ctx context.Context) (map[Kind]Flags, error) {
	kinds, _ := f.kindsOf()
	flagged := make(map[Kind]Flags)
	type mark struct{ node, rule string }
	seen := make(map[mark]bool) // a rule may flag a node again
	api := f.config.API.open(1)
	defer api.client.CloseIdleConnections()
	for page := 1; ; page++ {
		var list flagPage
		if err := api.get(ctx, fmt.Sprintf("%s?page=%d&limit=%d", flagsPath, page, flagsAtOnce), &list); err != nil {
			return nil, fmt.Errorf("reading the flags: %w", err)
		}
		for _, flag := range list.Flags {
			kind, ours := kinds[flag.NodeID]
			m := mark{flag.NodeID, flag.Rule}
			if !ours || seen[m] {
				continue
			}
			seen[m] = true
			if flagged[kind] == nil {
				flagged[kind] = Flags{}
			}
			flagged[kind][flag.Rule]++
		}
		if len(list.Flags) < flagsAtOnce {
			return flagged, nil
		}
	}
}

// readFlags asks nothing for a fleet without cheats, whose API may have been
// killed on purpose: who is held is read from the database in any case.
func (f *Fleet) readFlags(ctx context.Context, report *Report) error {
	if len(f.config.Cheats) == 0 {
		return nil
	}
	flagged, err := f.Flagged(ctx)
	for kind, flags := range flagged {
		report.group(kind).Flags = flags
	}
	return err
}

// heldOf names nodes whose money is held for suspected fraud.
const heldOf = `
SELECT DISTINCT n.node_id FROM fraud_hold h JOIN node n USING (node_no)
WHERE n.node_id = ANY($1) AND h.to_at IS NULL`

func (f *Fleet) readHolds(ctx context.Context, conn *pgx.Conn, report *Report) error {
	kinds, ids := f.kindsOf()
	rows, err := conn.Query(ctx, heldOf, ids)
	if err != nil {
		return fmt.Errorf("reading who is held: %w", err)
	}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		report.group(kinds[id]).Held++
		return nil
	})
	return err
}

// kindsOf gives every node's kind by its id, and the ids.
func (f *Fleet) kindsOf() (map[string]Kind, []string) {
	kinds := make(map[string]Kind, len(f.machines))
	ids := make([]string, len(f.machines))
	for i, m := range f.machines {
		kinds[m.nodeID], ids[i] = m.kind, m.nodeID
	}
	return kinds, ids
}

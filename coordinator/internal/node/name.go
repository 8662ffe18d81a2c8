package node

import (
	"context"
	"fmt"
	"strings"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// freeName is the wanted name, else one from the host's name; a name that is
// taken gets the end of the node id.
func freeName(ctx context.Context, q *sqlgen.Queries, wanted, host, nodeID string) (string, error) {
	name := wanted
	if name == "" {
		name = nameFromHost(host, nodeID)
	}
	taken, err := q.NameTaken(ctx, name)
	if err != nil || !taken {
		return name, err
	}
	if wanted != "" {
		return "", fault.New(fault.NameTaken, "a node named %q exists already", wanted)
	}
	return name[:min(len(name), 90)] + "-" + nodeID[len(nodeID)-8:], nil
}

// NamesTaken gives those of the tokens' names that a node has already.
func (s *Store) NamesTaken(ctx context.Context, tokens []Token) ([]string, error) {
	names := make([]string, len(tokens))
	for i, t := range tokens {
		names[i] = t.NodeName
	}
	taken, err := sqlgen.New(s.Pool).NamesTaken(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("look names up: %w", err)
	}
	return taken, nil
}

// nameFromHost keeps what a node name may hold of a host name.
func nameFromHost(host, nodeID string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, host)
	switch {
	case name == "":
		return nodeID
	case len(name) < 3: // too short for a name of its own
		name += "-" + nodeID[len(nodeID)-8:]
	}
	return name[:min(len(name), 100)]
}

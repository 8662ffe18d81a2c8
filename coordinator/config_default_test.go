package coordinator

import (
	"reflect"
	"testing"

	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/sample"
)

// A package that can do without a setting has a default of its own, for its tests
// and for whoever uses it alone. It is the one that operators read of.
func TestDefaultsOfSettingsAreThoseOfTheirPackages(t *testing.T) {
	serve, _ := mustLoad(t, ProfileServe, "", []string{databaseEnv})
	nodes, terms := node.NewStore(node.Config{}), payout.DefaultTerms()
	terms.Own = serve.unpaid() // the token's contract is known before anybody says so
	for _, c := range []struct {
		settings     string
		got, without any
	}{
		{"node.command_timeout", serve.Node.CommandTimeout, nodes.CommandTimeout},
		{"node.key_overlap", serve.Node.KeyOverlap, nodes.KeyOverlap},
		{"pool.max_nodes", serve.Pool.MaxNodes, pool.MaxNodes},
		{"pool.min_nodes", serve.Pool.MinNodes, pool.DefaultMinNodes},
		{"payout", serve.payoutTerms(), terms},
		{"retention", sample.Retention(serve.Retention), sample.DefaultRetention()},
	} {
		if !reflect.DeepEqual(c.got, c.without) {
			t.Errorf("%s is %v unless somebody sets it, and its package takes %v", c.settings, c.got, c.without)
		}
	}
}

package score_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/score"
)

// What was judged, and what that did to a score, is not taken back by plain SQL.
func TestVerdictsAndScoreChangesAreAppendOnly(t *testing.T) {
	f := newFleet(t, nil)
	f.judge(f.node(), score.Missed, "no answer", noon)
	rows := func() string {
		return value[string](f, "SELECT (SELECT json_agg(v)::text FROM verdict v) || (SELECT json_agg(c)::text FROM score_change c)")
	}
	before := rows()
	for _, sql := range []string{
		`UPDATE verdict SET result = 'valid'`, `DELETE FROM verdict`, `TRUNCATE verdict CASCADE`,
		`UPDATE score_change SET after = 1000000000`, `DELETE FROM score_change`, `TRUNCATE score_change`,
	} {
		if _, err := f.pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v; want a refusal with \"append-only\"", sql, err)
		}
	}
	if after := rows(); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

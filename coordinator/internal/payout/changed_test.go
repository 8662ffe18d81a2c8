package payout_test

import (
	"slices"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/payout"
)

// told is the changes of payouts that were told, in their order.
func (w *world) told() (all []string) {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `SELECT concat_ws(' ', node_id, body->>'change', body->>'net_amount', body->>'transaction_hash')
		FROM event_outbox WHERE kind = 'payout' ORDER BY out_no`)
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, text)
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	return all
}

func TestPayoutStepsAreTold(t *testing.T) {
	w := newWorld(t)
	store, _, id := pending(w)
	w.round() // makes no second one
	start := must(t)
	start(store.Start(t.Context(), byTest, id))
	if _, err := store.Cancel(t.Context(), byTest, id); err == nil {
		t.Fatal("a payout that is being paid was cancelled")
	}
	start(store.Complete(t.Context(), byTest, id, "ticket-1"))
	want := []string{"node_a pending 9.9", "node_a processing 9.9", "node_a completed 9.9 ticket-1"}
	if got := w.told(); !slices.Equal(got, want) {
		t.Errorf("told %s\nwant %s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
	if p, err := store.Get(t.Context(), id); err != nil || p.Status != payout.Completed {
		t.Errorf("%+v, %v", p, err)
	}
}

// What goes wrong is told too: a failure, each retry, and that it was given up.
func TestFailureRetryAndCancellationAreTold(t *testing.T) {
	w := newWorld(t)
	store, _, id := pending(w)
	step := must(t)
	step(store.Start(t.Context(), byTest, id))
	step(w.fail(id, "no energy"))
	step(store.Retry(t.Context(), byTest, id))
	step(store.Cancel(t.Context(), byTest, id))
	want := []string{"node_a pending 9.9", "node_a processing 9.9", "node_a failed 9.9", "node_a pending 9.9", "node_a cancelled 9.9"}
	if got := w.told(); !slices.Equal(got, want) {
		t.Errorf("told %s\nwant %s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
}

func TestPayoutStepsAreAudited(t *testing.T) {
	w := newWorld(t)
	store, _, id := pending(w)
	if _, err := store.Start(t.Context(), byTest, id); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Complete(t.Context(), byTest, id, "ticket-1"); err != nil {
		t.Fatal(err)
	}
	got := query[string](w, `SELECT string_agg(concat_ws(' ', actor, action, target, before->>'status', after->>'status'), '; ' ORDER BY entry_no)
		FROM audit_entry WHERE target = '`+id+`'`)
	want := "system payout.create " + id + " pending; user_test payout.processing " + id + " pending processing; user_test payout.completed " + id + " processing completed"
	if got != want {
		t.Errorf("audit log %q, want %q", got, want)
	}
}

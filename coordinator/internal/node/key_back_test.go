package node_test

import (
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// restored connects a node, for it to say which is the newest key that it ever
// had, and counts how often a key that came back is told of.
func (r *rotation) restored(t *testing.T) (says func(epoch uint32), told func() int) {
	t.Helper()
	session := r.connect(t, r.no)
	says = func(epoch uint32) {
		t.Helper()
		err := r.SetAgent(t.Context(), r.no, session, &wire.Status{V: 1, Online: true, Connection: 1, State: wire.StateRunning, KeyEpoch: epoch})
		if err != nil {
			t.Fatal(err)
		}
	}
	return says, func() int {
		t.Helper()
		return r.count(t, "SELECT count(*) FROM event_outbox WHERE body ->> 'change' = 'key_back'")
	}
}

// A restored backup brings back the key before the last rotation, with whoever
// stole it: the node that has to use it again is told of, once, and gets another.
func TestKeyThatARestoreBroughtBackIsReplaced(t *testing.T) {
	r := newRotation(t)
	says, told := r.restored(t)
	says(0)
	says(1)
	if r.run(t); told() != 0 || len(r.sent) != 0 {
		t.Fatalf("a key that is known is told of %d times, and %d commands are sent", told(), len(r.sent))
	}
	says(2)
	says(2)
	if r.run(t); told() != 1 || len(r.sent) != 1 || r.sent[0].Kind != wire.CommandRotateKey || r.sent[0].Key.KeyEpoch != 2 {
		t.Errorf("an unknown key is told of %d times, sent are %+v", told(), r.sent)
	}
	if n := r.count(t, "SELECT count(*) FROM audit_entry WHERE target = $1 AND action = 'node.ask_rotation'", r.id); n != 1 {
		t.Errorf("it stands %d times in the audit log, want once", n)
	}

	result, _ := r.answer(t, r.device, r.sent[0])
	r.result(t, result)
	says(1 << 31) // and goes on to claim keys that never were
	if r.run(t); told() != 1 || len(r.sent) != 1 {
		t.Errorf("a node that has a new key is told of %d times, sent are %+v", told(), r.sent)
	}
	r.clock = r.clock.Add(3 * 24 * time.Hour)
	if says(1 << 31); told() != 2 {
		t.Errorf("days later it is told of %d times, want twice", told())
	}
}

// The backup is of an hour after a rotation, and the key of the next one was lost
// with it. However long keys overlap, that is replaced at once; one that a claim
// brought about, a day later.
func TestYoungKeyThatARestoreBroughtBackIsReplaced(t *testing.T) {
	r := newRotation(t)
	r.KeyOverlap = 720 * time.Hour
	result, _ := r.answer(t, r.device, r.ask(t))
	r.result(t, result)
	r.clock = r.clock.Add(time.Hour)
	says, told := r.restored(t)
	says(3)
	says(3)
	if r.run(t); told() != 1 || len(r.sent) != 2 || r.sent[1].Kind != wire.CommandRotateKey || r.sent[1].Key.KeyEpoch != 3 {
		t.Fatalf("it is told of %d times, sent are %+v", told(), r.sent)
	}
	if n := r.count(t, "SELECT count(*) FROM audit_entry WHERE target = $1 AND actor = 'system' AND action = 'node.ask_rotation'", r.id); n != 1 {
		t.Errorf("it stands %d times in the audit log, want once", n)
	}
	result, _ = r.answer(t, r.device, r.sent[1])
	r.result(t, result)
	r.clock = r.clock.Add(24*time.Hour - time.Second)
	says(1 << 31)
	if r.run(t); told() != 1 || len(r.sent) != 2 {
		t.Errorf("within a day of such a rotation it is told of %d times, sent are %+v", told(), r.sent)
	}
	r.clock = r.clock.Add(time.Second)
	says(1 << 31)
	if r.run(t); told() != 2 || len(r.sent) != 3 {
		t.Errorf("a day later it is told of %d times, want twice; sent are %+v", told(), r.sent)
	}
}

// The operator who asked for another key does not know that the old one counts again.
func TestKeyThatARestoreBroughtBackIsToldOfWhereAnOperatorAsked(t *testing.T) {
	r := newRotation(t)
	r.ask(t)
	says, told := r.restored(t)
	says(2)
	says(2)
	r.run(t)
	if commands := r.count(t, "SELECT count(*) FROM node_command"); told() != 1 || commands != 1 {
		t.Errorf("it is told of %d times, and %d keys are offered; want one each", told(), commands)
	}
}

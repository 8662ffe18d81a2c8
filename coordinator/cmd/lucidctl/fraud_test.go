package main

import (
	"strings"
	"testing"
)

func TestFraudCommands(t *testing.T) {
	f := newFleet(t)
	nodeID := f.made("node_id", "nodes", "create", "attic-pi")
	var id string
	err := f.db.QueryRow(t.Context(), `INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
		SELECT node_no, 'altered_hash', 1, 0, 'critical', 'c', '{}', now(), now() FROM node WHERE node_id = $1 RETURNING 'flag_' || flag_no`, nodeID).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	if out := f.must("fraud", "list", "--state", "open"); !strings.Contains(out, id) || !strings.Contains(out, "altered_hash") {
		t.Error(out)
	}
	if out := f.must("fraud", "list", "--node", nodeID, "-o", "json"); !strings.Contains(out, id) {
		t.Error(out)
	}
	if out := f.must("fraud", "appeal", nodeID, id, "another board"); !strings.Contains(out, "appealed") {
		t.Error(out)
	}
	if o := f.run("fraud", "decide", id, "confirmed", "it was"); o.code != exitUsage || !strings.Contains(o.notes, "--yes") {
		t.Errorf("%+v", o)
	}
	if out := f.must("fraud", "decide", id, "dismissed", "it was not"); !strings.Contains(out, "dismissed") {
		t.Error(out)
	}
	if o := f.run("fraud", "decide", "12", "dismissed", "no"); o.code != exitUsage {
		t.Errorf("%+v", o)
	}
}

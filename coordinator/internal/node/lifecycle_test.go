package node_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

const address = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"

var operator = audit.By{Actor: "key_test", RequestID: "req-1"}

func (w *world) create(t testing.TB, n node.New) (node.Node, node.Enrolment) {
	t.Helper()
	made, enrolment, err := w.Create(t.Context(), operator, n)
	if err != nil {
		t.Fatal(err)
	}
	return made, enrolment
}

func (w *world) createPool(t *testing.T, name string, places int) pool.Pool {
	t.Helper()
	p, err := w.pools.Create(t.Context(), operator, pool.New{ID: "pool_" + name, Name: name, MaxNodes: places})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// get reads a node that must exist.
func (w *world) get(t *testing.T, id string) node.Node {
	t.Helper()
	n, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	return dbtest.Value[int](t, w.pool, sql, args...)
}

func (w *world) wantRecorded(t *testing.T, id, action, change string) {
	t.Helper()
	if n := w.count(t, "SELECT count(*) FROM audit_entry WHERE target = $1 AND action = $2 AND actor = 'key_test' AND request_id = 'req-1'", id, action); n != 1 {
		t.Errorf("%s of %s stands %d times in the audit log, want once", action, id, n)
	}
	if n := w.count(t, "SELECT count(*) FROM event_outbox WHERE node_id = $1 AND kind = 'node' AND body ->> 'change' = $2", id, change); n < 1 {
		t.Errorf("no event tells that %s is %s", id, change)
	}
}

func wantFault(t *testing.T, err error, code fault.Code) *fault.Error {
	t.Helper()
	if !fault.Has(err, code) {
		t.Fatalf("error = %v, want %s", err, code)
	}
	return fault.As(err)
}

func pointer[T any](v T) *T { return &v }

func TestNodeMadeBeforeItsDevice(t *testing.T) {
	w := newWorld(t)
	w.createPool(t, "home", 1)
	n, enrolment := w.create(t, node.New{
		Name: "attic", Type: "storage", PoolID: "pool_home", PayoutAddress: address, Labels: map[string]string{"site": "attic"},
		Location: &node.Location{Country: "DE", City: "München"}, Hardware: wire.Inventory{Model: "Raspberry Pi 5"},
	})
	if n.Status != node.Pending || n.PoolID != "pool_home" || n.Inventory.Model != "Raspberry Pi 5" || n.Labels["site"] != "attic" ||
		n.Location.City != "München" || !enrolment.Expires.Equal(w.clock.Add(24*time.Hour)) {
		t.Fatalf("made %+v, %+v", n, enrolment)
	}
	w.wantRecorded(t, n.ID, "node.create", "created")

	d := newDevice(t)
	resp := w.enroll(t, d.request(t, enrolment.Token, wire.Inventory{Model: "Raspberry Pi 4", SerialHash: board("b1"), Hostname: "other"}))
	got := w.get(t, n.ID)
	if resp.NodeID != n.ID || got.Status != node.Starting || got.Name != "attic" || got.Type != "storage" || got.Inventory.Model != "Raspberry Pi 4" ||
		got.PayoutAddress != address || got.PoolID != "pool_home" || got.Version <= n.Version {
		t.Errorf("enrolled %s as %+v", resp.NodeID, got)
	}
	// The board is taken now, also for a node that waits for its device.
	_, second := w.create(t, node.New{Name: "second"})
	_, err := w.Enroll(t.Context(), newDevice(t).request(t, second.Token, wire.Inventory{SerialHash: board("b1")}))
	wantFault(t, err, fault.StateNotAllowed)
	_, _, err = w.Create(t.Context(), operator, node.New{Name: "third", PoolID: "pool_home"})
	wantFault(t, err, fault.PoolFull)
	_, _, err = w.Create(t.Context(), operator, node.New{Name: "third", PoolID: "pool_none"})
	wantFault(t, err, fault.PoolNotFound)
	_, _, err = w.Create(t.Context(), operator, node.New{Name: "attic"})
	wantFault(t, err, fault.NameTaken)
	if n := w.count(t, "SELECT count(*) FROM node"); n != 2 {
		t.Errorf("%d nodes, want 2: what was refused left something behind", n)
	}
}

func TestEveryBadFieldAtOnce(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.Create(t.Context(), operator, node.New{
		Name: "a b", Type: "toaster", PayoutAddress: "T123", Labels: map[string]string{"a b": "c", "ok": "not ok"},
		Location: &node.Location{Country: "XX", City: "a\x00b", Timezone: "Mars/Olympus", Coordinates: &node.Coordinates{Latitude: 91, Longitude: -181}},
		Configuration: &node.Configuration{
			MaxSessions: pointer(1001), MaintenanceWindow: &node.MaintenanceWindow{Start: "25:00", End: "25:00"},
			ResourceLimits: &node.ResourceLimits{CPUPercent: pointer(0.0), MemoryBytes: pointer(int64(0)), DiskBytes: pointer(int64(-1)), NetworkMbps: pointer(1e7)},
		},
	})
	f := wantFault(t, err, fault.Validation)
	var names []string
	for _, field := range f.Fields {
		names = append(names, field.Name)
	}
	slices.Sort(names)
	want := []string{
		"configuration.maintenance_window.end", "configuration.maintenance_window.start", "configuration.max_sessions",
		"configuration.resource_limits.cpu_percent", "configuration.resource_limits.disk_bytes",
		"configuration.resource_limits.memory_bytes", "configuration.resource_limits.network_mbps",
		"labels", "labels.ok", "location.city", "location.coordinates.latitude", "location.coordinates.longitude", "location.country",
		"location.timezone", "name", "node_type", "payout_address",
	}
	if !slices.Equal(names, want) {
		t.Errorf("bad fields %v, want %v", names, want)
	}
	_, _, err = w.Create(t.Context(), operator, node.New{Name: "good", PayoutAddress: "T123"})
	wantFault(t, err, fault.BadPayoutAddress)
}

func TestUpdate(t *testing.T) {
	w := newWorld(t)
	w.createPool(t, "one", 5)
	w.createPool(t, "two", 5)
	_, id := w.enrolled(t, "pi")
	before := w.get(t, id)
	n, err := w.Update(t.Context(), operator, id, node.Update{
		IfVersions: []int64{before.Version}, Name: pointer("renamed"), Type: pointer("compute"), PoolID: pointer("pool_one"), PayoutAddress: pointer(address),
		Location: &node.Location{Country: "FR", City: "Lyon"}, Configuration: &node.Configuration{MaxSessions: pointer(7)},
		Labels: map[string]string{"rack": "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n.Name != "renamed" || n.Type != "compute" || n.PoolID != "pool_one" || n.PayoutAddress != address || n.Location.City != "Lyon" ||
		*n.Configuration.MaxSessions != 7 || n.Labels["rack"] != "2" || n.Version <= before.Version || n.Status != before.Status {
		t.Errorf("updated to %+v", n)
	}
	w.wantRecorded(t, id, "node.update", "updated")
	_, err = w.Update(t.Context(), operator, id, node.Update{IfVersions: []int64{before.Version}, Name: pointer("again")})
	wantFault(t, err, fault.ChangedMeanwhile)
	n, err = w.Update(t.Context(), operator, id, node.Update{PoolID: pointer("pool_two")})
	if err != nil || n.PoolID != "pool_two" || n.Name != "renamed" || n.Labels["rack"] != "2" {
		t.Errorf("moved to %+v, %v", n, err)
	}
	for name, want := range map[string]int{"pool_one": 0, "pool_two": 1} {
		if got := w.count(t, "SELECT node_count FROM pool WHERE pool_id = $1", name); got != want {
			t.Errorf("%s counts %d, want %d", name, got, want)
		}
	}
	n, err = w.Update(t.Context(), operator, id, node.Update{PoolID: pointer(""), PayoutAddress: pointer(""), Labels: map[string]string{}})
	if err != nil || n.PoolID != "" || n.PayoutAddress != "" || len(n.Labels) != 0 {
		t.Errorf("cleared to %+v, %v", n, err)
	}
	w.enrolled(t, "other")
	_, err = w.Update(t.Context(), operator, id, node.Update{Name: pointer("other")})
	wantFault(t, err, fault.NameTaken)
	_, err = w.Update(t.Context(), operator, id, node.Update{PoolID: pointer("pool_none")})
	wantFault(t, err, fault.PoolNotFound)
	_, err = w.Update(t.Context(), operator, "node_none", node.Update{})
	wantFault(t, err, fault.NodeNotFound)
}

func TestOfTwoUpdatesOfOneVersionOneWins(t *testing.T) {
	w := newWorld(t)
	_, id := w.enrolled(t, "pi")
	version := w.get(t, id).Version
	const rivals = 8
	errs := make([]error, rivals)
	var all sync.WaitGroup
	for i := range rivals {
		all.Go(func() {
			_, errs[i] = w.Update(t.Context(), operator, id, node.Update{IfVersions: []int64{version}, Labels: map[string]string{"winner": string(rune('a' + i))}})
		})
	}
	all.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			if got := w.get(t, id).Labels["winner"]; got != string(rune('a'+i)) {
				t.Errorf("%c was told that it won, %s is stored", 'a'+i, got)
			}
		case !fault.Has(err, fault.ChangedMeanwhile):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d updates won, want 1", won)
	}
}

func TestStatusByHandAndItsEnd(t *testing.T) {
	w := newWorld(t)
	_, id := w.enrolled(t, "pi")
	until := w.clock.Add(time.Hour)
	for name, u := range map[string]node.Update{
		"status_reason": {Status: pointer(node.Maintenance)},
		"status":        {Status: pointer(node.Active)},
		"status_until":  {Status: pointer(node.Suspended), Reason: pointer("fan"), Until: pointer(w.clock)},
	} {
		_, err := w.Update(t.Context(), operator, id, u)
		if f := wantFault(t, err, fault.Validation); f.Fields[0].Name != name {
			t.Errorf("bad field %v, want %s", f.Fields, name)
		}
	}
	_, err := w.Update(t.Context(), operator, id, node.Update{Reason: pointer("x"), Until: &until})
	wantFault(t, err, fault.Validation)

	n, err := w.Update(t.Context(), operator, id, node.Update{Status: pointer(node.Suspended), Reason: pointer("broken fan"), Until: &until})
	if err != nil || n.Status != node.Suspended || n.StatusReason != "operator: broken fan" || !n.StatusUntil.Equal(until) {
		t.Fatalf("suspended: %+v, %v", n, err)
	}
	w.wantStatusAfter(t, id, 59*time.Minute, node.Suspended)
	w.wantStatusAfter(t, id, time.Minute, node.Starting)
	if n := w.get(t, id); n.StatusUntil != nil || n.StatusReason != "suspended ended" {
		t.Errorf("lifted to %+v", n)
	}

	until = w.clock.Add(time.Minute)
	if _, err := w.Update(t.Context(), operator, id, node.Update{Status: pointer(node.Maintenance), Reason: pointer("new card"), Until: &until}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.Exec(t.Context(), "UPDATE node SET agent_stopped = true"); err != nil {
		t.Fatal(err)
	}
	w.wantStatusAfter(t, id, time.Minute, node.Inactive)
	waiting, _ := w.create(t, node.New{Name: "pending"})
	_, err = w.Update(t.Context(), operator, waiting.ID, node.Update{Status: pointer(node.Inactive)})
	wantFault(t, err, fault.StateNotAllowed)
}

func (w *world) wantStatusAfter(t *testing.T, id string, d time.Duration, want node.Status) {
	t.Helper()
	w.clock = w.clock.Add(d)
	if err := w.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.get(t, id); n.Status != want {
		t.Errorf("%s is %s (%s), want %s", id, n.Status, n.StatusReason, want)
	}
}

// Nodes that change places at the same time wait for each other; none blocks
// another.
func TestNodesChangePlacesAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	places := [2]string{"pool_aaa", "pool_bbb"}
	w.createPool(t, "aaa", 20)
	w.createPool(t, "bbb", 20)
	var moves sync.WaitGroup
	for i := range 16 {
		n, _ := w.create(t, node.New{Name: fmt.Sprintf("node-%d", i), PoolID: places[i%2]})
		moves.Go(func() {
			for round := range 4 {
				if _, err := w.Update(t.Context(), operator, n.ID, node.Update{PoolID: &places[(i+round+1)%2]}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	moves.Wait()
	for _, id := range places {
		if n := w.count(t, "SELECT node_count FROM pool WHERE pool_id = $1", id); n != 8 {
			t.Errorf("%s holds %d nodes, want 8", id, n)
		}
	}
	if n := w.count(t, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

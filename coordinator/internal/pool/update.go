package pool

import (
	"context"
	"reflect"
	"slices"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// Patch changes settings; nil leaves one as it is.
type Patch struct {
	Name           *string
	Description    *string
	MaxNodes       *int
	RewardPerEpoch *ledger.Amount // counts from the oldest epoch that is not closed yet
	Limits         *ResourceLimits
	AutoScaling    *AutoScaling
	Wanted         *Wanted
	Challenge      *node.Challenge
}

func (p Patch) on(s Settings) Settings {
	put(&s.Name, p.Name)
	put(&s.Description, p.Description)
	put(&s.MaxNodes, p.MaxNodes)
	put(&s.RewardPerEpoch, p.RewardPerEpoch)
	put(&s.Limits, p.Limits)
	put(&s.AutoScaling, p.AutoScaling)
	put(&s.Wanted, p.Wanted)
	put(&s.Challenge, p.Challenge)
	return s
}

func put[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// CheckPatch tells every field at once that is bad whatever the pool is like.
func (s *Store) CheckPatch(p Patch) error {
	_, err := p.on(Settings{Name: "any", MaxNodes: s.limits.MaxNodes}).normal(s.limits)
	return err
}

// Update changes a pool's settings. The versions are those that the caller wants
// to change, any of them; none: whatever it is. When the pool has another by
// now, nothing changes and the answer is fault.ChangedMeanwhile. A patch that
// changes nothing leaves the version as it is.
func (s *Store) Update(ctx context.Context, by audit.By, poolID string, versions []int64, patch Patch) (Pool, error) {
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error { return s.update(ctx, tx, by, poolID, versions, patch) })
	if patch.Name != nil && db.Constraint(err) == uniqueName {
		err = nameTaken(*patch.Name)
	}
	if err != nil {
		return Pool{}, about(err, "update pool %s", poolID)
	}
	return s.Get(ctx, poolID)
}

func (s *Store) update(ctx context.Context, tx db.Tx, by audit.By, poolID string, versions []int64, patch Patch) error {
	row, before, err := s.lock(ctx, tx, poolID, versions)
	if err != nil {
		return err
	}
	if patch.MaxNodes != nil && *patch.MaxNodes == 0 { // would ask for the default
		return fault.New(fault.Validation, "the pool cannot be like this; see details").
			WithFields(fault.Field{Name: "max_nodes", Reason: "must not be 0"})
	}
	after, err := patch.on(before).normal(s.limits)
	if err != nil {
		return err
	}
	if after.MaxNodes < int(row.NodeCount) {
		return fault.New(fault.StateNotAllowed, "pool %s has %d nodes, so max_nodes cannot be %d; take nodes out first",
			poolID, row.NodeCount, after.MaxNodes).
			WithFields(fault.Field{Name: "max_nodes", Reason: "is below node_count"})
	}
	now := s.now()
	record := by.Record("pool.update", poolID, before, after).AtTime(now)
	if reflect.DeepEqual(before, after) {
		return audit.Write(ctx, tx, record) // that somebody tried
	}
	documents, err := after.columns()
	if err != nil {
		return err
	}
	err = sqlgen.New(tx).UpdatePool(ctx, sqlgen.UpdatePoolParams{
		PoolNo: row.PoolNo, Name: after.Name, Description: after.Description, MaxNodes: int32(after.MaxNodes),
		RewardPerEpoch: int64(after.RewardPerEpoch), ResourceLimits: documents.limits, AutoScaling: documents.scaling,
		NodeTypes: after.Wanted.NodeTypes, Regions: after.Wanted.Regions, ChallengeDifficulty: documents.difficulty, At: now,
	})
	if err != nil {
		return err
	}
	if err := publish(ctx, tx, poolID, "", after.changed(changedUpdated, int(row.NodeCount)), now); err != nil {
		return err
	}
	return audit.Write(ctx, tx, record)
}

// Delete deletes an empty pool; one with nodes is fault.PoolNotEmpty. Its
// memberships, epochs and money stay on record, and the epochs in which it
// lived are still closed. Its name is free again, its id is not. versions is as
// in Update.
func (s *Store) Delete(ctx context.Context, by audit.By, poolID string, versions []int64) error {
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		row, before, err := s.lock(ctx, tx, poolID, versions)
		if err != nil {
			return err
		}
		if row.NodeCount > 0 {
			return fault.New(fault.PoolNotEmpty, "pool %s still has %d nodes; take them out first", poolID, row.NodeCount)
		}
		now := s.now()
		if err := sqlgen.New(tx).DeletePool(ctx, sqlgen.DeletePoolParams{PoolNo: row.PoolNo, At: now}); err != nil {
			return err
		}
		if err := publish(ctx, tx, poolID, "", before.changed(changedDeleted, 0), now); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("pool.delete", poolID, before, nil).AtTime(now))
	})
	return about(err, "delete pool %s", poolID)
}

// lock reads a pool's settings and keeps everybody else from changing it until
// the transaction ends.
func (s *Store) lock(ctx context.Context, tx db.Tx, poolID string, versions []int64) (sqlgen.LockPoolRow, Settings, error) {
	row, err := lockPool(ctx, tx, poolID)
	if err != nil {
		return row, Settings{}, err
	}
	if len(versions) > 0 && !slices.Contains(versions, row.Version) {
		return row, Settings{}, fault.New(fault.ChangedMeanwhile, "pool %s has changed since you read it; read it again", poolID)
	}
	settings, err := settingsOf(row)
	return row, settings, err
}

func settingsOf(row sqlgen.LockPoolRow) (Settings, error) {
	s := Settings{
		Name: row.Name, Description: row.Description, MaxNodes: int(row.MaxNodes), RewardPerEpoch: ledger.Amount(row.RewardPerEpoch),
		Wanted: Wanted{NodeTypes: row.NodeTypes, Regions: row.Regions},
	}
	return s, s.read(documents{row.ResourceLimits, row.AutoScaling, row.ChallengeDifficulty})
}

package node

import (
	"context"
	"crypto/ed25519"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
)

// Keys of one key epoch of a node.
type Keys struct {
	proof.Keys
	NodeID string
	Epoch  uint32
	Device ed25519.PublicKey
}

// LiveKeys gives a node's newest keys.
func (s *Store) LiveKeys(ctx context.Context, nodeID string) (int32, Keys, error) {
	row, err := sqlgen.New(s.Pool).LiveKey(ctx, nodeID)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, Keys{}, fault.New(fault.NodeNotFound, "no enrolled node %s", nodeID)
	} else if err != nil {
		return 0, Keys{}, err
	}
	keys, err := s.openKeys(row.NodeID, row.KeyEpoch, row.RootBox, row.DevicePublic)
	return row.NodeNo, keys, err
}

// LiveKeysOf gives the newest keys of many nodes at once. Those that cannot be
// opened are missing, and the error names them.
func (s *Store) LiveKeysOf(ctx context.Context, nodeNos []int32) (map[int32]Keys, error) {
	rows, err := sqlgen.New(s.Pool).LiveKeysOf(ctx, nodeNos)
	if err != nil {
		return nil, fmt.Errorf("read keys of %d nodes: %w", len(nodeNos), err)
	}
	all := make(map[int32]Keys, len(rows))
	var failed error
	for _, row := range rows {
		keys, err := s.openKeys(row.NodeID, row.KeyEpoch, row.RootBox, row.DevicePublic)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		all[row.NodeNo] = keys
	}
	return all, failed
}

// Passwords gives the MQTT password of every enrolled node, for a broker that is
// not ours and has to know them.
func (s *Store) Passwords(ctx context.Context) (map[string]string, error) {
	rows, err := sqlgen.New(s.Pool).AllLiveKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	all := make(map[string]string, len(rows))
	for _, row := range rows {
		keys, err := s.openKeys(row.NodeID, row.KeyEpoch, row.RootBox, row.DevicePublic)
		if err != nil {
			return nil, err
		}
		all[row.NodeID] = keys.MQTTPassword
	}
	return all, nil
}

// KeysOf gives the keys of one epoch, within a transaction.
func (s *Store) KeysOf(ctx context.Context, tx db.Tx, nodeNo int32, epoch uint32) (Keys, error) {
	row, err := sqlgen.New(tx).Key(ctx, sqlgen.KeyParams{NodeNo: nodeNo, KeyEpoch: int32(epoch)})
	if err != nil {
		return Keys{}, fmt.Errorf("keys of node %d, epoch %d: %w", nodeNo, epoch, err)
	}
	return s.openKeys(row.NodeID, int32(epoch), row.RootBox, row.DevicePublic)
}

func (s *Store) openKeys(nodeID string, epoch int32, box, device []byte) (Keys, error) {
	root, err := s.Box.Open(box, sealedAs(nodeID, uint32(epoch)))
	if err != nil {
		return Keys{}, fmt.Errorf("root secret of %s, key epoch %d: %w", nodeID, epoch, err)
	}
	if len(root) != len(proof.Key{}) {
		return Keys{}, fmt.Errorf("root secret of %s, key epoch %d has %d bytes", nodeID, epoch, len(root))
	}
	return Keys{Keys: proof.Key(root).Derive(), NodeID: nodeID, Epoch: uint32(epoch), Device: device}, nil
}

// Authenticate checks a node's MQTT password and gives its number and the epoch
// of its key; while a rotation's overlap lasts either key's will do. It changes
// nothing. An unknown node and a wrong password are both BadCredentials; any
// other error is ours.
func (s *Store) Authenticate(ctx context.Context, nodeID string, password []byte) (nodeNo int32, keyEpoch uint32, err error) {
	rows, err := sqlgen.New(s.Pool).ValidKeys(ctx, sqlgen.ValidKeysParams{NodeID: nodeID, At: s.Now()})
	if err != nil {
		return 0, 0, err
	}
	if len(rows) == 0 {
		return 0, 0, fault.New(fault.BadCredentials, "unknown MQTT login %s", nodeID)
	}
	for _, row := range rows {
		keys, err := s.openKeys(row.NodeID, row.KeyEpoch, row.RootBox, row.DevicePublic)
		if err != nil {
			return 0, 0, err
		}
		if subtle.ConstantTimeCompare(password, []byte(keys.MQTTPassword)) == 1 {
			return row.NodeNo, keys.Epoch, nil
		}
	}
	return 0, 0, fault.New(fault.BadCredentials, "wrong MQTT password of %s", nodeID)
}

// SealedTables are where this package keeps what it seals.
func SealedTables() []seal.Table {
	const nodeID = "(SELECT n.node_id FROM node n WHERE n.node_no = t.node_no) || '/' || t.key_epoch"
	return []seal.Table{
		{Name: "node_key", Box: "root_box", Additional: "'node root/' || " + nodeID},
		{Name: "node_key_offer", Box: "exchange_box", Additional: "'node exchange/' || " + nodeID},
	}
}

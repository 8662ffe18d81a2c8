package node

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/coordinator/internal/publicid"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Enroll gives a device its identity. The first request that uses a token binds
// it to the request's keys: the same request gets the same answer again, however
// often and even after a crash on either side; any other is refused (2004). A
// connection that was made with the node's key before is closed.
func (s *Store) Enroll(ctx context.Context, req *wire.EnrollRequest) (*wire.EnrollResponse, error) {
	if err := CheckEnroll(req); err != nil {
		return nil, err
	}
	if err := s.checkExpected(req); err != nil {
		return nil, err
	}
	if err := proof.VerifyEnrollRequest(req); err != nil {
		return nil, fault.Wrap(fault.Validation, err, "the request is not signed by its device key").
			WithFields(fault.Field{Name: "signature", Reason: "does not match device_public and the request"})
	}
	inventory, err := wire.DecodeInventory(req.Inventory)
	if err != nil {
		return nil, err
	}
	var resp *wire.EnrollResponse
	var repeated bool
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		resp, repeated, err = s.enrollTx(ctx, tx, req, inventory)
		return err
	})
	if err != nil {
		return nil, s.refused(ctx, req.Token, err)
	}
	if !repeated && resp.KeyEpoch > 1 {
		s.Disconnect(resp.NodeID, "enrolled again")
	}
	return resp, nil
}

// CheckEnroll tells every bad field at once. Whether the request is signed as
// it should be can be asked only of one without any.
func CheckEnroll(req *wire.EnrollRequest) error {
	var f findings
	if _, err := ecdh.X25519().NewPublicKey(req.X25519Public); err != nil {
		f.add("x25519_public", "is no X25519 key of 32 bytes")
	}
	if _, err := proof.ParseDeviceKey(req.DevicePublic); err != nil {
		f.add("device_public", "%s", err)
	}
	f.address(req.PayoutAddress)
	if _, err := wire.DecodeInventory(req.Inventory); err != nil {
		f.add("inventory", "%s", err)
	}
	return f.fault("the device cannot enrol")
}

// checkExpected refuses a device that would not take an answer of this
// coordinator, before anything is made of it.
func (s *Store) checkExpected(req *wire.EnrollRequest) error {
	ours := s.EnrolmentKey.Public().(ed25519.PublicKey)
	if len(req.EnrolmentKey) == 0 || ours.Equal(ed25519.PublicKey(req.EnrolmentKey)) {
		return nil
	}
	return fault.New(fault.Validation, "the device expects another coordinator: its enrolment file names another enrolment key than this one's").
		WithFields(fault.Field{Name: "enrolment_key", Reason: "is not this coordinator's"})
}

func (s *Store) enrollTx(ctx context.Context, tx db.Tx, req *wire.EnrollRequest, inv *wire.Inventory) (resp *wire.EnrollResponse, repeated bool, err error) {
	q := sqlgen.New(tx)
	if err := q.LockTokensNode(ctx, hashToken(req.Token)); err != nil {
		return nil, false, err
	}
	token, err := q.LockToken(ctx, hashToken(req.Token))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, fault.New(fault.BadEnrolmentToken, "the enrolment token is unknown; ask for a new one")
	} else if err != nil {
		return nil, false, err
	}
	requestHash := sha256.Sum256(proof.EnrollRequestTranscript(req))
	if resp, err = repeatedEnroll(ctx, q, &token, requestHash[:]); resp != nil || err != nil {
		return resp, true, err
	}
	now := s.Now()
	if err := checkToken(ctx, q, &token, inv.SerialHash, now); err != nil {
		return nil, false, err
	}
	nodeNo, nodeID, err := s.enrolledNode(ctx, tx, &token, req, inv, now)
	if err != nil {
		return nil, false, err
	}
	resp, err = s.giveKeys(ctx, q, nodeNo, nodeID, req, now)
	if err != nil {
		return nil, false, err
	}
	stored, err := json.Marshal(resp)
	if err != nil {
		return nil, false, err
	}
	use := sqlgen.AddUseParams{
		TokenHash: token.TokenHash, RequestHash: requestHash[:], NodeNo: nodeNo, UsedAt: now, Response: stored, SerialHash: &inv.SerialHash,
	}
	if err := useToken(ctx, q, &token, use); err != nil {
		return nil, false, err
	}
	if resp.KeyEpoch == 1 {
		if err := s.Assign(ctx, tx, nodeNo, now); err != nil {
			return nil, false, err
		}
	}
	return resp, false, enrolled(ctx, tx, nodeNo, resp, &token, now)
}

// enrolled tells of an enrolment and writes it down.
func enrolled(ctx context.Context, tx db.Tx, nodeNo int32, resp *wire.EnrollResponse, token *sqlgen.EnrolmentToken, now time.Time) error {
	n, err := sqlgen.New(tx).LockStatus(ctx, nodeNo)
	if err != nil {
		return err
	}
	c := Changed{Change: changedEnrolled, Status: Status(n.Status), Reason: n.StatusReason, Online: n.Online}
	if err := event.Publish(ctx, tx, c.event(n.NodeID, n.PoolID, now)); err != nil {
		return err
	}
	by := audit.By{Actor: audit.Device}
	return audit.Write(ctx, tx, by.Record("node.enrol", n.NodeID, nil, map[string]any{
		"key_epoch": resp.KeyEpoch, "token": tokenID(token.TokenHash), "pool_id": n.PoolID,
	}).AtTime(now))
}

// repeatedEnroll gives the answer that the same request got before; nil when it
// is a new one.
func repeatedEnroll(ctx context.Context, q *sqlgen.Queries, token *sqlgen.EnrolmentToken, requestHash []byte) (*wire.EnrollResponse, error) {
	answer := token.Response
	if !bytes.Equal(token.RequestHash, requestHash) {
		var err error
		answer, err = q.AnswerOfUse(ctx, sqlgen.AnswerOfUseParams{TokenHash: token.TokenHash, RequestHash: requestHash})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	resp := new(wire.EnrollResponse)
	return resp, json.Unmarshal(answer, resp)
}

// enrolledNode gives the node that a token speaks of: the one it is bound to,
// or a new one in the token's pool.
func (s *Store) enrolledNode(ctx context.Context, tx db.Tx, token *sqlgen.EnrolmentToken, req *wire.EnrollRequest,
	inv *wire.Inventory, now time.Time,
) (int32, string, error) {
	q := sqlgen.New(tx)
	stored, err := json.Marshal(inv) // only what was checked, not the bytes that came
	if err != nil {
		return 0, "", err
	}
	if token.NodeNo != nil {
		id, err := boundNode(ctx, tx, *token.NodeNo, req, inv, stored, now)
		return *token.NodeNo, id, err
	}
	if err := freeBoard(ctx, q, inv.SerialHash, 0); err != nil {
		return 0, "", err
	}
	id := publicid.New("node")
	name, err := freeName(ctx, q, token.NodeName, inv.Hostname, id)
	if err != nil {
		return 0, "", err
	}
	no, err := q.InsertNode(ctx, sqlgen.InsertNodeParams{
		NodeID: id, Name: name, SerialHash: inv.SerialHash, Inventory: stored,
		PayoutAddress: req.PayoutAddress, AgentVersion: inv.AgentVersion, At: now,
	})
	if err != nil {
		return 0, "", err
	}
	if err := q.InsertState(ctx, sqlgen.InsertStateParams{NodeNo: no, Status: string(Starting), Reason: "enrolled", FromAt: now}); err != nil {
		return 0, "", err
	}
	if err := q.FirstConfig(ctx, sqlgen.FirstConfigParams{NodeNo: no, AtMs: now.UnixMilli()}); err != nil {
		return 0, "", err
	}
	if token.PoolNo != nil {
		return no, id, s.Join(ctx, tx, *token.PoolNo, no, now)
	}
	return no, id, nil
}

// boundNode enrols the node that a token is bound to: one that waits for its
// first device begins its life, any other gets a new key epoch only.
func boundNode(ctx context.Context, tx db.Tx, nodeNo int32, req *wire.EnrollRequest, inv *wire.Inventory, stored []byte, now time.Time) (string, error) {
	q := sqlgen.New(tx)
	before, err := q.LockStatus(ctx, nodeNo)
	if err != nil {
		return "", err
	}
	if before.DeletedAt != nil {
		return "", fault.New(fault.BadEnrolmentToken, "the enrolment token is for a node that was deleted; ask for a new one")
	}
	if err := freeBoard(ctx, q, inv.SerialHash, nodeNo); err != nil {
		return "", err
	}
	if Status(before.Status) != Pending {
		return before.NodeID, reenrol(ctx, tx, nodeNo, before, req.PayoutAddress, inv, stored, now)
	}
	err = q.FirstEnrolNode(ctx, sqlgen.FirstEnrolNodeParams{
		NodeNo: nodeNo, Inventory: stored, AgentVersion: inv.AgentVersion, UpdatedAt: now,
		SerialHash: inv.SerialHash, PayoutAddress: req.PayoutAddress,
	})
	if err != nil {
		return "", err
	}
	return before.NodeID, enter(ctx, tx, nodeNo, before, standing{Starting, "enrolled", nil}, now)
}

// reenrol gives a node to the device that shows its operator's token, which may
// be another board. The payout address that it brings is a change like any
// other.
func reenrol(ctx context.Context, tx db.Tx, nodeNo int32, before sqlgen.LockStatusRow, address string, inv *wire.Inventory, stored []byte, now time.Time) error {
	q := sqlgen.New(tx)
	if address != "" {
		earned, err := q.HasEarned(ctx, nodeNo)
		if err == nil {
			err = setAddress(ctx, tx, nodeNo, address, now, earned)
		}
		if err != nil {
			return err
		}
	}
	err := q.ReenrolNode(ctx, sqlgen.ReenrolNodeParams{
		NodeNo: nodeNo, Inventory: stored, AgentVersion: inv.AgentVersion, UpdatedAt: now, SerialHash: inv.SerialHash,
	})
	if next := afterReenrolment(Status(before.Status)); err == nil && next != Status(before.Status) {
		err = enter(ctx, tx, nodeNo, before, standing{next, "enrolled again", nil}, now)
	}
	return err
}

// freeBoard refuses a board that another node is: it keeps its node. No index
// says so, since a fleet may hold twins from before this was checked.
func freeBoard(ctx context.Context, q *sqlgen.Queries, serialHash string, nodeNo int32) error {
	if serialHash == "" {
		return nil
	}
	if err := q.TakeBoardTurn(ctx, serialHash); err != nil {
		return err
	}
	owner, err := q.NodeBySerial(ctx, sqlgen.NodeBySerialParams{SerialHash: serialHash, NodeNo: nodeNo})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	return &intrusion{nodeNo: owner.NodeNo, what: "another device shows its board's serial number",
		error: fault.New(fault.StateNotAllowed, "this board is enrolled as %s; ask for a token bound to that node", owner.NodeID)}
}

// giveKeys makes the next key epoch of a node, retires the one before and
// answers what the device needs to derive the same root.
func (s *Store) giveKeys(ctx context.Context, q *sqlgen.Queries, nodeNo int32, nodeID string, req *wire.EnrollRequest, now time.Time) (*wire.EnrollResponse, error) {
	epoch, err := q.NextKeyEpoch(ctx, nodeNo)
	if err != nil {
		return nil, err
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	resp := &wire.EnrollResponse{
		V: wire.ProtocolVersion, NodeID: nodeID, KeyEpoch: uint32(epoch),
		X25519Public: private.PublicKey().Bytes(), MQTT: s.MQTT, CAPEM: s.CAPEM(),
	}
	transcript := proof.EnrollTranscript(req, resp)
	resp.Signature = ed25519.Sign(s.EnrolmentKey, transcript)
	root, err := proof.RootFrom(private, req.X25519Public, req.Token, transcript)
	if err != nil {
		return nil, fault.Wrap(fault.Validation, err, "the device's X25519 key is not usable").
			WithFields(fault.Field{Name: "x25519_public", Reason: err.Error()})
	}
	if err := q.RetireKeys(ctx, sqlgen.RetireKeysParams{NodeNo: nodeNo, At: now}); err != nil {
		return nil, err
	}
	if err := q.SetTold(ctx, sqlgen.SetToldParams{NodeNo: nodeNo, ToldPlaces: hashPlaces(resp.MQTT, resp.CAPEM)}); err != nil {
		return nil, err
	}
	return resp, q.InsertKey(ctx, sqlgen.InsertKeyParams{
		NodeNo: nodeNo, KeyEpoch: epoch, DevicePublic: req.DevicePublic, CreatedAt: now,
		RootBox: s.Box.Seal(root[:], sealedAs(nodeID, uint32(epoch))),
	})
}

// sealedAs binds a sealed root to its node and key epoch.
func sealedAs(nodeID string, epoch uint32) []byte {
	return fmt.Appendf(nil, "node root/%s/%d", nodeID, epoch)
}

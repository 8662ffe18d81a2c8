package challenge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/proof"
)

// Attempts is how many answers to one challenge can be checked from outside.
// The same answer again, while it is remembered, is not counted.
const Attempts = 3

// clockSlack is how far the clock of who shows an answer may be off.
const clockSlack = time.Second

// Shown is an answer that somebody shows.
type Shown struct {
	NodeID      string
	ChallengeID uuid.UUID
	Answer      []byte    // canonical bytes of a response
	At          time.Time // when it was given, as whoever shows it says
}

// Finding is what an answer is, against the verdict on record, which it never
// changes.
type Finding struct {
	Result   Result // the stored verdict
	Reason   string
	JudgedAt time.Time

	Genuine bool // the node's MAC holds, and it is for this challenge
	Signed  bool // by the node's device key, too
	Solved  bool // every solution is right
	Judged  bool // these very bytes are what the verdict judged
	InTime  bool // the time that is told lies between the challenge and its end

	issuedAt, expiresAt time.Time
}

// Valid reports whether these bytes are the proof that the verdict found valid.
func (f Finding) Valid() bool {
	return f.Result == Valid && f.Judged && f.Genuine && f.Signed && f.Solved && f.InTime
}

// OutputHash is the hex SHA-256 of an answer.
func OutputHash(answer []byte) string {
	sum := sha256.Sum256(answer)
	return hex.EncodeToString(sum[:])
}

// Checked is a finding, or the fault why there is none.
type Checked struct {
	Finding
	Fault *fault.Error
}

// Check compares answers with judged challenges, each for itself. The error is
// ours.
func (d *Desk) Check(ctx context.Context, by audit.By, shown []Shown) (all []Checked, err error) {
	all = make([]Checked, len(shown))
	order := make([]int, len(shown))
	for i := range order {
		order[i] = i
	}
	// Rows are locked in one order by all who check.
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(shown[a].ChallengeID[:], shown[b].ChallengeID[:]) })
	err = db.InTx(ctx, d.Pool, func(tx db.Tx) error {
		rows, err := d.find(ctx, tx, shown)
		if err != nil {
			return err
		}
		valid := 0
		for _, i := range order {
			if all[i], err = d.check(ctx, tx, rows, shown[i]); err != nil {
				return fmt.Errorf("check an answer of %s: %w", shown[i].NodeID, err)
			}
			if all[i].Fault == nil && all[i].Valid() {
				valid++
			}
		}
		target := ""
		if len(shown) == 1 {
			target = shown[0].NodeID
		}
		return audit.Write(ctx, tx, by.Record("proof.check", target, nil, map[string]int{"answers": len(shown), "valid": valid}).AtTime(d.Now()))
	})
	return all, err
}

// found are challenges by what names them.
type found map[place]*sqlgen.ShownRow

type place struct {
	nodeID      string
	challengeID uuid.UUID
}

func (d *Desk) find(ctx context.Context, tx db.Tx, shown []Shown) (found, error) {
	ids := make([]uuid.UUID, len(shown))
	for i, s := range shown {
		ids[i] = s.ChallengeID
	}
	list, err := sqlgen.New(tx).Shown(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("find challenges: %w", err)
	}
	rows := make(found, len(list))
	for i := range list {
		rows[place{list[i].NodeID, list[i].ChallengeID}] = &list[i]
	}
	return rows, nil
}

func (d *Desk) check(ctx context.Context, tx db.Tx, rows found, s Shown) (Checked, error) {
	now := d.Now()
	row := rows[place{s.NodeID, s.ChallengeID}]
	switch {
	case row == nil:
		return refuse(fault.ChallengeUnknown, "%s was never asked %s", s.NodeID, s.ChallengeID), nil
	case row.Result == nil && now.After(row.ExpiresAt):
		return refuse(fault.ChallengeExpired, "challenge %s ended at %s without an answer", s.ChallengeID, row.ExpiresAt.Format(time.RFC3339)), nil
	case row.Result == nil:
		return refuse(fault.ChallengeOpen, "challenge %s is open: only its node answers it, over MQTT", s.ChallengeID), nil
	}
	key := sha256.Sum256(slices.Concat(s.ChallengeID[:], []byte(s.NodeID), []byte{0}, s.Answer))
	f, known := d.checked.get(key, now)
	if !known {
		allowed, err := sqlgen.New(tx).Attempt(ctx, sqlgen.AttemptParams{ChallengeID: s.ChallengeID, Most: Attempts})
		if err != nil {
			return Checked{}, err
		}
		if allowed == 0 {
			return refuse(fault.TooManyAttempts, "%d answers to challenge %s were checked already; no more are", Attempts, s.ChallengeID), nil
		}
		if f, err = d.compare(ctx, tx, row, s.Answer); err != nil {
			return Checked{}, err
		}
		d.checked.put(key, f, now)
	}
	f.InTime = !s.At.Before(f.issuedAt.Add(-clockSlack)) && !s.At.After(f.expiresAt.Add(clockSlack))
	return Checked{Finding: f}, nil
}

func refuse(code fault.Code, format string, args ...any) Checked {
	return Checked{Fault: fault.New(code, format, args...)}
}

// compare checks the bytes under the keys of the epoch that the challenge names.
func (d *Desk) compare(ctx context.Context, tx db.Tx, row *sqlgen.ShownRow, raw []byte) (Finding, error) {
	f := Finding{
		Result: Result(*row.Result), Reason: *row.Reason, JudgedAt: *row.JudgedAt,
		Judged: subtle.ConstantTimeCompare(row.Response, raw) == 1, issuedAt: row.IssuedAt, expiresAt: row.ExpiresAt,
	}
	answer, err := proof.ParseResponse(raw)
	if err != nil {
		return f, nil // nothing of it holds
	}
	keys, err := d.Nodes.KeysOf(ctx, tx, row.NodeNo, uint32(row.KeyEpoch))
	if err != nil {
		return Finding{}, err
	}
	asked, err := proof.DecodeChallenge(row.Canonical, keys.Challenge)
	if err != nil {
		return Finding{}, fmt.Errorf("stored challenge %s: %w", row.ChallengeID, err)
	}
	f.Genuine = answer.VerifyMAC(keys.Response) && answer.ChallengeHash == proof.HashChallenge(row.Canonical)
	f.Signed = answer.VerifySignature(keys.Device)
	f.Solved = asked.CheckSolutions(d.PuzzleKey, answer.Solutions)
	return f, nil
}

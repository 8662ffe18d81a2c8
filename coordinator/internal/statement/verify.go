package statement

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
)

// Report is what Verify found.
type Report struct {
	From, To               time.Time
	Epochs, Lines, Entries int
	Head                   ledger.Hash // of the last entry
	Difference             string      // the first one, with the number of its line; empty when all is sound
}

// maxRecord bounds a line of an export: an entry of some ten thousand postings.
const maxRecord = 64 << 20

// Verify recomputes an export from itself alone, record by record: each score
// from the verdicts, each line from its evidence, each share from the weights,
// each posting from the shares, each hash from its entry. It stops at the first
// difference. An error says that the export could not be read.
func Verify(in io.Reader) (Report, error) {
	v := verifier{trails: make(map[string]known), accruals: make(map[uuid.UUID]ledger.Hash)}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, 64<<10), maxRecord)
	for scanner.Scan() {
		v.number++
		if difference := v.record(scanner.Bytes()); difference != "" {
			v.report.Difference = difference
			return v.report, nil
		}
	}
	if err := scanner.Err(); err != nil {
		return Report{}, fmt.Errorf("line %d of the export: %w", v.number+1, err)
	}
	if !v.ended {
		v.report.Difference = fmt.Sprintf("after line %d: the export ends before its end", v.number)
	}
	return v.report, nil
}

// verifier is what is known after so many records.
type verifier struct {
	report Report
	number int // of the line
	sealed seal
	broken string // the first record of this epoch whose seal does not follow
	head   *header
	ended  bool

	epoch *epochRecord // whose lines are being read
	lines []Line

	trails   map[string]known          // by node: what the last line knew of its score
	accruals map[uuid.UUID]ledger.Hash // entries that epochs named and that have not come yet
	prev     *ledger.Hash              // of the last entry
	no       int64
}

// known is what was known of a node's score at an instant.
type known struct {
	at     time.Time
	record *score.Record
}

// record takes the next record and gives a difference: the first record whose
// seal does not follow, and what is wrong with the figures.
func (v *verifier) record(line []byte) string {
	var kind struct {
		Record string `json:"record"`
	}
	own, sound := unseal(line, v.sealed)
	v.sealed = own
	if !sound && v.broken == "" {
		v.broken = fmt.Sprintf("line %d: the record is not the one that was exported: its seal does not follow from it", v.number)
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return v.differ("is no record: %v", err)
	}
	difference := v.take(kind.Record, line)
	switch {
	case v.broken == "":
		return difference
	case difference != "":
		return v.broken + "; " + difference
	case v.epoch == nil:
		return v.broken
	}
	return "" // the epoch's figures will say more
}

func (v *verifier) take(kind string, line []byte) string {
	switch {
	case v.ended:
		return v.differ("a record after the end")
	case (kind == recordExport) != (v.head == nil):
		return v.differ("an export begins with one header")
	case v.epoch != nil && kind != recordLine:
		return v.differ("epoch of %s from %s: has %d lines, not %d", v.epoch.PoolID, instant(v.epoch.StartsAt), len(v.lines), v.epoch.Lines)
	}
	switch kind {
	case recordExport:
		return decode(v, line, v.begin)
	case recordEpoch:
		return decode(v, line, v.openEpoch)
	case recordLine:
		return decode(v, line, v.line)
	case recordEntry:
		return decode(v, line, v.entry)
	case recordEnd:
		return decode(v, line, v.end)
	}
	return v.differ("a record of unknown kind %q", kind)
}

func decode[T any](v *verifier, line []byte, take func(T) string) string {
	var record T
	// The seal is cut off, so that every other field has to be known.
	if at := len(line) - sealLength; at > 0 && bytes.HasPrefix(line[at:], []byte(sealField)) {
		line = append(bytes.Clone(line[:at]), '}')
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&record); err != nil {
		return v.differ("cannot be read: %v", err)
	}
	return take(record)
}

func (v *verifier) differ(format string, args ...any) string {
	return fmt.Sprintf("line %d: ", v.number) + fmt.Sprintf(format, args...)
}

func (v *verifier) begin(h header) string {
	if h.Version != Version {
		return v.differ("the export has form %d, this program knows %d", h.Version, Version)
	}
	v.head, v.report.From, v.report.To = &h, h.From, h.To
	return ""
}

func (v *verifier) openEpoch(e epochRecord) string {
	v.report.Epochs++
	v.epoch, v.lines = &e, nil
	if e.ClosedAt.Before(v.head.From) || !e.ClosedAt.Before(v.head.To) {
		return v.differ("epoch of %s was closed at %s, outside of the export's time", e.PoolID, instant(e.ClosedAt))
	}
	return v.closeEpoch()
}

func (v *verifier) line(l Line) string {
	if v.epoch == nil {
		return v.differ("a line outside of an epoch")
	}
	if l.PoolID != v.epoch.PoolID || !l.StartsAt.Equal(v.epoch.StartsAt) || !l.EndsAt.Equal(v.epoch.EndsAt) {
		return v.differ("line of %s: is of another epoch than the one before it", l.NodeID)
	}
	v.report.Lines++
	v.lines = append(v.lines, l)
	return v.closeEpoch()
}

// closeEpoch computes the epoch once all its lines have come.
func (v *verifier) closeEpoch() string {
	if len(v.lines) < v.epoch.Lines {
		return ""
	}
	e, members := v.epoch, make([]epoch.Member, len(v.lines))
	for i, l := range v.lines {
		record, difference := v.score(l)
		if difference != "" {
			return v.ofLine(i, difference)
		}
		members[i] = l.member(record)
	}
	lines, decided, err := epoch.Statement(span.Interval{From: e.StartsAt, To: e.EndsAt}, e.Reward, members, spansOf(e.Faults), e.ClosedAt)
	if err != nil || !decided {
		return v.differ("epoch of %s from %s: cannot have been closed: %v", e.PoolID, instant(e.StartsAt), err)
	}
	for i, computed := range lines {
		if difference := v.lines[i].difference(computed); difference != "" {
			return v.ofLine(i, difference)
		}
	}
	v.epoch = nil
	if e.Reward == 0 && e.EntryID == nil {
		return ""
	}
	entry := epoch.Accrual(e.PoolID, e.StartsAt, e.ClosedAt, e.Reward, lines)
	if e.EntryID == nil || *e.EntryID != entry.ID() {
		return v.differ("epoch of %s from %s: its entry is %v, not %s", e.PoolID, instant(e.StartsAt), e.EntryID, entry.ID())
	}
	v.accruals[entry.ID()] = entry.InputHash()
	return ""
}

// ofLine names a line of the epoch that is being computed.
func (v *verifier) ofLine(i int, difference string) string {
	l := v.lines[i]
	return fmt.Sprintf("line %d: %s in the epoch of %s from %s: %s", v.number-len(v.lines)+1+i, l.NodeID, l.PoolID, instant(l.StartsAt), difference)
}

// score computes the score of a line from the verdicts.
func (v *verifier) score(l Line) (*score.Record, string) {
	if last, seen := v.trails[l.NodeID]; seen && last.at.Equal(l.StartsAt) && !last.record.IsPast(l.Evidence.Trail.Before) {
		return nil, "evidence.score.before is not what the epoch before it ended with"
	}
	for _, c := range l.Evidence.Trail.Since {
		if c.Judged.At.After(l.EndsAt) {
			return nil, fmt.Sprintf("verdict %d is later than the epoch", c.No)
		}
	}
	record, err := l.Evidence.Trail.Replay()
	if err != nil {
		return nil, "evidence.score: " + err.Error()
	}
	if !record.Is(l.ScoreNano, l.Factors) {
		computed := int64(0)
		if record != nil {
			computed = record.Score
		}
		return nil, fmt.Sprintf("score is %d with its factors, the verdicts give %d", l.ScoreNano, computed)
	}
	v.trails[l.NodeID] = known{l.EndsAt, record}
	return record, ""
}

// difference names the first figure of a line that is not the computed one.
func (l Line) difference(computed epoch.Line) string {
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"member_ms", l.MemberMs, computed.MemberMs}, {"credited_ms", l.CreditedMs, computed.CreditedMs},
		{"score", l.ScoreNano, computed.ScoreNano}, {"weight", l.Weight, computed.Weight},
		{"share", l.Share, computed.Share}, {"destination", l.Destination, computed.Destination},
	} {
		if f.got != f.want {
			return fmt.Sprintf("%s is %v, its evidence gives %v", f.name, f.got, f.want)
		}
	}
	if !slices.Equal(l.Reasons, computed.Reasons) {
		return fmt.Sprintf("reasons are %v, its evidence gives %v", l.Reasons, computed.Reasons)
	}
	return ""
}

func (v *verifier) entry(r entryRecord) string {
	e := r.stored()
	prev := e.PrevHash
	if v.prev != nil {
		prev = *v.prev
		if e.No <= v.no {
			return v.differ("entry_no %d comes after %d", e.No, v.no)
		}
	}
	if difference := e.Difference(prev); difference != "" {
		return v.differ("%s", difference)
	}
	v.report.Entries++
	v.prev, v.no, v.report.Head = &e.Hash, e.No, e.Hash
	computed, known := v.accruals[e.ID]
	inside := !e.At.Before(v.head.From) && e.At.Before(v.head.To)
	switch {
	case known && computed != e.InputHash:
		return v.differ("entry_no %d (%s %s): its postings are not the shares of its epoch", e.No, e.Kind, e.Ref)
	case !known && inside && e.IsAccrual():
		return v.differ("entry_no %d (%s %s): pays an epoch that is not in the export", e.No, e.Kind, e.Ref)
	}
	delete(v.accruals, e.ID)
	return ""
}

func (v *verifier) end(e end) string {
	v.ended = true
	switch {
	case e.Epochs != v.report.Epochs || e.Lines != v.report.Lines || e.Entries != v.report.Entries:
		return v.differ("the export says %d epochs, %d lines and %d entries, it holds %d, %d and %d",
			e.Epochs, e.Lines, e.Entries, v.report.Epochs, v.report.Lines, v.report.Entries)
	case len(v.accruals) > 0:
		return v.differ("%d epochs name an entry that is not in the export", len(v.accruals))
	case v.prev != nil && ledger.Hash(e.Head) != *v.prev:
		return v.differ("the ledger's head is not the hash of the last entry")
	}
	return ""
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

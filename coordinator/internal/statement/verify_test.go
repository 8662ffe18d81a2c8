package statement_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/statement"
)

func verify(t *testing.T, export []byte) statement.Report {
	t.Helper()
	report, err := statement.Verify(bytes.NewReader(export))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestExportIsRecomputed(t *testing.T) {
	w := lived(t)
	export := w.export(at(0), at(1000))
	report := verify(t, export)
	if report.Difference != "" {
		t.Fatalf("%s\n%s", report.Difference, export)
	}
	if report.Epochs != 9 || report.Lines != 19 || report.Entries != 9 {
		t.Errorf("%d epochs, %d lines, %d entries; want 9 of 3 pools, 19 lines and 6 accruals with 3 payouts", report.Epochs, report.Lines, report.Entries)
	}
	if again := w.export(at(0), at(1000)); !bytes.Equal(again, export) {
		t.Error("a second export differs from the first")
	}
	// Any part of the time is an export of its own, which begins with what was known.
	for _, part := range [][2]float64{{0, 100}, {100, 1000}, {125, 187}, {500, 600}} {
		if report := verify(t, w.export(at(part[0]), at(part[1]))); report.Difference != "" {
			t.Errorf("from %v to %v: %s", part[0], part[1], report.Difference)
		}
	}
}

// token is a number of a record: where it stands, and the same one unit off.
type token struct {
	from, to int
	changed  string
}

var number = regexp.MustCompile(`(?:[:\[,])(-?\d+(?:\.\d+)?)`)

// numbers finds every number outside of strings.
func numbers(t *testing.T, record []byte) (all []token) {
	t.Helper()
	for _, at := range number.FindAllSubmatchIndex(record, -1) {
		if from, to := at[2], at[3]; bytes.Count(record[:from], []byte(`"`))%2 == 0 {
			all = append(all, token{from, to, oneMore(t, string(record[from:to]))})
		}
	}
	return all
}

// oneMore is a number with one more of its last unit: a micro-USDT where it has
// decimals.
func oneMore(t *testing.T, text string) string {
	whole, fraction, decimal := strings.Cut(text, ".")
	if decimal {
		whole += fraction + strings.Repeat("0", 6-len(fraction))
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if !decimal {
		return strconv.FormatInt(n+1, 10)
	}
	sign := ""
	if n++; n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%06d", sign, n/1_000_000, n%1_000_000)
}

func replaced(line []byte, n token) []byte {
	return bytes.Join([][]byte{line[:n.from], line[n.to:]}, []byte(n.changed))
}

// Every number of an export in turn is altered by one unit: each is found, in
// its own record or, where that follows, in the epoch of that record.
func TestEveryAlteredNumberIsFoundAndNamed(t *testing.T) {
	export := lived(t).export(at(0), at(1000))
	lines := bytes.SplitAfter(export, []byte("\n"))
	altered := 0
	for i, line := range lines {
		for _, n := range numbers(t, line) {
			altered++
			changed := append(append(bytes.Join(lines[:i], nil), replaced(line, n)...), bytes.Join(lines[i+1:], nil)...)
			report := verify(t, changed)
			if !strings.HasPrefix(report.Difference, fmt.Sprintf("line %d: ", i+1)) {
				t.Errorf("line %d, %s made %s: %q", i+1, line[max(0, n.from-30):n.to], n.changed, report.Difference)
			}
		}
	}
	if altered < 500 {
		t.Errorf("only %d numbers were altered", altered)
	}
}

// reseal seals all records anew, as a forger would.
func reseal(export []byte) []byte {
	var out bytes.Buffer
	var last [sha256.Size]byte
	for line := range bytes.Lines(export) {
		body := line[:bytes.LastIndex(line, []byte(`,"seal":"`))]
		last = sha256.Sum256(append(last[:], body...))
		fmt.Fprintf(&out, "%s,\"seal\":\"%s\"}\n", body, hex.EncodeToString(last[:]))
	}
	return out.Bytes()
}

// A forger who seals his export anew cannot change what money follows from: the
// figures themselves disagree.
func TestForgedMoneyIsFoundWithoutSeals(t *testing.T) {
	export := lived(t).export(at(0), at(1000))
	if !bytes.Equal(reseal(export), export) {
		t.Fatal("sealing anew changes a sound export")
	}
	lines := bytes.SplitAfter(export, []byte("\n"))
	money := regexp.MustCompile(`"(reward|lines|member_ms|credited_ms|score|weight|share|amount|reputation|timeliness|quality|epochs|entries)":$`)
	forged := 0
	for i, line := range lines {
		for _, n := range numbers(t, line) {
			field := money.Find(line[:n.from])
			if field == nil || n.changed == "1" && bytes.Contains(line, []byte(`"record":"epoch"`)) && bytes.Contains(line, []byte("pool_free")) {
				continue // a reward of 0 in a pool without any entry is found too, but has no line of its own
			}
			forged++
			changed := append(append(bytes.Join(lines[:i], nil), replaced(line, n)...), bytes.Join(lines[i+1:], nil)...)
			if report := verify(t, reseal(changed)); report.Difference == "" {
				t.Errorf("line %d: %s%s was not found\n%s", i+1, field, n.changed, line)
			}
		}
	}
	if forged < 200 {
		t.Errorf("only %d figures were forged", forged)
	}
}

func TestDamagedExportsAreNamed(t *testing.T) {
	export := lived(t).export(at(0), at(1000))
	lines := bytes.SplitAfter(bytes.TrimSuffix(export, []byte("\n")), []byte("\n"))
	join := func(parts ...[][]byte) []byte {
		var all []byte
		for _, p := range parts {
			all = append(all, bytes.Join(p, nil)...)
		}
		return all
	}
	last := len(lines) - 1
	for name, c := range map[string]struct {
		export []byte
		want   string
	}{
		"cut off":           {join(lines[:last]), "ends before its end"},
		"empty":             {nil, "ends before its end"},
		"a line is missing": {reseal(join(lines[:2], lines[3:])), "has 4 lines, not 5"},
		"an epoch too":      {reseal(join(lines[:1], lines[7:])), "pays an epoch that is not in the export"},
		"an entry":          {reseal(join(lines[:last-1], lines[last:])), "the export says"},
		"two swapped":       {join(lines[:1], lines[7:8], lines[1:7], lines[8:]), "seal"},
		"after the end":     {join(lines, [][]byte{[]byte("\n"), lines[last]}), "after the end"},
		"no JSON":           {[]byte("hello\n"), "no record"},
		"another field":     {reseal(bytes.Replace(export, []byte(`"weight":`), []byte(`"bonus":1,"weight":`), 1)), "bonus"},
	} {
		if report := verify(t, c.export); !strings.Contains(report.Difference, c.want) {
			t.Errorf("%s: %q, want %q", name, report.Difference, c.want)
		}
	}
}

// The export is written as it is read: its first records are out before the
// last are made.
func TestExportStreams(t *testing.T) {
	w := lived(t)
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- w.archive().Export(t.Context(), write, at(0), at(1000)) }()
	d := json.NewDecoder(read)
	var first struct{ Record string }
	if err := d.Decode(&first); err != nil || first.Record != "export" {
		t.Fatalf("%+v, %v", first, err)
	}
	read.Close()
	if err := <-done; err == nil {
		t.Error("nobody reads, and the export went on to its end")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"record":"export","version":1,"from":"2026-03-01T10:00:00Z","to":"2026-03-01T11:00:00Z"}`))
	f.Add([]byte(`{"record":"line","evidence":{"score":{"before":{"score":1,"factors":{}}}}}`))
	f.Fuzz(func(t *testing.T, export []byte) {
		report, err := statement.Verify(bytes.NewReader(export))
		if err == nil && report.Difference == "" {
			t.Errorf("sound: %q", export) // no fuzzer finds SHA-256 seals
		}
	})
}

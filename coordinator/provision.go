package coordinator

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/tron"
)

// fleetColumns are what a fleet's CSV may hold; name is required.
var fleetColumns = []string{"name", "pool", "payout_address"}

// Device is one line of a fleet's CSV.
type Device struct {
	Line                      int
	Name, Pool, PayoutAddress string
}

// ReadFleet reads a CSV with a line of headings: name, and where wanted pool
// and payout_address. Its error names every fault of the file with its line.
func ReadFleet(r io.Reader) ([]Device, error) {
	table := csv.NewReader(r)
	table.TrimLeadingSpace, table.FieldsPerRecord = true, -1 // the count is checked with the line
	head, err := table.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("1: the file is empty, want a line of headings: " + strings.Join(fleetColumns, ","))
	} else if err != nil {
		return nil, err
	}
	place, err := fleetPlaces(head)
	if err != nil {
		return nil, err
	}
	var devices []Device
	var wrong []error
	for {
		fields, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil { // beyond an open quote nothing can be told apart
			return nil, errors.Join(append(wrong, err)...)
		}
		line, _ := table.FieldPos(0)
		if len(fields) != len(head) {
			wrong = append(wrong, fmt.Errorf("%d: has %d columns, the headings have %d", line, len(fields), len(head)))
			continue
		}
		d := Device{Line: line}
		for i, into := range []*string{&d.Name, &d.Pool, &d.PayoutAddress} {
			if at := place[i]; at >= 0 {
				*into = strings.TrimSpace(fields[at])
			}
		}
		devices = append(devices, d)
	}
	if len(devices) == 0 && len(wrong) == 0 {
		wrong = append(wrong, errors.New("2: no device follows the headings"))
	}
	return devices, errors.Join(append(wrong, checkDevices(devices)...)...)
}

// fleetPlaces finds each of fleetColumns among the headings; -1 for one that
// is not there.
func fleetPlaces(head []string) ([3]int, error) {
	var place [3]int
	var wrong []error
	for i, name := range fleetColumns {
		place[i] = slices.IndexFunc(head, func(h string) bool { return strings.TrimSpace(h) == name })
	}
	if place[0] < 0 {
		wrong = append(wrong, errors.New("1: no column name"))
	}
	for i, h := range head {
		h = strings.TrimSpace(h)
		if !slices.Contains(fleetColumns, h) {
			wrong = append(wrong, fmt.Errorf("1: no such column %q, want %s", h, strings.Join(fleetColumns, ", ")))
		} else if first := place[slices.Index(fleetColumns, h)]; first != i {
			wrong = append(wrong, fmt.Errorf("1: column %s comes twice", h))
		}
	}
	return place, errors.Join(wrong...)
}

func checkDevices(devices []Device) (wrong []error) {
	first := make(map[string]int)
	for _, d := range devices {
		if err := (node.Token{NodeName: d.Name, Life: time.Hour}).Check(); err != nil || d.Name == "" {
			wrong = append(wrong, fmt.Errorf("%d: name: %q is not 3 to 100 letters, digits, _ or -", d.Line, d.Name))
		} else if before, twice := first[d.Name]; twice {
			wrong = append(wrong, fmt.Errorf("%d: name: %s stands in line %d already", d.Line, d.Name, before))
		} else {
			first[d.Name] = d.Line
		}
		if d.PayoutAddress == "" {
			continue
		}
		if err := tron.CheckAddress(d.PayoutAddress); err != nil {
			wrong = append(wrong, fmt.Errorf("%d: payout_address: %w", d.Line, err))
		}
	}
	return wrong
}

// Provision makes a one-time token for each device, all of them or none, and
// gives the text of each one's enroll.toml. Its error names every pool that is
// not there and every name that is taken, with its line.
func (f *Foundation) Provision(ctx context.Context, devices []Device, life time.Duration) ([]string, error) {
	tokens := make([]node.Token, len(devices))
	pools := make(map[string]*int32)
	var wrong []error
	for i, d := range devices {
		tokens[i] = node.Token{NodeName: d.Name, Life: life}
		if _, known := pools[d.Pool]; d.Pool != "" && !known {
			p, err := f.Pools.Get(ctx, d.Pool)
			if err != nil && !fault.Has(err, fault.PoolNotFound) {
				return nil, err
			}
			if pools[d.Pool] = &p.No; err != nil {
				pools[d.Pool] = nil
			}
		}
		if tokens[i].PoolNo = pools[d.Pool]; d.Pool != "" && tokens[i].PoolNo == nil {
			wrong = append(wrong, fmt.Errorf("%d: pool: no pool %s", d.Line, d.Pool))
		}
	}
	taken, err := f.Nodes.NamesTaken(ctx, tokens)
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		if slices.Contains(taken, d.Name) {
			wrong = append(wrong, fmt.Errorf("%d: name: a node %s is there already", d.Line, d.Name))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	texts, err := f.Nodes.CreateTokens(ctx, ByCLI(), tokens)
	if err != nil {
		return nil, err
	}
	for i, d := range devices {
		texts[i] = withPayee(f.enrolFile(texts[i], f.now().Add(life)), d.PayoutAddress)
	}
	return texts, nil
}

// withPayee adds the address that a node's earnings are paid to, if there is one.
func withPayee(file, address string) string {
	if address == "" {
		return file
	}
	return file + fmt.Sprintf("payout_address = %q\n", address)
}

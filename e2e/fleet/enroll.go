package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lucid.internal/e2e/harness"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// machine is an enrolled device.
type machine struct {
	nodeID    string
	keyEpoch  uint32
	keys      proof.Keys
	signing   ed25519.PrivateKey
	server    string
	from      net.Addr    // nil: any address of this machine
	tls       *tls.Config // nil: plain
	inventory *wire.Inventory
	model     model
	kind      Kind
}

// Enrolment is what it cost to become a fleet.
type Enrolment struct {
	Nodes     int     `json:"nodes"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	// OwnMs is this side's part for one node: both key pairs, X25519, the
	// signature, and checking the coordinator's.
	OwnMs float64 `json:"own_ms"`
}

// Where cheats want to be paid: all Sybils at one address; Payees, who enrol with
// one, then at another. They are nobody's, or public knowledge.
const (
	sybilAddress = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"
	payeeBefore  = "TNUC9Qb1rRpS5CbWLmNMxXBjyFoydXjWFR"
	payeeAfter   = "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"
)

// enrolMany enrols every node, a bounded number at once.
func (f *Fleet) enrolMany(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	kinds := assign(f.config.Nodes, f.config.Cheats)
	f.machines = make([]*machine, len(kinds))
	e := enroller{fleet: f, api: f.config.API.open(f.config.EnrolAtOnce), pools: takeTurns(kinds, f.config.Pools)}
	var next, done atomic.Int64
	one := func() {
		i := int(next.Add(1)) - 1
		if i >= len(kinds) || ctx.Err() != nil {
			return
		}
		m, err := e.enrol(ctx, i, kinds[i])
		if err != nil {
			cancel(fmt.Errorf("enrolment of node %d of %d: %w", i+1, len(kinds), err))
			return
		}
		f.machines[i] = m
		f.counts.enrolled.Store(done.Add(1))
	}
	one() // alone: whose metrics are copied is older than its copies
	var running sync.WaitGroup
	for range f.config.EnrolAtOnce {
		running.Go(func() {
			for int(next.Load()) < len(kinds) && ctx.Err() == nil {
				one()
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	f.enrolment = Enrolment{
		Nodes: len(kinds), Seconds: took, PerSecond: float64(len(kinds)) / took,
		OwnMs: float64(e.own.Load()) / 1e6 / float64(len(kinds)),
	}
	return nil
}

// takeTurns gives each node its pool: the nodes of a kind go from one to the next,
// so that a machine's identities are spread.
func takeTurns(kinds []Kind, pools []string) []string {
	all, turn := make([]string, len(kinds)), map[Kind]int{}
	for i, k := range kinds {
		if len(pools) > 0 {
			all[i] = pools[turn[k]%len(pools)]
			turn[k]++
		}
	}
	return all
}

type enroller struct {
	fleet *Fleet
	api   *caller
	pools []string     // by index; "" leaves it to the coordinator
	roots sync.Map     // PEM of a CA -> *x509.CertPool: one for the whole fleet
	own   atomic.Int64 // nanoseconds of our own work
}

// enrol makes a node by the API, as an operator does, and becomes it, as a
// device does.
func (e *enroller) enrol(ctx context.Context, index int, kind Kind) (*machine, error) {
	token, err := e.create(ctx, index)
	if err != nil {
		return nil, err
	}
	m := &machine{kind: kind, model: e.fleet.config.modelOf(index, kind)}
	file := e.fleet.config.File
	file.Token, file.PayoutAddress = token, ""
	switch kind {
	case Sybil:
		file.PayoutAddress = sybilAddress
	case Payee:
		file.PayoutAddress = payeeBefore
	}
	if err := e.become(ctx, m, file, index); err != nil {
		return nil, err
	}
	if kind == Payee {
		return m, e.api.put(ctx, nodesPath+m.nodeID, map[string]any{"payout_address": payeeAfter}, new(struct{}))
	}
	return m, nil
}

// create makes a node, and gives its enrolment's token.
func (e *enroller) create(ctx context.Context, index int) (token string, err error) {
	var created struct {
		Enrolment struct {
			Token string `json:"token"`
		} `json:"enrolment"`
	}
	wanted := map[string]any{"name": fmt.Sprintf("sim-%x-%05d", e.fleet.name, index), "node_type": "worker"}
	if e.pools[index] != "" {
		wanted["initial_pool_id"] = e.pools[index]
	}
	if err := e.api.post(ctx, nodesPath, wanted, &created); err != nil {
		return "", err
	}
	if created.Enrolment.Token == "" {
		return "", errors.New("the answer to a new node has no token")
	}
	return created.Enrolment.Token, nil
}

// become redeems a file's token.
func (e *enroller) become(ctx context.Context, m *machine, file harness.EnrollFile, index int) error {
	began := time.Now()
	device, err := harness.NewDevice()
	if err != nil {
		return err
	}
	device.Inventory = m.model.inventory(index)
	req, err := device.Request(file)
	if err != nil {
		return err
	}
	e.own.Add(int64(time.Since(began)))
	resp := new(wire.EnrollResponse)
	if err := e.api.post(ctx, wire.EnrollPath, req, resp); err != nil {
		return err
	}
	began = time.Now()
	m.keys, err = device.Keys(file, req, resp)
	e.own.Add(int64(time.Since(began)))
	if err != nil {
		return err
	}
	m.nodeID, m.keyEpoch, m.signing, m.inventory = resp.NodeID, resp.KeyEpoch, device.Signing, &device.Inventory
	if err := e.address(m, resp); err != nil {
		return err
	}
	if m.kind == Sybil {
		m.from = networkOf(index, m.server)
	}
	return nil
}

// networkOf gives a node a /24 of its own, where the server is on this machine: all
// of 127.0.0.0/8 is. nil where it is not.
func networkOf(index int, server string) net.Addr {
	host, _, err := net.SplitHostPort(server)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback() || ip.To4() == nil) {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, byte(1+index>>8), byte(index), 1)}
}

// address says where the machine connects.
func (e *enroller) address(m *machine, resp *wire.EnrollResponse) error {
	if plain := e.fleet.config.PlainAddr; plain != "" {
		m.server = plain
		return nil
	}
	if len(resp.MQTT) == 0 {
		return errors.New("the enrolment names no MQTT server")
	}
	m.server = resp.MQTT[0]
	host, _, err := net.SplitHostPort(m.server)
	if err != nil {
		return fmt.Errorf("MQTT server of the enrolment: %w", err)
	}
	known, found := e.roots.Load(resp.CAPEM)
	if !found {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(resp.CAPEM)) {
			return errors.New("the enrolment's CA is no certificate")
		}
		known, _ = e.roots.LoadOrStore(resp.CAPEM, pool)
	}
	m.tls = &tls.Config{RootCAs: known.(*x509.CertPool), ServerName: host, MinVersion: tls.VersionTLS13}
	return nil
}

// inventory is what such a machine says of itself.
func (m *model) inventory(index int) wire.Inventory {
	serial := sha256.Sum256(newID())
	return wire.Inventory{
		Model: m.name, SerialHash: hex.EncodeToString(serial[:]), Hostname: fmt.Sprintf("sim-%05d", index),
		OS: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.6.51+rpt-rpi-v8", AgentVersion: agentVersion,
		CPU:         wire.CPUInventory{Model: "ARM Cortex-A", Cores: m.cores, FrequencyMHz: m.mhz, Architecture: "arm64"},
		MemoryBytes: m.memory,
		Disks:       []wire.DiskInfo{{Device: "/dev/mmcblk0p2", Mount: "/", Filesystem: "ext4", TotalBytes: m.disk}},
	}
}

package pool

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
)

// MaxNodes is the most that any pool may hold.
const MaxNodes = 100

// DefaultMinNodes is how many online nodes make a healthy pool where nobody says
// otherwise.
const DefaultMinNodes = 3

// Settings are what an operator decides about a pool.
type Settings struct {
	Name           string         `json:"name"`
	Description    string         `json:"description"`
	MaxNodes       int            `json:"max_nodes"`
	RewardPerEpoch ledger.Amount  `json:"reward_per_epoch"` // shared by its nodes each epoch
	Limits         ResourceLimits `json:"resource_limits"`
	AutoScaling    AutoScaling    `json:"auto_scaling"`
	Wanted         Wanted         `json:"placement"`
	Challenge      node.Challenge `json:"challenge,omitzero"` // of the nodes that have no setting of their own
}

// ResourceLimits bound what the pool's work may take of a node; 0 is no limit.
type ResourceLimits struct {
	CPUPercent  int   `json:"cpu_percent,omitempty"`
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	DiskBytes   int64 `json:"disk_bytes,omitempty"`
	NetworkMbps int64 `json:"network_mbps,omitempty"` // 1e6 bit/s
}

// AutoScaling says between which bounds and by what a pool is scaled.
type AutoScaling struct {
	Enabled          bool          `json:"enabled"`
	Policy           ScalingPolicy `json:"policy"`
	TargetCPUPercent int           `json:"target_cpu_percent"` // 30..90; 0 is 70
}

// ScalingPolicy holds the thresholds and bounds of scaling; zero values take
// the default that stands beside them.
type ScalingPolicy struct {
	ScaleUpThreshold   int `json:"scale_up_threshold"`   // percent, 50..95; 80
	ScaleDownThreshold int `json:"scale_down_threshold"` // percent, 10..50; 30
	MinNodes           int `json:"min_nodes"`            // 0..100; 0
	MaxNodes           int `json:"max_nodes"`            // 1..100; 100
	CooldownMinutes    int `json:"cooldown_minutes"`     // 1..1440; 5
}

func (a AutoScaling) withDefaults() AutoScaling {
	a.TargetCPUPercent = cmp.Or(a.TargetCPUPercent, 70)
	a.Policy.ScaleUpThreshold = cmp.Or(a.Policy.ScaleUpThreshold, 80)
	a.Policy.ScaleDownThreshold = cmp.Or(a.Policy.ScaleDownThreshold, 30)
	a.Policy.MaxNodes = cmp.Or(a.Policy.MaxNodes, MaxNodes)
	a.Policy.CooldownMinutes = cmp.Or(a.Policy.CooldownMinutes, 5)
	return a
}

// WorkingBounds are the least and most nodes that scaling may leave at work.
func (s Settings) WorkingBounds() (low, high int) {
	return s.AutoScaling.Policy.MinNodes, min(s.AutoScaling.Policy.MaxNodes, s.MaxNodes)
}

var (
	regions = regexp.MustCompile(`^[A-Z]{2}(/[^\x00-\x1f]{1,100})?$`)
)

const (
	maxDescription = 500
	maxRegions     = 50
)

// normal gives the settings with defaults and without repetitions.
func (s Settings) normal(most Limits) (Settings, error) {
	s.MaxNodes = cmp.Or(s.MaxNodes, most.MaxNodes)
	s.AutoScaling = s.AutoScaling.withDefaults()
	s.Wanted = Wanted{NodeTypes: sortedSet(s.Wanted.NodeTypes), Regions: sortedSet(s.Wanted.Regions)}
	var bad complaints
	bad.unless(node.ValidName(s.Name), "name", node.NameRule)
	bad.unless(utf8.ValidString(s.Description) && utf8.RuneCountInString(s.Description) <= maxDescription &&
		!strings.ContainsRune(s.Description, 0), "description", "must be at most %d characters of text", maxDescription)
	bad.between("max_nodes", s.MaxNodes, 1, most.MaxNodes)
	bad.unless(s.RewardPerEpoch >= 0, "pricing.reward_per_epoch", "must not be below zero")
	bad.limits(s.Limits)
	bad.scaling(s)
	for _, t := range s.Wanted.NodeTypes {
		bad.unless(slices.Contains(node.Types(), t), "placement.node_types", "must be of %s", strings.Join(node.Types(), ", "))
	}
	bad.unless(len(s.Wanted.Regions) <= maxRegions, "placement.regions", "must be at most %d", maxRegions)
	for _, r := range s.Wanted.Regions {
		bad.unless(utf8.ValidString(r) && regions.MatchString(r), "placement.regions", "must be country codes such as DE, or DE/Bavaria")
	}
	wrong := s.Challenge.Complaint(most.Difficulty, "the fastest machine")
	bad.unless(wrong == "", "challenge.difficulty", "%s", wrong)
	if bad != nil {
		return s, fault.New(fault.Validation, "the pool cannot be like this; see details").WithFields(bad...)
	}
	return s, nil
}

func sortedSet(list []string) []string {
	list = append([]string{}, list...)
	slices.Sort(list)
	return slices.Compact(list)
}

// complaints gathers every bad field, each once.
type complaints []fault.Field

func (c *complaints) unless(ok bool, field, format string, args ...any) {
	known := slices.ContainsFunc(*c, func(f fault.Field) bool { return f.Name == field })
	if !ok && !known {
		*c = append(*c, fault.Field{Name: field, Reason: fmt.Sprintf(format, args...)})
	}
}

func (c *complaints) between(field string, v, low, high int) {
	c.unless(v >= low && v <= high, field, "must be from %d to %d", low, high)
}

func (c *complaints) limits(l ResourceLimits) {
	c.between("resource_limits.cpu_percent", l.CPUPercent, 0, 100)
	c.unless(l.MemoryBytes >= 0, "resource_limits.memory_bytes", "must not be below zero")
	c.unless(l.DiskBytes >= 0, "resource_limits.disk_bytes", "must not be below zero")
	c.unless(l.NetworkMbps >= 0 && l.NetworkMbps <= 1e6, "resource_limits.network_mbps", "must be from 0 to 1000000")
}

func (c *complaints) scaling(s Settings) {
	a, p := s.AutoScaling, s.AutoScaling.Policy
	c.between("auto_scaling.target_cpu_percent", a.TargetCPUPercent, 30, 90)
	c.between("auto_scaling.policy.scale_up_threshold", p.ScaleUpThreshold, 50, 95)
	c.between("auto_scaling.policy.scale_down_threshold", p.ScaleDownThreshold, 10, 50)
	c.unless(p.ScaleDownThreshold < p.ScaleUpThreshold, "auto_scaling.policy.scale_down_threshold",
		"must be below scale_up_threshold (%d)", p.ScaleUpThreshold)
	c.between("auto_scaling.policy.max_nodes", p.MaxNodes, 1, MaxNodes)
	c.between("auto_scaling.policy.cooldown_minutes", p.CooldownMinutes, 1, 24*60)
	low, high := s.WorkingBounds()
	c.unless(low >= 0 && low <= high, "auto_scaling.policy.min_nodes", "must be from 0 to %d, the most that may work", high)
}

package node

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Location is where a node stands, as its operator says.
type Location struct {
	Country     string       `json:"country,omitempty"` // ISO 3166-1 alpha-2
	Region      string       `json:"region,omitempty"`
	City        string       `json:"city,omitempty"`
	Timezone    string       `json:"timezone,omitempty"` // IANA
	Coordinates *Coordinates `json:"coordinates,omitempty"`
}

// Coordinates are degrees in WGS 84.
type Coordinates struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
}

// Configuration is what an operator wants of a node. Nil means: not said.
type Configuration struct {
	MaxSessions       *int               `json:"max_sessions,omitempty"` // 1..1000
	ResourceLimits    *ResourceLimits    `json:"resource_limits,omitempty"`
	AutoScaling       *bool              `json:"auto_scaling,omitempty"`
	MaintenanceWindow *MaintenanceWindow `json:"maintenance_window,omitempty"`
	// How often the agent samples and publishes; both or none.
	SampleIntervalSeconds  *int `json:"sample_interval_seconds,omitempty"`
	PublishIntervalSeconds *int `json:"publish_interval_seconds,omitempty"`

	Challenge Challenge `json:"challenge,omitzero"`
}

// ResourceLimits bound what the node lends.
type ResourceLimits struct {
	CPUPercent  *float64 `json:"cpu_percent,omitempty"`
	MemoryBytes *int64   `json:"memory_bytes,omitempty"`
	DiskBytes   *int64   `json:"disk_bytes,omitempty"`
	NetworkMbps *float64 `json:"network_mbps,omitempty"` // 1e6 bit/s
}

// MaintenanceWindow is a daily span in the location's time zone, HH:MM; End may
// be on the next day.
type MaintenanceWindow struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

const (
	maxLabels     = 32
	maxReasonText = 200
)

var (
	namePattern       = regexp.MustCompile(`^[a-zA-Z0-9_-]{3,100}$`)
	labelKeyPattern   = regexp.MustCompile(`^[a-zA-Z0-9_./-]{1,63}$`)
	labelValuePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{0,63}$`)
	clockPattern      = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
)

// Types are what a node can be.
func Types() []string { return []string{"worker", "validator", "storage", "compute"} }

// NameRule is what ValidName asks for, in words for whoever chose another.
const NameRule = "must be 3 to 100 letters, digits, _ or -"

// ValidName tells whether a node, or a pool, may have this name.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// findings collects every bad field of an input.
type findings struct {
	fields     []fault.Field
	badAddress bool
}

func (f *findings) add(name, format string, args ...any) {
	f.fields = append(f.fields, fault.Field{Name: name, Reason: fmt.Sprintf(format, args...)})
}

// fault is nil when nothing was found. A payout address alone has its own code.
func (f *findings) fault(what string) error {
	switch {
	case len(f.fields) == 0:
		return nil
	case f.badAddress && len(f.fields) == 1:
		return fault.New(fault.BadPayoutAddress, "%s: %s", what, f.fields[0].Reason).WithFields(f.fields...)
	}
	return fault.New(fault.Validation, "%s: some fields are not allowed as they are; see details", what).WithFields(f.fields...)
}

func (f *findings) name(v string) {
	if !ValidName(v) {
		f.add("name", NameRule)
	}
}

func (f *findings) nodeType(v string) {
	if !slices.Contains(Types(), v) {
		f.add("node_type", "must be one of %s", strings.Join(Types(), ", "))
	}
}

func (f *findings) address(v string) {
	if v == "" {
		return
	}
	if err := tron.CheckAddress(v); err != nil {
		f.badAddress = true
		f.add("payout_address", "%s", err)
	}
}

// interfaces are named as the API names them, in hardware_info.network.
func (f *findings) interfaces(list []wire.InterfaceInfo) {
	for i, v := range list {
		for _, ip := range v.IPs {
			if a, err := netip.ParseAddr(ip); err != nil || a.Zone() != "" {
				f.add(fmt.Sprintf("hardware_info.network[%d].ip", i), "is no IPv4 or IPv6 address")
			}
		}
	}
}

func (f *findings) text(name, v string, most int) {
	switch {
	case !utf8.ValidString(v):
		f.add(name, "is not valid UTF-8")
	case utf8.RuneCountInString(v) > most:
		f.add(name, "is longer than %d characters", most)
	case strings.ContainsFunc(v, unicode.IsControl):
		f.add(name, "holds a control character")
	}
}

func (f *findings) location(l *Location) {
	if l == nil {
		return
	}
	if l.Country != "" && !knownCountry(l.Country) {
		f.add("location.country", "is no ISO 3166-1 alpha-2 code, such as DE")
	}
	f.text("location.region", l.Region, 100)
	f.text("location.city", l.City, 100)
	if l.Timezone != "" {
		if _, err := time.LoadLocation(l.Timezone); err != nil || l.Timezone == "Local" {
			f.add("location.timezone", "is no IANA time zone, such as Europe/Berlin")
		}
	}
	if c := l.Coordinates; c != nil {
		if !(c.Latitude >= -90 && c.Latitude <= 90) {
			f.add("location.coordinates.latitude", "must be from -90 to 90")
		}
		if !(c.Longitude >= -180 && c.Longitude <= 180) {
			f.add("location.coordinates.longitude", "must be from -180 to 180")
		}
	}
}

func (f *findings) configuration(c *Configuration) {
	if c == nil {
		return
	}
	if c.MaxSessions != nil && (*c.MaxSessions < 1 || *c.MaxSessions > 1000) {
		f.add("configuration.max_sessions", "must be from 1 to 1000")
	}
	f.intervals(c)
	f.challenge(c, proof.MaxDifficulty, "")
	if l := c.ResourceLimits; l != nil {
		if l.CPUPercent != nil && !(*l.CPUPercent > 0 && *l.CPUPercent <= 100) {
			f.add("configuration.resource_limits.cpu_percent", "must be above 0 and at most 100")
		}
		if l.MemoryBytes != nil && *l.MemoryBytes < 1 {
			f.add("configuration.resource_limits.memory_bytes", "must be at least 1")
		}
		if l.DiskBytes != nil && *l.DiskBytes < 1 {
			f.add("configuration.resource_limits.disk_bytes", "must be at least 1")
		}
		if l.NetworkMbps != nil && !(*l.NetworkMbps > 0 && *l.NetworkMbps <= 1e6) {
			f.add("configuration.resource_limits.network_mbps", "must be above 0 and at most 1000000")
		}
	}
	if w := c.MaintenanceWindow; w != nil {
		if !clockPattern.MatchString(w.Start) {
			f.add("configuration.maintenance_window.start", "must be HH:MM")
		}
		if !clockPattern.MatchString(w.End) || w.End == w.Start {
			f.add("configuration.maintenance_window.end", "must be HH:MM and differ from start")
		}
	}
}

func (f *findings) intervals(c *Configuration) {
	sample, publish := c.SampleIntervalSeconds, c.PublishIntervalSeconds
	switch {
	case sample == nil && publish == nil:
		return
	case sample == nil:
		f.add("configuration.sample_interval_seconds", "must be given with publish_interval_seconds")
		return
	case publish == nil:
		f.add("configuration.publish_interval_seconds", "must be given with sample_interval_seconds")
		return
	}
	of := func(seconds int) time.Duration { return time.Duration(min(max(seconds, -1), 1<<20)) * time.Second }
	for _, wrong := range wire.CheckIntervals(of(*sample), of(*publish)) {
		f.add("configuration."+wrong.Name+"_seconds", "%s", wrong.Reason)
	}
}

func (f *findings) labels(labels map[string]string) {
	if len(labels) > maxLabels {
		f.add("labels", "has more than %d labels", maxLabels)
	}
	for key, value := range labels {
		if !labelKeyPattern.MatchString(key) {
			f.add("labels", "a key must be 1 to 63 letters, digits, _ . / or -")
		}
		if !labelValuePattern.MatchString(value) {
			f.add("labels."+key, "a value must be at most 63 letters, digits, _ . or -")
		}
	}
}

// knownCountry: the officially assigned codes of ISO 3166-1.
func knownCountry(code string) bool {
	const codes = " AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ" +
		" CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR" +
		" GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP" +
		" KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT" +
		" MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW" +
		" SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG" +
		" UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "
	return len(code) == 2 && !strings.Contains(code, " ") && strings.Contains(codes, " "+code+" ")
}

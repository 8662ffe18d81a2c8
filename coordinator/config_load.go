package coordinator

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Layer is where a value came from. A later layer wins over an earlier one.
type Layer int

// Layers, weakest first.
const (
	LayerDefault Layer = iota
	LayerFile
	LayerEnvironment
	LayerFlag
)

// Origin tells where a setting's value came from: the layer, and the place in
// it (file:line, variable or flag).
type Origin struct {
	Layer Layer
	Place string
}

// String is the origin as people read it.
func (o Origin) String() string {
	switch o.Layer {
	case LayerFile:
		return o.Place
	case LayerEnvironment:
		return "environment " + o.Place
	case LayerFlag:
		return "flag " + o.Place
	}
	return strings.TrimSpace("default " + o.Place)
}

// Origins says of every setting, by its key, where its value came from.
// Warnings are lines for the log: nothing in them stops the start.
type Origins struct {
	ByKey    map[string]Origin
	Warnings []string
}

// Override is the value that a flag gives to a setting: Key is the setting's
// name in the file, as in poot.interval.
type Override struct {
	Key   string
	Value string
	Flag  string // as the user wrote it: --poot-interval
}

// APIAddrOverrides are the overrides of a flag that takes host:port of the API.
func APIAddrOverrides(flag, addr string) ([]Override, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, Faults{{Key: "api.host", Origin: Origin{LayerFlag, flag}, Reason: fmt.Sprintf("%q is not host:port, as 127.0.0.1:8095", addr)}}
	}
	return []Override{
		{Key: "api.host", Value: host, Flag: flag},
		{Key: "api.port", Value: port, Flag: flag},
	}, nil
}

// Fault is one thing wrong with the settings.
type Fault struct {
	Key    string // setting, or what stands in its place; "" when the file itself is bad
	Origin Origin
	Reason string
}

// String names key, origin and reason in one line.
func (f Fault) String() string {
	if f.Key == "" {
		return fmt.Sprintf("%s: %s", f.Origin, f.Reason)
	}
	return fmt.Sprintf("%s (%s): %s", f.Key, f.Origin, f.Reason)
}

// Faults is the error of Load: everything that is wrong, at once.
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = "  " + f[i].String()
	}
	return fmt.Sprintf("settings: %d wrong:\n%s", len(f), strings.Join(lines, "\n"))
}

// Load joins defaults, the TOML file (none when the name is empty), the
// environment (as of os.Environ) and the flags' overrides. Its error is
// Faults; the Config is then good for looking at only. Files are read only when they
// are named: the TOML file, and those that a ..._FILE variable names.
func Load(profile Profile, file string, environ []string, overrides []Override) (Config, Origins, error) {
	l := newLoader(profile)
	if file != "" {
		l.readFile(file)
	}
	l.environment(environ)
	for _, o := range overrides {
		l.set(o.Key, o.Value, Origin{LayerFlag, o.Flag})
	}
	l.adjust()
	l.check()
	if len(l.faults) > 0 {
		return l.config, l.origins, l.faults
	}
	return l.config, l.origins, nil
}

// loader gathers the layers, weakest first.
type loader struct {
	profile  Profile
	settings []setting
	config   Config
	origins  Origins
	faults   Faults
}

func newLoader(profile Profile) *loader {
	l := &loader{profile: profile, settings: settings(), origins: Origins{ByKey: map[string]Origin{}}}
	for i := range l.settings {
		s := &l.settings[i]
		if d := s.defaultOf(profile); d != "" {
			l.set(s.key(), d, Origin{})
		}
		l.origins.ByKey[s.key()] = Origin{}
	}
	return l
}

func (l *loader) fault(key string, origin Origin, format string, args ...any) {
	l.faults = append(l.faults, Fault{Key: key, Origin: origin, Reason: fmt.Sprintf(format, args...)})
}

// find gives the setting of that key, nil when there is none.
func (l *loader) find(key string) *setting {
	i := slices.IndexFunc(l.settings, func(s setting) bool { return s.key() == key })
	if i < 0 {
		return nil
	}
	return &l.settings[i]
}

// set gives a setting its value. A value that cannot be read leaves the
// setting as it was, so that later checks do not complain about it again.
func (l *loader) set(key, text string, origin Origin) {
	s := l.find(key)
	if s == nil {
		l.fault(key, origin, "no such setting")
		return
	}
	value, err := parseValue(s.typ, text)
	if err != nil {
		l.fault(key, origin, "%v", err)
		return
	}
	reflect.ValueOf(&l.config).Elem().FieldByIndex(s.index).Set(reflect.ValueOf(value))
	l.origins.ByKey[key] = origin
}

// environment takes the LUCID_ variables. One that no setting knows is only
// worth a warning: other programs, and the agent, have variables too.
func (l *loader) environment(environ []string) {
	vars := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, "LUCID_") {
			vars[name] = value
		}
	}
	for i := range l.settings {
		s := &l.settings[i]
		value, found := vars[s.env]
		if found {
			l.set(s.key(), value, Origin{LayerEnvironment, s.env})
			delete(vars, s.env)
		}
		if s.secret() {
			l.secretFile(s, vars[s.env+fileSuffix], found)
			delete(vars, s.env+fileSuffix)
		}
	}
	l.strangers(vars)
}

// fileSuffix ends the variable that names a file holding a secret.
const fileSuffix = "_FILE"

func (l *loader) secretFile(s *setting, name string, alsoDirect bool) {
	origin := Origin{LayerEnvironment, s.env + fileSuffix}
	switch {
	case name == "":
		return
	case alsoDirect:
		l.fault(s.key(), origin, "%s is set too; keep one of the two", s.env)
		return
	}
	content, err := os.ReadFile(name)
	if err != nil {
		l.fault(s.key(), origin, "%v", err)
		return
	}
	l.set(s.key(), strings.TrimRight(string(content), "\r\n"), origin)
}

// clientNames are the variables of lucidctl, which may well stand in the same
// shell.
var clientNames = []string{"LUCID_URL", "LUCID_API_KEY", "LUCID_API_KEY_FILE", "LUCID_CA", "LUCID_CA_SHA256"}

// strangers warns of variables that mean nothing here.
func (l *loader) strangers(vars map[string]string) {
	replaced := map[string]string{
		"LUCID_MONGODB_URL": "Postgres holds everything now; set LUCID_DATABASE_URL",
		"LUCID_REDIS_URL":   "a bounded cache inside the coordinator took its place; there is nothing to set",
	}
	names := make([]string, 0, len(vars))
	for name := range vars {
		if !slices.Contains(clientNames, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		reason, known := replaced[name]
		if !known {
			reason = "no setting of the coordinator has this name"
		}
		l.origins.Warnings = append(l.origins.Warnings, name+" is ignored: "+reason)
	}
}

// adjust lowers defaults that nobody chose to fit what somebody did choose.
func (l *loader) adjust() {
	c, by := &l.config.Poot, l.origins.ByKey
	if half := c.Interval / 2; by["poot.deadline"].Layer == LayerDefault && half > 0 && c.Deadline > half {
		c.Deadline = half
		by["poot.deadline"] = Origin{LayerDefault, "(half of poot.interval)"}
	}
	if by["poot.validity"].Layer == LayerDefault && c.Validity < c.Deadline && c.Deadline <= maxValidity {
		c.Validity = c.Deadline
		by["poot.validity"] = Origin{LayerDefault, "(poot.deadline)"}
	}
}

package coordinator

import (
	"net/url"
	"reflect"

	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
)

// Secret is a setting that must not be shown: it hides itself in every way of
// printing. string(s) is the value.
type Secret string

// String hides the value.
func (s Secret) String() string { return s.Redacted() }

// GoString hides the value.
func (s Secret) GoString() string { return s.Redacted() }

// MarshalText hides the value in JSON and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.Redacted()), nil }

// Redacted shows where a connection string leads, without user information
// and parameters, and nothing of any other secret.
func (s Secret) Redacted() string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(string(s))
	if err != nil || u.Host == "" {
		return "(hidden)"
	}
	return u.Scheme + "://(hidden)@" + u.Host + u.EscapedPath()
}

// MasterKeys are the master keys that were set: two while they are rotated.
func (c *Config) MasterKeys() ([]proof.Key, error) { return seal.ParseMasters([]byte(c.MasterKey)) }

// setting is one leaf of Config, as its struct tags describe it.
type setting struct {
	section string // "" for the settings outside every table
	name    string
	env     string
	help    string
	serve   string // default
	dev     string // default
	index   []int  // for reflect.Value.FieldByIndex
	typ     reflect.Type
}

// key names the setting in a file: section.name.
func (s *setting) key() string {
	if s.section == "" {
		return s.name
	}
	return s.section + "." + s.name
}

func (s *setting) secret() bool { return s.typ == reflect.TypeFor[Secret]() }

func (s *setting) defaultOf(p Profile) string {
	if p == ProfileDev {
		return s.dev
	}
	return s.serve
}

// settings lists every setting in the order of the struct.
func settings() []setting { return settingsOf(reflect.TypeFor[Config](), "", nil) }

func settingsOf(t reflect.Type, section string, index []int) []setting {
	var all []setting
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(append([]int(nil), index...), i)
		tag := f.Tag
		if tag.Get("env") == "" {
			all = append(all, settingsOf(f.Type, tag.Get("toml"), at)...)
			continue
		}
		s := setting{
			section: section, name: tag.Get("toml"), env: tag.Get("env"), help: tag.Get("help"),
			serve: tag.Get("default"), dev: tag.Get("default"), index: at, typ: f.Type,
		}
		if dev, differs := tag.Lookup("dev"); differs {
			s.dev = dev
		}
		all = append(all, s)
	}
	return all
}

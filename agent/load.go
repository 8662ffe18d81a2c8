package agent

import (
	"errors"
	"fmt"
	"strings"

	"lucid.internal/agent/internal/tomlfile"
)

// Load takes the settings of a TOML text, which came from the file of that
// name. Its error names every key that is wrong, with file and line.
func (c *Config) Load(file, text string) error {
	entries, err := tomlfile.Parse(file, text)
	if err != nil {
		return err
	}
	var wrong []error
	for _, e := range entries {
		if e.Key != homeAssistant || e.Inner == nil { // what has its name and is no section is no setting
			wrong = append(wrong, c.take(e))
			continue
		}
		c.place(e.Key, e.Place)
		for _, inner := range e.Inner {
			inner.Key = homeAssistant + "." + inner.Key
			wrong = append(wrong, c.take(inner))
		}
	}
	return errors.Join(wrong...)
}

// take gives a setting as a file has it.
func (c *Config) take(e tomlfile.Entry) error {
	text, err := settingText(e)
	if err == nil {
		err = c.set(e.Key, text)
	} else if tried := new(*c).set(e.Key, ""); errors.Is(tried, errNoSetting) { // a copy: the setting stays as it was
		err = tried // says more
	}
	c.place(e.Key, e.Place)
	if err != nil {
		return e.Fault(err)
	}
	return nil
}

// settingText is a value as a flag would give it.
func settingText(e tomlfile.Entry) (string, error) {
	list, ok := e.Value.([]any)
	if !ok {
		return e.Text()
	}
	items := make([]string, len(list))
	for i := range list {
		item, ok := list[i].(string)
		if !ok {
			return "", fmt.Errorf("item %d is %v, want a text in quotes", i+1, list[i])
		}
		items[i] = item
	}
	return strings.Join(items, ","), nil
}

// places are where settings were given last, by their key: "agent.toml:3", or
// "" by a flag. The section's own name is among them.
type places map[string]string

// place notes where a setting was given.
func (c *Config) place(key, at string) {
	if c.places == nil {
		c.places = make(places)
	}
	c.places[key] = at
}

// fault is what is wrong with a setting, with its place in a file. The fault of
// one that was not given at all lies with the other that made it one.
func (c *Config) fault(key, other, format string, args ...any) error {
	at, given := c.places[key]
	if !given {
		at = c.places[other]
	}
	return tomlfile.Entry{Key: key, Place: at}.Fault(fmt.Errorf(format, args...))
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"lucid.internal/coordinator"
	"lucid.internal/coordinator/cmd/internal/tty"
)

// settings are the flags that every command has.
type settings struct {
	File        string `name:"config" placeholder:"FILE" help:"Settings file (TOML)."`
	Data        string `name:"data" placeholder:"DIR" help:"Data folder."`
	DatabaseURL string `name:"database-url" placeholder:"URL" help:"Postgres to use, postgres://..."`
	LogLevel    string `name:"log-level" placeholder:"LEVEL" help:"DEBUG, INFO, WARN or ERROR."`
}

func (s *settings) overrides() []coordinator.Override {
	var all []coordinator.Override
	for _, o := range []coordinator.Override{
		{Key: "data_dir", Value: s.Data, Flag: "--data"},
		{Key: "database.url", Value: s.DatabaseURL, Flag: "--database-url"},
		{Key: "log.level", Value: s.LogLevel, Flag: "--log-level"},
	} {
		if o.Value != "" {
			all = append(all, o)
		}
	}
	return all
}

func (s *settings) load(profile coordinator.Profile, more ...coordinator.Override) (coordinator.Config, coordinator.Origins, error) {
	return coordinator.Load(profile, s.File, os.Environ(), append(s.overrides(), more...))
}

// open loads the settings of an administrative command, and makes its logger. A
// data folder in which `dev` runs brings its settings along.
func (s *settings) open() (coordinator.Config, *slog.Logger, error) {
	config, origins, err := s.load(s.findDev(coordinator.ProfileServe))
	if err != nil {
		return config, nil, err
	}
	return config, newLogger(config.Log, origins), nil
}

// findDev takes the settings that dev left in the data folder, and its defaults.
func (s *settings) findDev(otherwise coordinator.Profile) coordinator.Profile {
	folder := cmp.Or(s.Data, os.Getenv("LUCID_DATA_DIR"))
	if file := filepath.Join(folder, devFile); folder != "" && s.File == "" && exists(file) {
		s.File = file
		return coordinator.ProfileDev
	}
	return otherwise
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// newLogger writes to standard error, as text for people and JSON for programs,
// and passes on what loading the settings had to say.
func newLogger(c coordinator.LogConfig, origins coordinator.Origins) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	var handler slog.Handler = slog.NewJSONHandler(os.Stderr, options)
	if c.Format == "text" || c.Format == "auto" && tty.Is(os.Stderr) {
		handler = slog.NewTextHandler(os.Stderr, options)
	}
	log := slog.New(handler)
	for _, warning := range origins.Warnings {
		log.Warn(warning)
	}
	return log
}

type configCmd struct {
	Print configPrintCmd `cmd:"" help:"Show every setting, its value and where it came from. Secrets are masked."`
}

type configPrintCmd struct {
	settings
	Profile string `enum:"serve,dev" default:"serve" help:"Whose defaults: serve or dev."`
}

// Run prints the settings, also those of which something is wrong.
func (c *configPrintCmd) Run() error {
	config, origins, wrong := c.load(c.findDev(coordinator.Profile(c.Profile)))
	for _, warning := range origins.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	return errors.Join(config.Print(os.Stdout, origins), wrong)
}

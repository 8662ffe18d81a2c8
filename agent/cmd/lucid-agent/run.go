package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"lucid.internal/agent"
)

// run is the command `run`: defaults, then the configuration file, then
// flags.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	config := agent.Default()
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	file := flags.String("config", "", "configuration `file` (TOML), or a folder of them; flags win over it")
	flags.Var(new(list), "server", "`host:port` of the coordinator's MQTT, instead of the enrolment's addresses; may be repeated, or a list with commas")
	flags.String("state-dir", config.StateDir, "state `folder`, with keys and identity")
	flags.String("spool-dir", config.SpoolDir, "`folder` for samples that wait long (default: spool in the state folder)")
	flags.String("spool-max", "64MiB", "most `bytes` there; 0 keeps samples in memory only")
	flags.String("status-file", config.StatusFile, "status `file`, on tmpfs; empty: none")
	flags.String("sample-interval", config.SampleInterval.String(), "how often to sample")
	flags.String("publish-interval", config.PublishInterval.String(), "how often to publish")
	flags.String("log-level", "info", "debug, info, warn or error")
	if code, done := parse(flags, args, "run the agent until SIGTERM", stdout, stderr); done {
		return code
	}
	if err := configure(&config, *file, flags); err != nil {
		fmt.Fprintf(stderr, "lucid-agent run: wrong configuration:\n%s\n", indent(err))
		return exitUsage
	}
	stayResidentSmall()
	config.Version = version
	level := new(slog.LevelVar)
	level.Set(config.LogLevel)
	config.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	config.Notify = func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			config.Logger.Warn("service manager not told", "error", err)
		}
	}
	config.Watchdog, _ = daemon.SdWatchdogEnabled(false) // an error means that none is wanted from this process
	a, err := agent.New(config)
	if err == nil {
		defer onHangup(func() {
			again := agent.Default()
			err := configure(&again, *file, flags)
			if err == nil {
				err = a.Reload(again)
			}
			if err != nil {
				config.Logger.Error("the settings stay as they were: what was read anew is wrong", "error", err)
				return
			}
			level.Set(again.LogLevel)
		})()
		err = a.Run(ctx)
	}
	switch {
	case errors.Is(err, agent.ErrNotEnrolled):
		fmt.Fprintf(stderr, "lucid-agent run: %v: no identity in %s\n"+
			"run: lucid-agent enroll --file enroll.toml --state-dir %s\n"+
			"or name the folder of an earlier enrolment with --state-dir\n",
			err, config.StateDir, config.StateDir)
		return exitNotEnrolled
	case err != nil:
		return failed("run", err, stderr)
	}
	return exitOK
}

// onHangup calls do at each SIGHUP, until stop is called.
func onHangup(do func()) (stop func()) {
	hangups, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(ended)
		for range hangups {
			do()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-ended
	}
}

// stayResidentSmall trades a little processor time, of which the agent uses
// next to none, for memory: a heap that is collected sooner, and no more
// parallelism than the solver beside everything else. The environment wins.
func stayResidentSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(runtime.NumCPU(), 2))
	}
}

// configure takes the file's settings, then those flags that were given, but
// others that are no settings, and reports every error of both.
func configure(config *agent.Config, file string, flags *flag.FlagSet, others ...string) error {
	var wrong []error
	files, err := settingsFiles(file)
	wrong = append(wrong, err)
	for _, file := range files {
		text, err := os.ReadFile(file) // its error names the file
		if err == nil {
			err = config.Load(file, string(text))
		}
		wrong = append(wrong, err)
	}
	flags.Visit(func(f *flag.Flag) {
		switch {
		case f.Name == "config" || slices.Contains(others, f.Name):
		case f.Name == "server": // one at a time, hence another name
			wrong = append(wrong, config.Set("servers", f.Value.String()))
		default:
			wrong = append(wrong, config.Set(strings.ReplaceAll(f.Name, "-", "_"), f.Value.String()))
		}
	})
	return errors.Join(append(wrong, config.Validate())...)
}

// settingsFiles are the file itself, or the folder's *.toml in their order:
// what stands in a later one wins.
func settingsFiles(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, nil // reading it tells what is wrong
	}
	entries, err := os.ReadDir(path)
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".toml" {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	return files, err
}

// list is a flag that may be repeated.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(item string) error {
	if strings.Trim(item, ", ") == "" {
		return errors.New("missing")
	}
	*l = append(*l, item)
	return nil
}

func indent(err error) string {
	return "  " + strings.ReplaceAll(err.Error(), "\n", "\n  ")
}

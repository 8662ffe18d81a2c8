package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"lucid.internal/agent/internal/collect"
	"lucid.internal/agent/internal/durable"
	"lucid.internal/agent/internal/identity"
)

// ErrRefused is an enrolment that the coordinator refused for good: to try
// again with the same file does not help.
var ErrRefused = identity.ErrRefused

// ErrTicket is an enroll.toml with faults, which is refused here already.
var ErrTicket = identity.ErrTicket

// EnrolConfig says how to enrol.
type EnrolConfig struct {
	File     string // the enroll.toml
	Remove   bool   // it, once it has served
	Result   string // file that says in one line how it went, for whoever sees the disk alone; "": none
	StateDir string
	Version  string
	Root     string // where proc, sys and etc are found; default "/"
}

// OnBootPartition takes the enroll.toml of a boot partition, which is mounted
// at a folder, and leaves only the result there.
func (c *EnrolConfig) OnBootPartition(folder string) {
	c.File, c.Result = filepath.Join(folder, "lucid", "enroll.toml"), filepath.Join(folder, "lucid", "enroll.status")
	c.Remove = true
}

// Enrolled is what an enrolment led to.
type Enrolled struct {
	NodeID string
	Before bool // the machine was enrolled already; nothing was changed
}

// Enrol gives this machine its identity. It may be repeated, after a power cut
// at any step too: an enrolled machine without a new file, or with the file it
// used, stays as it is.
func Enrol(ctx context.Context, config EnrolConfig) (Enrolled, error) {
	enrolled, err := enrol(ctx, config)
	if err == nil && config.Remove {
		err = removeFile(config.File)
	}
	if config.Result != "" {
		err = errors.Join(err, writeResult(config, enrolled, err))
	}
	return enrolled, err
}

// writeResult says how it went, in words for the owner. The token stays out of it,
// and so does the folder in which this machine had the file: he has the card alone.
func writeResult(config EnrolConfig, enrolled Enrolled, err error) error {
	line := fmt.Sprintf("enrolled as %s: nothing is left to do here, and the agent proves itself once it runs", enrolled.NodeID)
	switch {
	case errors.Is(err, ErrTicket):
		line = fmt.Sprintf("%s. It is not tried again before the next start: correct it", err)
	case errors.Is(err, ErrRefused):
		line = fmt.Sprintf("refused: %s. It is not tried again before the next start: ask the operator for a new enroll.toml", err)
	case err != nil:
		line = fmt.Sprintf("failed: %s. It is tried again every 30 seconds", err)
	}
	line = strings.NewReplacer(filepath.Dir(config.File)+"/", "", "\n", "; ").Replace(line)
	return replaceDurably(config.Result, []byte(line+"\n"))
}

// removeFile removes a file if it is there, for good.
func removeFile(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncFolder(filepath.Dir(file))
}

// replaceDurably is durable.Replace for a file that others read, and that may lie on
// a card: the name beside it is always the same, so that power cuts do not fill it.
func replaceDurably(file string, content []byte) error {
	temporary := file + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(file))
}

func enrol(ctx context.Context, config EnrolConfig) (Enrolled, error) {
	ticket, err := identity.ReadTicket(config.File)
	if errors.Is(err, fs.ErrNotExist) {
		id, loadErr := identity.Load(config.StateDir)
		if loadErr == nil {
			return Enrolled{NodeID: id.NodeID, Before: true}, nil
		}
		if !errors.Is(loadErr, ErrNotEnrolled) {
			return Enrolled{}, loadErr
		}
	}
	if err != nil {
		return Enrolled{}, err
	}
	inventory := collect.New(collect.Config{Root: config.Root}).Inventory()
	inventory.AgentVersion = config.Version
	result, err := identity.Enrol(ctx, config.StateDir, ticket, inventory)
	return Enrolled{NodeID: result.NodeID, Before: result.Already}, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lucid.internal/coordinator"
	"lucid.internal/coordinator/internal/atomicfile"
)

type provisionCmd struct {
	settings
	Fleet string        `required:"" placeholder:"FILE" help:"CSV with a line of headings: name, and where wanted pool and payout_address."`
	Out   string        `required:"" placeholder:"FOLDER" help:"Where each device gets a folder of its own, named as it is; copy what is in it to its boot partition."`
	Files string        `placeholder:"FOLDER" help:"Ready-made files that each folder gets too (firmware-config/cloud-init, ...), NODE_NAME in them being the device's name."`
	Life  time.Duration `default:"168h" help:"How long the tokens may be used, at most 168h."`
}

// Run writes a folder for each device, with the enroll.toml that it enrols with.
func (c *provisionCmd) Run(ctx context.Context) error {
	file, err := os.Open(c.Fleet)
	if err != nil {
		return err
	}
	defer file.Close()
	devices, err := coordinator.ReadFleet(file)
	if err != nil {
		return inLines(c.Fleet, err)
	}
	extra, err := readyMade(c.Files)
	if err != nil {
		return err
	}
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		if err := makeFolders(c.Out, devices); err != nil { // before any token is made
			return err
		}
		texts, err := f.Provision(ctx, devices, c.Life)
		if err != nil {
			removeFolders(c.Out, devices)
			return inLines(c.Fleet, err)
		}
		for i, d := range devices {
			if err := writeDevice(filepath.Join(c.Out, d.Name), d.Name, texts[i], extra); err != nil {
				return err
			}
		}
		c.sayWhere(f)
		fmt.Printf("%d folders in %s; their tokens may be used until %s, each once. Keep them secret until then.\n",
			len(devices), c.Out, stamp(time.Now().Add(c.Life)))
		return nil
	})
}

// inLines puts the file's name before each line of an error that begins with a
// number.
func inLines(file string, err error) error {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if line != "" && line[0] >= '0' && line[0] <= '9' {
			lines[i] = file + ":" + line
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// readyMade reads the files that each device gets.
func readyMade(folder string) (map[string]string, error) {
	files := make(map[string]string)
	if folder == "" {
		return files, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		files[e.Name()] = string(text)
	}
	return files, nil
}

// makeFolders makes the devices' folders, all or none: one that is there
// already holds another run's token.
func makeFolders(out string, devices []coordinator.Device) error {
	if err := os.MkdirAll(out, 0o700); err != nil {
		return err
	}
	var wrong []error
	for i, d := range devices {
		err := os.Mkdir(filepath.Join(out, d.Name), 0o700)
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%s is there already: name another --out, or remove it", filepath.Join(out, d.Name))
		}
		if err != nil {
			wrong = append(wrong, err)
			devices[i].Name = "" // not ours to remove
		}
	}
	if len(wrong) > 0 {
		removeFolders(out, devices)
	}
	return errors.Join(wrong...)
}

// removeFolders takes back what makeFolders made: empty folders only.
func removeFolders(out string, devices []coordinator.Device) {
	for _, d := range devices {
		if d.Name != "" {
			_ = os.Remove(filepath.Join(out, d.Name))
		}
	}
}

// writeDevice fills a device's folder. Its token can be had once only, so it outlasts
// a power cut.
func writeDevice(folder, name, enrolment string, extra map[string]string) error {
	for file, text := range extra {
		if err := atomicfile.Replace(filepath.Join(folder, file), []byte(strings.ReplaceAll(text, "NODE_NAME", name))); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "lucid"), 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(filepath.Join(folder, "lucid", "enroll.toml"), []byte(enrolment))
}

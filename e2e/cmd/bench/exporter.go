package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"lucid.internal/e2e/harness"
)

const exporterPackage = "prometheus-node-exporter"

// exporter is the reference for the agent: Debian's own package, not touched.
// A nil *exporter is one that is not there.
type exporter struct {
	cmd *exec.Cmd
	url string
}

// startExporter runs an installed exporter, or one unpacked from the package
// without installing it. The error says why there is none.
func startExporter(ctx context.Context, dir string) (*exporter, error) {
	binary, err := findExporter(ctx, dir)
	if err != nil {
		return nil, err
	}
	addr, err := harness.FreeAddr()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "--web.listen-address="+addr, "--log.level=error")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e := &exporter{cmd: cmd, url: "http://" + addr + "/metrics"}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := harness.Until(ready, exporterPackage, e.scrape); err != nil {
		end(cmd)
		return nil, err
	}
	return e, nil
}

func findExporter(ctx context.Context, dir string) (string, error) {
	for _, name := range []string{exporterPackage, "node_exporter"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	unpacked := filepath.Join(dir, "exporter")
	if err := os.Mkdir(unpacked, 0o777); err != nil {
		return "", err
	}
	if err := os.Chmod(unpacked, 0o777); err != nil { // apt downloads as a user of its own
		return "", err
	}
	download := exec.CommandContext(ctx, "apt-get", "download", exporterPackage)
	download.Dir = unpacked
	if out, err := download.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s is not installed and cannot be downloaded (%w: %.200s)", exporterPackage, err, out)
	}
	packages, err := filepath.Glob(filepath.Join(unpacked, "*.deb"))
	if err != nil || len(packages) != 1 {
		return "", fmt.Errorf("%d packages downloaded: %w", len(packages), err)
	}
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", packages[0], unpacked).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpacking %s: %w: %.200s", exporterPackage, err, out)
	}
	return filepath.Join(unpacked, "usr", "bin", exporterPackage), nil
}

// scrapeFor scrapes at the agent's rhythm for a time.
func (e *exporter) scrapeFor(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return nil
		case <-tick.C:
			if e == nil {
				continue
			}
			if err := e.scrape(ctx); err != nil {
				return err
			}
		}
	}
}

func (e *exporter) scrape(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n == 0) {
		err = errors.New("it gave no metrics: " + resp.Status)
	}
	return err
}

func (e *exporter) look() (harness.Footprint, error) {
	if e == nil {
		return harness.Footprint{}, nil
	}
	return harness.Look(e.cmd.Process.Pid)
}

// size is the reference of the binary's size.
func (e *exporter) size() string {
	if e == nil {
		return "none"
	}
	info, err := os.Stat(e.cmd.Path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s: %.2f MB", exporterPackage, float64(info.Size())/1e6)
}

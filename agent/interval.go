package agent

import (
	"fmt"
	"time"
)

// intervals are how often to sample and to publish.
type intervals struct{ sample, publish time.Duration }

// wantedIntervals are those of the coordinator's configuration, else the
// agent's own settings.
func (a *Agent) wantedIntervals() intervals {
	if d := a.control.Desired(); d.SampleInterval > 0 {
		return intervals{d.SampleInterval, d.PublishInterval}
	}
	return intervals{a.config.SampleInterval, a.config.PublishInterval}
}

// keepTo makes the loop's timers follow new intervals; the same ones disturb
// nothing.
func (a *Agent) keepTo(next intervals, sample *time.Ticker, publish *time.Timer) {
	if next == a.intervals {
		return
	}
	a.config.Logger.Info("intervals changed", "sample_interval", next.sample, "publish_interval", next.publish)
	a.intervals = next
	sample.Reset(next.sample)
	publish.Reset(a.untilPublish())
}

// settings are what the status file says of it.
func (a *Agent) settings() Settings {
	d := a.control.Desired()
	return Settings{
		SampleInterval: a.intervals.sample.String(), PublishInterval: a.intervals.publish.String(),
		ConfigVersion: d.Version, Remote: d.SampleInterval > 0,
	}
}

// announced is the version of the agent that was announced to this node and
// does not run here; "" for none.
func (a *Agent) announced() string {
	if u := a.control.Desired().Update; u != nil && u.Version != a.config.Version {
		return u.Version
	}
	return ""
}

// Reload gives a running agent the settings that were read anew. It follows
// those that can change while it runs: the intervals. It tells the service
// manager that it reloads, and when it has.
func (a *Agent) Reload(settings Config) error {
	if err := settings.Validate(); err != nil {
		return err
	}
	a.config.Notify("RELOADING=1")
	select {
	case <-a.reloads: // an older one that nobody took yet
	default:
	}
	a.reloads <- settings
	return nil
}

// take follows settings that were read anew, as far as it can.
func (a *Agent) take(settings Config) {
	a.config.SampleInterval, a.config.PublishInterval = settings.SampleInterval, settings.PublishInterval
	for name, differs := range map[string]bool{
		"servers":     fmt.Sprint(settings.Servers) != fmt.Sprint(a.config.Servers),
		"state_dir":   settings.StateDir != a.config.StateDir,
		"spool_dir":   settings.SpoolDir != a.config.SpoolDir,
		"spool_max":   settings.SpoolMax != a.config.SpoolMax,
		"status_file": settings.StatusFile != a.config.StatusFile,
		homeAssistant: settings.HomeAssistant != a.config.HomeAssistant,
	} {
		if differs {
			a.config.Logger.Warn("this setting is followed after a restart only", "setting", name)
		}
	}
}

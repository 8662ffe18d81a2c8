package api

import (
	"strings"
	"time"

	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// Shapes of what an operator says of a node. They serve for answers and for
// inputs alike: what was not said is absent in an input and null in an answer.

type locationBody struct {
	Country     *string                  `json:"country" doc:"ISO 3166-1 alpha-2."`
	Region      *string                  `json:"region"`
	City        *string                  `json:"city"`
	Timezone    *string                  `json:"timezone" doc:"IANA name."`
	Coordinates orNull[coordinatesInput] `json:"coordinates"`
}

type locationInput struct {
	Country     string            `json:"country,omitempty" pattern:"^([A-Z]{2})?$" patternDescription:"two capital letters" example:"DE" doc:"ISO 3166-1 alpha-2."`
	Region      string            `json:"region,omitempty" maxLength:"100" example:"Bavaria"`
	City        string            `json:"city,omitempty" maxLength:"100" example:"Munich"`
	Timezone    string            `json:"timezone,omitempty" maxLength:"64" example:"Europe/Berlin" doc:"IANA name."`
	Coordinates *coordinatesInput `json:"coordinates,omitempty"`
}

type coordinatesInput struct {
	Latitude  float64 `json:"latitude" minimum:"-90" maximum:"90" doc:"Degrees, WGS 84."`
	Longitude float64 `json:"longitude" minimum:"-180" maximum:"180" doc:"Degrees, WGS 84."`
}

func shapeLocation(l node.Location) locationBody {
	b := locationBody{Country: orNil(l.Country), Region: orNil(l.Region), City: orNil(l.City), Timezone: orNil(l.Timezone)}
	if c := l.Coordinates; c != nil {
		b.Coordinates.value = &coordinatesInput{Latitude: c.Latitude, Longitude: c.Longitude}
	}
	return b
}

func (in *locationInput) location() *node.Location {
	if in == nil {
		return nil
	}
	l := node.Location{Country: in.Country, Region: in.Region, City: in.City, Timezone: in.Timezone}
	if c := in.Coordinates; c != nil {
		l.Coordinates = &node.Coordinates{Latitude: c.Latitude, Longitude: c.Longitude}
	}
	return &l
}

type configurationBody struct {
	MaxSessions       *int                           `json:"max_sessions"`
	ResourceLimits    nodeLimitsBody                 `json:"resource_limits"`
	AutoScaling       *bool                          `json:"auto_scaling"`
	MaintenanceWindow orNull[maintenanceWindowInput] `json:"maintenance_window"`

	SampleIntervalSeconds  *int                    `json:"sample_interval_seconds" doc:"How often the agent samples; null: as its own settings say."`
	PublishIntervalSeconds *int                    `json:"publish_interval_seconds" doc:"How often it publishes; null like the other."`
	Challenge              challengeSettingsBody   `json:"challenge"`
	Agent                  orNull[agentConfigBody] `json:"agent" doc:"What the agent says of it; null when it is sent no configuration."`
}

type agentConfigBody struct {
	Version int64   `json:"version" doc:"Of the configuration that the agent is sent; rises with each."`
	State   string  `json:"state" enum:"pending,applied,refused"`
	Reason  *string `json:"reason" doc:"Why the agent refused it."`
}

type nodeLimitsBody struct {
	CPUPercent  *float64 `json:"cpu_percent"`
	MemoryBytes *int64   `json:"memory_bytes"`
	DiskBytes   *int64   `json:"disk_bytes"`
	NetworkMbps *float64 `json:"network_mbps" doc:"Million bits a second."`
}

type configurationInput struct {
	MaxSessions       *int                    `json:"max_sessions,omitempty" minimum:"1" maximum:"1000"`
	ResourceLimits    *nodeLimitsInput        `json:"resource_limits,omitempty"`
	AutoScaling       *bool                   `json:"auto_scaling,omitempty" doc:"Whether the pool's scaling may set the node aside."`
	MaintenanceWindow *maintenanceWindowInput `json:"maintenance_window,omitempty"`

	SampleIntervalSeconds  *int `json:"sample_interval_seconds,omitempty" minimum:"1" maximum:"3600" doc:"How often the agent samples, with the other; without both as its own settings say."`
	PublishIntervalSeconds *int `json:"publish_interval_seconds,omitempty" minimum:"1" maximum:"3600" doc:"How often it publishes: not more often than it samples, and at most 256 samples at once."`

	Challenge *challengeSettingsBody `json:"challenge,omitempty"`
}

// challengeSettingsBody is of a node, or of all nodes of a pool.
type challengeSettingsBody struct {
	Difficulty *int `json:"difficulty" required:"false" minimum:"0" maximum:"40" doc:"Bits to search for each puzzle of a challenge; each more doubles the work, and 0 is none. The nearest counts: the node's, else its pool's, else poot.difficulty. null: not set here; where nobody set one, the node's model and speed decide."`
}

type nodeLimitsInput struct {
	CPUPercent  *float64 `json:"cpu_percent,omitempty" exclusiveMinimum:"0" maximum:"100"`
	MemoryBytes *int64   `json:"memory_bytes,omitempty" minimum:"1"`
	DiskBytes   *int64   `json:"disk_bytes,omitempty" minimum:"1"`
	NetworkMbps *float64 `json:"network_mbps,omitempty" exclusiveMinimum:"0" maximum:"1000000" doc:"Million bits a second."`
}

type maintenanceWindowInput struct {
	Start string `json:"start" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" patternDescription:"HH:MM" example:"02:00" doc:"Each day, in the location's time zone."`
	End   string `json:"end" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" patternDescription:"HH:MM" example:"04:00" doc:"May be on the next day."`
}

func shapeConfiguration(c node.Configuration, agent node.AgentConfig) configurationBody {
	b := configurationBody{
		MaxSessions: c.MaxSessions, AutoScaling: c.AutoScaling,
		SampleIntervalSeconds: c.SampleIntervalSeconds, PublishIntervalSeconds: c.PublishIntervalSeconds,
		Challenge: challengeSettingsBody(c.Challenge),
	}
	if agent.Version > 0 {
		b.Agent.value = &agentConfigBody{agent.Version, string(agent.State()), orNil(agent.Refusal)}
	}
	if l := c.ResourceLimits; l != nil {
		b.ResourceLimits = nodeLimitsBody(*l)
	}
	if w := c.MaintenanceWindow; w != nil {
		b.MaintenanceWindow.value = &maintenanceWindowInput{Start: w.Start, End: w.End}
	}
	return b
}

func (in *configurationInput) configuration() *node.Configuration {
	if in == nil {
		return nil
	}
	c := node.Configuration{
		MaxSessions: in.MaxSessions, AutoScaling: in.AutoScaling,
		SampleIntervalSeconds: in.SampleIntervalSeconds, PublishIntervalSeconds: in.PublishIntervalSeconds,
	}
	if l := in.ResourceLimits; l != nil {
		limits := node.ResourceLimits(*l)
		c.ResourceLimits = &limits
	}
	if in.Challenge != nil {
		c.Challenge = node.Challenge(*in.Challenge)
	}
	if w := in.MaintenanceWindow; w != nil {
		c.MaintenanceWindow = &node.MaintenanceWindow{Start: w.Start, End: w.End}
	}
	return &c
}

// labelsOf reads site:attic,rack:2. The parameter's pattern holds already.
func labelsOf(text string) map[string]string {
	if text == "" {
		return nil
	}
	labels := map[string]string{}
	for one := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(one, ":")
		labels[key] = value
	}
	return labels
}

type createdNodeBody struct {
	Node      nodeBody      `json:"node"`
	Enrolment enrolmentBody `json:"enrolment"`
}

type enrolmentBody struct {
	Token      string    `json:"token" doc:"For the device's enroll.toml. Shown only now; it enrols one device, once."`
	ExpiresAt  time.Time `json:"expires_at"`
	EnrollTOML string    `json:"enroll_toml" doc:"The device's whole enroll.toml, with the token in it."`
}

type startedBody struct {
	NodeID    string    `json:"node_id"`
	Status    string    `json:"status" enum:"starting"`
	StartedAt time.Time `json:"started_at" doc:"When the command was given."`
	CommandID string    `json:"command_id"`
	ConfirmBy time.Time `json:"confirm_by" doc:"Without the node's confirmation by then its status is error."`
}

type stoppedBody struct {
	NodeID    string    `json:"node_id"`
	Status    string    `json:"status" enum:"stopping"`
	StoppedAt time.Time `json:"stopped_at" doc:"When the command was given."`
	CommandID string    `json:"command_id"`
	ConfirmBy time.Time `json:"confirm_by" doc:"Without the node's confirmation by then its status is error."`
}

func shapeStarted(c node.Command) startedBody {
	return startedBody{NodeID: c.NodeID, Status: string(c.Status), StartedAt: c.At, CommandID: c.ID, ConfirmBy: c.Expires}
}

func shapeStopped(c node.Command) stoppedBody {
	return stoppedBody{NodeID: c.NodeID, Status: string(c.Status), StoppedAt: c.At, CommandID: c.ID, ConfirmBy: c.Expires}
}

func exampleCommand(status node.Status) node.Command {
	return node.Command{
		ID: "5f0c1e0b9a3d4c2f8e7d6c5b4a392817", NodeID: "node_4f1c2a", Status: status,
		At: exampleTime(), Expires: exampleTime().Add(time.Minute),
	}
}

func exampleCreated() createdNodeBody {
	row := exampleNodeRow()
	row.Status, row.Online, row.AgentVersion, row.ScoreNano, row.LastHeartbeat, row.OnlineSince = node.Pending, false, "", 0, nil, nil
	row.Inventory = wire.Inventory{}
	return createdNodeBody{shapeNode(row), enrolmentBody{exampleEnrolmentText, exampleTime().Add(24 * time.Hour), exampleEnrollTOML}}
}

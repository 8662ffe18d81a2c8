package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/sample"
)

func (s *server) poolScalingOperations() {
	register(s, operation{
		id: "listPoolScaling", method: http.MethodGet, path: basePath + "/nodes/pools/{pool_id}/scaling", tag: "pools", role: access.Viewer,
		summary: "List how a pool was scaled",
		description: "Decisions of the last 90 days, newest first, each with all that it was made by: of the pool's policy, which decides about " +
			"once a minute, and of operators, as far as they changed something. What is held for the same reason as before is one decision, made by " +
			"inputs at first and by checked_inputs when it was last found so, at checked_at.",
		errors:  []fault.Code{fault.PoolNotFound},
		example: scalingListBody{Decisions: []scalingBody{exampleScaling()}, Pagination: pagination{Limit: 20}},
	}, s.listPoolScaling)
}

type scalingListInput struct {
	PoolInput
	NumberCursorInput
}

type scalingListBody struct {
	Decisions  []scalingBody `json:"decisions" nullable:"false"`
	Pagination pagination    `json:"pagination"`
}

type scalingBody struct {
	At            time.Time                 `json:"at"`
	CheckedAt     time.Time                 `json:"checked_at" doc:"When it was last found so."`
	Action        string                    `json:"action" enum:"up,down,hold"`
	Reason        string                    `json:"reason" enum:"requested,below_least,above_most,cpu_high,cpu_low,within_thresholds,cooldown,not_measured,no_standby,at_most,at_least"`
	Note          *string                   `json:"note" doc:"What the operator said who asked for it."`
	Automatic     bool                      `json:"automatic" doc:"By the policy, not by an operator."`
	TargetNodes   int                       `json:"target_nodes"`
	WorkingBefore int                       `json:"working_before" doc:"Nodes starting or active."`
	WorkingAfter  int                       `json:"working_after"`
	Activated     []string                  `json:"activated" nullable:"false" doc:"Ids of nodes."`
	Parked        []string                  `json:"parked" nullable:"false"`
	Inputs        scalingInputsBody         `json:"inputs" doc:"What it was made by, at first."`
	CheckedInputs orNull[scalingInputsBody] `json:"checked_inputs" doc:"What a hold was made by when it was last found so; null: it was found once."`
}

type scalingInputsBody struct {
	WorkingCount    int             `json:"working_count" doc:"Nodes starting or active."`
	StandbyCount    int             `json:"standby_count" doc:"Nodes that scaling had parked."`
	MeasuredCount   int             `json:"measured_count" doc:"Working nodes whose CPU was known."`
	CPUUsagePercent figure          `json:"cpu_usage_percent" doc:"Mean of those over five minutes."`
	LastScaledAt    *time.Time      `json:"last_scaled_at" doc:"When the pool had been scaled before, from when cooldown_minutes count; null: not within 90 days, or an earlier release did not note it."`
	AutoScaling     poolScalingBody `json:"auto_scaling"`
	MaxNodes        int             `json:"max_nodes" doc:"Places of the pool."`
}

func (s *server) listPoolScaling(ctx context.Context, in *scalingListInput) (*answer[scalingListBody], error) {
	list, next, err := s.Pools.Scalings(ctx, in.PoolID, in.Limit, in.after())
	if err != nil {
		return nil, err
	}
	return answered(scalingListBody{shape(list, shapeScaling), in.next(next)})
}

func shapeScaling(d pool.Scaling) scalingBody {
	b := scalingBody{
		At: d.At, CheckedAt: d.CheckedAt, Action: string(d.Decision.Action), Reason: string(d.Decision.Reason),
		Automatic: d.Decision.Reason != pool.Requested, TargetNodes: d.Decision.Target, WorkingBefore: d.Before, WorkingAfter: d.After,
		Activated: d.Activated, Parked: d.Parked, Inputs: shapeScalingInputs(d.Inputs),
	}
	if d.CheckedInputs != nil {
		checked := shapeScalingInputs(*d.CheckedInputs)
		b.CheckedInputs.value = &checked
	}
	if !b.Automatic {
		b.Note = orNil(d.Note)
	}
	return b
}

func shapeScalingInputs(in pool.Inputs) scalingInputsBody {
	return scalingInputsBody{
		WorkingCount: in.Working, StandbyCount: in.Standby, MeasuredCount: in.Measured, CPUUsagePercent: orUnknown(in.CPUPercent),
		LastScaledAt: in.LastScaledAt, AutoScaling: shapePoolScaling(in.Policy.AutoScaling), MaxNodes: in.Policy.Places,
	}
}

// orUnknown shows a mean with the digits of what it is of.
func orUnknown(v *float64) figure {
	if v == nil {
		return figure{}
	}
	return figure(sample.Number{Value: *v, Known: true})
}

// usageBody is how busy and full nodes are.
type usageBody struct {
	At               time.Time `json:"at"`
	MeasuredCount    int       `json:"measured_count" doc:"Nodes whose CPU is known."`
	CPUUsagePercent  figure    `json:"cpu_usage_percent" doc:"Mean of those over five minutes."`
	MemoryUsedBytes  *int64    `json:"memory_used_bytes" doc:"Sum; null while none has told, and so for each."`
	MemoryTotalBytes *int64    `json:"memory_total_bytes"`
	DiskUsedBytes    *int64    `json:"disk_used_bytes"`
	DiskTotalBytes   *int64    `json:"disk_total_bytes"`
}

func shapeUsage(u *pool.Usage) *usageBody {
	if u == nil {
		return nil
	}
	return &usageBody{
		At: u.At, MeasuredCount: u.Measured, CPUUsagePercent: orUnknown(u.CPUPercent), MemoryUsedBytes: u.MemoryUsedBytes,
		MemoryTotalBytes: u.MemoryTotalBytes, DiskUsedBytes: u.DiskUsedBytes, DiskTotalBytes: u.DiskTotalBytes,
	}
}

func exampleUsage() *pool.Usage {
	cpu, used, total := 41.5, int64(3<<30), int64(12<<30)
	return &pool.Usage{
		At: exampleTime(), Measured: 3, CPUPercent: &cpu, MemoryUsedBytes: &used, MemoryTotalBytes: &total,
		DiskUsedBytes: &used, DiskTotalBytes: &total,
	}
}

func exampleScaling() scalingBody {
	cpu := 91.5
	return shapeScaling(pool.Scaling{
		No: 7, At: exampleTime(), CheckedAt: exampleTime(), Decision: pool.Decision{Action: pool.Up, Target: 3, Reason: pool.BusyCPU}, Actor: "system",
		Before: 2, After: 3, Activated: []string{"node_4f1c2a"}, Parked: []string{},
		Inputs: pool.Inputs{Working: 2, Standby: 2, Measured: 2, CPUPercent: &cpu, LastScaledAt: new(exampleTime().Add(-time.Hour)), Policy: pool.Policy{
			Places: 100, AutoScaling: pool.AutoScaling{Enabled: true, TargetCPUPercent: 70, Policy: pool.ScalingPolicy{
				ScaleUpThreshold: 80, ScaleDownThreshold: 30, MinNodes: 1, MaxNodes: 100, CooldownMinutes: 5,
			}},
		}},
	})
}

package api

import "lucid.internal/coordinator/internal/fault"

// meaning says in a few words what a code tells the caller. The document and
// the readable page show it beside each operation that can answer with it.
func meaning(c fault.Code) string { return meanings()[c] }

func meanings() map[fault.Code]string {
	return map[fault.Code]string{
		fault.BodyMalformed:     "the body cannot be read",
		fault.Validation:        "fields are not allowed as they are; details names each",
		fault.MediaType:         "the body is not JSON, or too large",
		fault.RouteUnknown:      "no such path",
		fault.MethodNotAllowed:  "the path exists, the method does not",
		fault.NoCredentials:     "an API key or token is needed",
		fault.BadCredentials:    "the API key or token is unknown, expired or revoked",
		fault.RoleTooLow:        "the caller may not do this",
		fault.BadEnrolmentToken: "the enrolment token is unknown, expired, or for another device or board",
		fault.RateLimited:       "too many requests",
		fault.NodeNotFound:      "no such node",
		fault.NameTaken:         "the name is in use",
		fault.StateNotAllowed:   "the state of the thing does not allow it",
		fault.NodeOffline:       "the node is offline",
		fault.ChangedMeanwhile:  "changed meanwhile; read it again",
		fault.PoolNotFound:      "no such pool",
		fault.PoolFull:          "the pool is full",
		fault.PoolNotEmpty:      "the pool still has nodes",
		fault.NodeInPool:        "the node is already in a pool",
		fault.ChallengeUnknown:  "no such challenge",
		fault.ChallengeExpired:  "the challenge has expired",
		fault.TooManyAttempts:   "too many attempts",
		fault.ChallengeOpen:     "the challenge is still open",
		fault.PayoutNotFound:    "no such payout",
		fault.BelowMinimum:      "the amount is below the minimum",
		fault.BalanceTooSmall:   "the balance is too small",
		fault.NotCancellable:    "the payout can no longer be cancelled",
		fault.IdempotencyReuse:  "the idempotency key came with other input before",
		fault.BadPayoutAddress:  "the payout address is bad or not the node's",
		fault.PlanChanged:       "the plan has changed",
		fault.Held:              "the money is held",
		fault.OtherNotFound:     "no such thing",
		fault.InternalError:     "an internal error",
		fault.DatabaseDown:      "the database does not answer",
		fault.TimedOut:          "it took too long",
	}
}

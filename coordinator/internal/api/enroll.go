package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// maxEnrollBytes holds the largest inventory with room to spare.
const maxEnrollBytes = 64 << 10

func (s *server) enrollOperations() {
	register(s, operation{
		id: "enroll", method: http.MethodPost, path: wire.EnrollPath, tag: "enrolment", maxBody: maxEnrollBytes,
		summary: "Enrol a device",
		description: "A device exchanges its one-time token for an identity. The same request may be sent again and gets the same answer. " +
			"Over plain HTTP it is answered to this machine only. Fields that are unknown are ignored, so that a newer agent can enrol.",
		errors: []fault.Code{fault.BadEnrolmentToken, fault.RoleTooLow, fault.StateNotAllowed, fault.PoolFull, fault.PoolNotFound, fault.BadPayoutAddress, fault.NameTaken},
		request: enrollRequest{wire.EnrollRequest{
			V: wire.ProtocolVersion, Token: "enroll_K5TQ7ZJ3V2M4XR6WYB1C8DNFHA", X25519Public: make([]byte, 32), DevicePublic: make([]byte, 32),
			Inventory: []byte(`{"model":"Raspberry Pi 4 Model B Rev 1.4","memory_bytes":4294967296}`), Signature: make([]byte, 64),
		}},
		example: enrollAnswer{wire.EnrollResponse{
			V: wire.ProtocolVersion, NodeID: "node_4f1c2a", KeyEpoch: 1, X25519Public: make([]byte, 32), MQTT: []string{"lucid.example:8883"},
			CAPEM: "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n", Signature: make([]byte, 64),
		}},
	}, s.enroll)
	s.unenrollOperations()
	s.enrolTokenOperations()
}

// enrollRequest keeps the inventory as the bytes that came: they are signed.
type enrollRequest struct{ wire.EnrollRequest }

// TransformSchema allows unknown fields, as every message between agent and
// coordinator does.
func (enrollRequest) TransformSchema(_ huma.Registry, schema *huma.Schema) *huma.Schema {
	schema.AdditionalProperties = true
	return schema
}

type enrollAnswer struct{ wire.EnrollResponse }

type enrollInput struct{ Body enrollRequest }

// Resolve asks the noun.
func (in *enrollInput) Resolve(huma.Context) []error {
	return complaints("body", node.CheckEnroll(&in.Body.EnrollRequest))
}

func (s *server) enroll(ctx context.Context, in *enrollInput) (*answer[enrollAnswer], error) {
	if !callOf(ctx).private {
		return nil, fault.New(fault.RoleTooLow, "over plain HTTP only this machine itself may enrol; use https")
	}
	identity, err := s.Nodes.Enroll(ctx, &in.Body.EnrollRequest)
	if err != nil {
		return nil, err
	}
	return answered(enrollAnswer{*identity})
}

package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Whereabouts are where the coordinator is and by which CAs it is known, while
// either changes. Its enrolment key signs them (proof.SignWhereabouts).
type Whereabouts struct {
	MQTT      []string `json:"mqtt"`   // host:port, TLS; tried in turn
	CAPEM     string   `json:"ca_pem"` // all that are to be trusted, no other
	Signature []byte   `json:"signature"`
}

// Limits of the places that a coordinator names, beyond those of every message.
const (
	MaxBrokers    = 16
	MaxCAPEMBytes = 16 << 10
)

func (w *Whereabouts) check() error {
	switch {
	case len(w.MQTT) == 0 || len(w.MQTT) > MaxBrokers:
		return fmt.Errorf("mqtt has %d addresses, want 1 to %d", len(w.MQTT), MaxBrokers)
	case w.CAPEM == "" || len(w.CAPEM) > MaxCAPEMBytes:
		return fmt.Errorf("ca_pem has %d bytes, want 1 to %d", len(w.CAPEM), MaxCAPEMBytes)
	case !utf8.ValidString(w.CAPEM) || strings.ContainsRune(w.CAPEM, 0):
		return errors.New("ca_pem is not text")
	}
	for _, address := range w.MQTT {
		if err := required("mqtt", address); err != nil {
			return err
		}
	}
	return exactly("coordinator.signature", w.Signature, signatureBytes)
}

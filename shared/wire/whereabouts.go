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

func (w *Whereabouts) check() error {
	if err := checkPlaces(w.MQTT, w.CAPEM); err != nil {
		return err
	}
	return exactly("coordinator.signature", w.Signature, signatureBytes)
}

// checkPlaces is what enrolment and a move have in common.
func checkPlaces(mqtt []string, caPEM string) error {
	switch {
	case len(mqtt) == 0 || len(mqtt) > MaxBrokers:
		return fmt.Errorf("mqtt has %d addresses, want 1 to %d", len(mqtt), MaxBrokers)
	case caPEM == "" || len(caPEM) > MaxCAPEMBytes:
		return fmt.Errorf("ca_pem has %d bytes, want 1 to %d", len(caPEM), MaxCAPEMBytes)
	case !utf8.ValidString(caPEM) || strings.ContainsRune(caPEM, 0):
		return errors.New("ca_pem is not text")
	}
	for _, address := range mqtt {
		if err := required("mqtt", address); err != nil {
			return err
		}
	}
	return nil
}

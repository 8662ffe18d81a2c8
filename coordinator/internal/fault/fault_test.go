package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"lucid.internal/coordinator/internal/fault"
)

func TestErrorSaysEverythingInOneLine(t *testing.T) {
	err := fault.Wrap(fault.Validation, errors.New("cause"), "no good").
		WithFields(fault.Field{Name: "a", Reason: "is too long"}, fault.Field{Name: "b", Reason: "is missing"})
	if want := "LUCID_ERR_1002: no good (a: is too long; b: is missing): cause"; err.Error() != want {
		t.Errorf("%s, want %s", err, want)
	}
	if want := "LUCID_ERR_4001: no node node_x"; fault.New(fault.NodeNotFound, "no node %s", "node_x").Error() != want {
		t.Errorf("without fields and cause, want %s", want)
	}
}

func TestFaultIsFoundInsideOtherErrors(t *testing.T) {
	inner := fault.New(fault.PoolFull, "full")
	err := fmt.Errorf("join: %w", inner)
	if !fault.Has(err, fault.PoolFull) || fault.Has(err, fault.NodeInPool) || fault.As(err) != inner {
		t.Errorf("not found in %v", err)
	}
	if !errors.Is(err, fault.New(fault.PoolFull, "")) {
		t.Error("errors.Is does not compare by code")
	}
	stranger := errors.New("secret detail")
	if as := fault.As(stranger); as.Code != fault.InternalError || as.Message != "internal error" || !errors.Is(as, stranger) {
		t.Errorf("an error that is no fault became %v", as)
	}
}

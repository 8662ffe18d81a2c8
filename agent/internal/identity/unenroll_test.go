package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/wire"
)

// enrolledAt is a state folder that enrolled with this coordinator.
func enrolledAt(t *testing.T, e *coordtest.Enrolment) (dir string) {
	t.Helper()
	dir = t.TempDir() + "/state"
	if _, err := Enrol(t.Context(), dir, ticketOf(t, e.Ticket("first")), wire.Inventory{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestGivenUpNodeIsForgottenOnBothSides(t *testing.T) {
	e := newEnrolment(t)
	dir := enrolledAt(t, e)
	if id, err := GiveUp(t.Context(), dir, "", time.Now()); id != "node_test" || err != nil {
		t.Fatalf("%s, %v", id, err)
	}
	if _, err := Load(dir); err != nil {
		t.Errorf("the identity left before Forget: %v", err)
	}
	// A power cut here: the coordinator knows the node no more, and says so.
	if _, err := GiveUp(t.Context(), dir, "", time.Now()); err != nil {
		t.Errorf("told again: %v", err)
	}
	for range 2 {
		if err := Forget(dir); err != nil {
			t.Fatal(err)
		}
	}
	onlyFiles(t, dir, deviceFile)
	if _, err := GiveUp(t.Context(), dir, "", time.Now()); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("after it: %v, want ErrNotEnrolled", err)
	}
}

// A node is given up to its own coordinator alone, and only its answer counts.
func TestGivingUpIsBelievedOfTheCoordinatorAlone(t *testing.T) {
	stranger := newEnrolment(t) // whose CA is another one
	status := func(code int, body string) func(*coordtest.Enrolment) {
		return func(e *coordtest.Enrolment) {
			e.OnUnenroll = func(w http.ResponseWriter) bool {
				w.WriteHeader(code)
				_, _ = w.Write([]byte(body))
				return true
			}
		}
	}
	for name, c := range map[string]struct {
		prepare func(*coordtest.Enrolment)
		address string
		want    string
	}{
		"another coordinator": {nil, stranger.URL, "certificate signed by unknown authority"},
		"nobody there":        {nil, "https://127.0.0.1:1", "connection refused"},
		"in the clear":        {nil, "http://coordinator.example:80", "use https"},
		"money on its way":    {status(409, `{"error":{"code":"LUCID_ERR_4003","message":"money is on its way","request_id":"r"}}`), "", "giving up node_test refused: LUCID_ERR_4003 money is on its way (request_id r)"},
		"older than this":     {status(404, `{"error":{"code":"LUCID_ERR_1404","message":"no such operation"}}`), "", "LUCID_ERR_1404"},
		"not a coordinator":   {status(404, `<html>`), "", "HTTP status 404 and no reason"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnrolment(t)
			dir := enrolledAt(t, e)
			if c.prepare != nil {
				c.prepare(e)
			}
			if _, err := GiveUp(t.Context(), dir, c.address, time.Now()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
		})
	}
}

// An identity from before its coordinator's address was kept names none.
func TestGivingUpWithoutAnAddressAsksForIt(t *testing.T) {
	e := newEnrolment(t)
	dir := enrolledAt(t, e)
	f := folder{dir: dir}
	s, err := f.identity()
	if err != nil {
		t.Fatal(err)
	}
	s.URL = ""
	if err := f.writeIdentity(s); err != nil {
		t.Fatal(err)
	}
	if _, err := GiveUp(t.Context(), dir, "", time.Now()); err == nil || !strings.Contains(err.Error(), "--coordinator https://HOST:PORT") {
		t.Errorf("error = %v", err)
	}
	if _, err := GiveUp(t.Context(), dir, e.URL, time.Now()); err != nil {
		t.Error(err)
	}
}

// TestGivingUpAfterTheCAChanged takes the CAs that the coordinator named since
// the enrolment.
func TestGivingUpAfterTheCAChanged(t *testing.T) {
	authority := coordtest.NewAuthority(t)
	e := coordtest.NewEnrolment(t, authority, false, servers, "first")
	dir := enrolledAt(t, e)
	f := folder{dir: dir}
	s, err := f.identity()
	if err != nil {
		t.Fatal(err)
	}
	s.CAPEM = coordtest.NewAuthority(t).PEM
	if err := f.writeIdentity(s); err != nil {
		t.Fatal(err)
	}
	if _, err := GiveUp(context.Background(), dir, "", time.Now()); err == nil {
		t.Error("a certificate by a CA that is trusted no more was taken")
	}
	s.CAPEM += authority.PEM
	if err := f.writeIdentity(s); err != nil {
		t.Fatal(err)
	}
	if _, err := GiveUp(context.Background(), dir, "", time.Now()); err != nil {
		t.Error(err)
	}
}

func TestIdentityNamesItsCoordinator(t *testing.T) {
	e := newEnrolment(t)
	content, err := folder{dir: enrolledAt(t, e)}.read(identityFile)
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		Coordinator string `json:"coordinator"`
	}
	if err := json.Unmarshal(content, &kept); err != nil || kept.Coordinator != e.URL {
		t.Errorf("%s names %q, %v; want %s", filepath.Base(identityFile), kept.Coordinator, err, e.URL)
	}
}

// TestRootGivesUpAnothersNode: the state folder is the agent's, and the command
// runs under sudo.
func TestRootGivesUpAnothersNode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root may enter another user's folder")
	}
	e := newEnrolment(t)
	dir := enrolledAt(t, e)
	for _, path := range []string{dir, filepath.Join(dir, identityFile), filepath.Join(dir, deviceFile)} {
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := GiveUp(t.Context(), dir, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := Forget(dir); err != nil {
		t.Fatal(err)
	}
	onlyFiles(t, dir, deviceFile)
}

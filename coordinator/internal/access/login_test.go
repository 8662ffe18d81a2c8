package access

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
)

// work records what a login costs: every statement and every hash.
type work struct {
	mu   sync.Mutex
	done []string
}

func (w *work) add(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, what)
}

func (w *work) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := w.done
	w.done = nil
	return done
}

// TraceQueryStart records one statement.
func (w *work) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	name, _, _ := strings.Cut(q.SQL, "\n")
	w.add(name)
	return ctx
}

// TraceQueryEnd does nothing.
func (w *work) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// door is a store whose work is recorded, and whose clock the test moves.
type door struct {
	*Store
	t    *testing.T
	work *work
	at   time.Time
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{t: t, work: new(work), at: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	config := dbtest.New(t).Config().Copy()
	config.ConnConfig.Tracer = d.work
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	_, key, _ := ed25519.GenerateKey(nil)
	if d.Store, err = NewStore(Config{Pool: pool, SigningKey: key, Now: func() time.Time { return d.at }}); err != nil {
		t.Fatal(err)
	}
	derive := d.hasher.derive
	d.hasher.derive = func(password, salt []byte, passes, memoryKiB uint32, threads uint8, bytes uint32) []byte {
		d.work.add(fmt.Sprint("argon2id ", passes, " ", memoryKiB, " ", threads, " ", len(salt), " ", bytes))
		return derive(password, salt, passes, memoryKiB, threads, bytes)
	}
	return d
}

const rightPassword = "correct horse battery"

func (d *door) user(name string) User {
	d.t.Helper()
	u, err := d.AddUser(d.t.Context(), audit.By{Actor: audit.System}, NewUser{Name: name, Role: Viewer, Password: rightPassword})
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

func (d *door) try(name, password, from string) error {
	_, err := d.Login(d.t.Context(), Attempt{Name: name, Password: password, Address: netip.MustParseAddr(from)})
	return err
}

// want tries and compares: nil for a login, a code for a refusal.
func (d *door) want(name, password, from string, code fault.Code) {
	d.t.Helper()
	if err := d.try(name, password, from); !fault.Has(err, code) {
		d.t.Errorf("%s from %s: %v, want %s", name, from, err, code)
	}
}

func (d *door) mustLogin(name, from string) {
	d.t.Helper()
	if err := d.try(name, rightPassword, from); err != nil {
		d.t.Fatalf("%s from %s: %v", name, from, err)
	}
}

// A login that fails costs the same, statement by statement and hash by hash,
// whether the name exists or not and whatever is wrong: before a lock, when one
// is set, and while one holds after a restart.
func TestFailedLoginsCostTheSame(t *testing.T) {
	d := newDoor(t)
	d.user("ada")
	off := true
	if _, err := d.ChangeUser(t.Context(), audit.By{Actor: audit.System}, d.user("gone").ID, UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	var want [][]string
	for n, name := range []string{"ada", "nobody", "gone"} {
		d.at = d.at.Add(time.Hour)
		var got [][]string
		for try := range 9 {
			if try == 8 { // what is in memory is gone, what is in the database holds
				d.accounts, d.addresses = newAttempts(freeTriesAccount), newAttempts(freeTriesAddress)
			} else {
				d.at = d.at.Add(10 * time.Second)
			}
			d.work.take()
			d.want(name, "something else", fmt.Sprintf("203.0.113.%d", n), fault.BadCredentials)
			work := d.work.take()
			if i := slices.Index(work, "rollback to savepoint sp_1"); i >= 0 {
				work[i] = "release savepoint sp_1" // the one difference: what it wrote is taken back
			}
			got = append(got, work)
		}
		if want == nil {
			want = got
		}
		for try := range got {
			if !slices.Equal(got[try], want[try]) {
				t.Errorf("try %d by %s does\n%q, by ada\n%q", try+1, name, got[try], want[try])
			}
		}
	}
	if first := want[0]; !slices.ContainsFunc(first, func(s string) bool { return strings.HasPrefix(s, "argon2id") }) || len(first) < 4 {
		t.Errorf("the work is not recorded: %q", first)
	}
	if len(want[4]) <= len(want[3]) {
		t.Errorf("the fifth failure sets no lock: %q", want[4])
	}
}

// Strangers cannot keep a user out where it is at home; they themselves wait,
// wherever they come from, and so does whoever fails at home.
func TestStrangersDoNotLockTheUserOut(t *testing.T) {
	d := newDoor(t)
	d.user("ada")
	const home = "203.0.113.7"
	d.mustLogin("ada", home)
	for n := range freeTriesAccount { // from ever other addresses
		d.want("ada", "guess", fmt.Sprintf("198.51.100.%d", n), fault.BadCredentials)
	}
	d.want("ada", rightPassword, "198.51.100.200", fault.RateLimited) // a stranger's is not even judged
	d.mustLogin("ada", home)
	d.want("ada", rightPassword, "198.51.100.200", fault.RateLimited) // and that forgave no stranger

	d.accounts = newAttempts(freeTriesAccount) // as after a restart
	d.want("ada", rightPassword, "198.51.100.200", fault.BadCredentials)
	d.mustLogin("ada", home)

	for range freeTriesAccount {
		d.want("ada", "typo", home, fault.BadCredentials)
	}
	d.want("ada", rightPassword, home, fault.RateLimited)
	d.at = d.at.Add(time.Second)
	d.mustLogin("ada", home)
	d.mustLogin("ada", "198.51.100.200") // the strangers' second is over as well
}

// A new password makes the user a stranger everywhere: whoever had the old one
// may have made itself at home.
func TestNewPasswordForgetsPlaces(t *testing.T) {
	d := newDoor(t)
	u := d.user("ada")
	const thief = "198.51.100.1"
	d.mustLogin("ada", thief)
	next := "another long password"
	if _, err := d.ChangeUser(t.Context(), audit.By{Actor: audit.System}, u.ID, UserChange{Password: &next}); err != nil {
		t.Fatal(err)
	}
	for range freeTriesAccount {
		d.want("ada", "guess", "203.0.113.9", fault.BadCredentials)
	}
	d.want("ada", rightPassword, thief, fault.RateLimited)
}

func TestPlacesAreBounded(t *testing.T) {
	d := newDoor(t)
	u := d.user("ada")
	places := func() (n int) {
		if err := d.pool.QueryRow(t.Context(), "SELECT count(*) FROM login_place WHERE user_id = $1", u.ID).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for n := range mostPlaces + 2 {
		d.at = d.at.Add(time.Minute)
		d.mustLogin("ada", fmt.Sprintf("203.0.113.%d", n))
	}
	if n := places(); n != mostPlaces {
		t.Errorf("at home at %d addresses, want the newest %d", n, mostPlaces)
	}
	for address, want := range map[string]bool{"203.0.113.1": false, "203.0.113.2": true} {
		try := trier{address: watchedAddress(netip.MustParseAddr(address))}
		if err := d.findUser(t.Context(), "ada", &try); err != nil || try.atHome != want {
			t.Errorf("at home at %s: %v, %v", address, try.atHome, err)
		}
	}
	d.want("ada", "guess", "198.51.100.1", fault.BadCredentials)
	d.at = d.at.Add(placeLife + time.Second)
	if err := d.RemoveExpired(t.Context()); err != nil || places() != 0 {
		t.Errorf("%d places left after %s, %v", places(), placeLife, err)
	}
	var failures int
	if err := d.pool.QueryRow(t.Context(), "SELECT count(*) FROM login_attempt").Scan(&failures); err != nil || failures != 0 {
		t.Errorf("%d failures left, %v", failures, err)
	}
}

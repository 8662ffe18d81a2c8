package identity

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestUnsafeFoldersAreRefused(t *testing.T) {
	base := t.TempDir()
	open := filepath.Join(base, "open")
	mkdir(t, open, 0o755)
	link := filepath.Join(base, "link")
	mkdir(t, filepath.Join(base, "real"), 0o700)
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{open: "open to others", link: "symbolic link", file: "not a folder"} {
		if _, err := makeFolder(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("makeFolder(%s) = %v, want %q", path, err, want)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%s) = %v, want %q", path, err, want)
		}
	}
	if _, err := Load(filepath.Join(base, "none")); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("Load(none) = %v, want ErrNotEnrolled", err)
	}
}

// TestRootLooksIntoAnotherUsersFolder: it reads who the node is, and neither
// runs as it nor enrols there, which would leave files that are root's alone.
func TestRootLooksIntoAnotherUsersFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	n := newRotation(t)
	const other = 12345
	for _, path := range []string{n.dir, filepath.Join(n.dir, identityFile), filepath.Join(n.dir, deviceFile)} {
		if err := os.Chown(path, other, other); err != nil {
			t.Fatal(err)
		}
	}
	if id, err := Load(n.dir); err != nil || id.NodeID != testNode {
		t.Errorf("Load = %+v, %v", id, err)
	}
	want := "belongs to user 12345, this process is user 0"
	if _, err := OpenRing(n.dir, time.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("OpenRing = %v, want %q", err, want)
	}
	if _, err := makeFolder(n.dir); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("makeFolder = %v, want %q", err, want)
	}
}

func mkdir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedFilesAreErrorsNotNewIdentities(t *testing.T) {
	for name, c := range map[string]struct{ file, content, want string }{
		"identity cut short": {identityFile, `{"v":1,"node_`, "unexpected end"},
		"identity empty":     {identityFile, `{"v":1}`, "damaged"},
		"identity newer":     {identityFile, `{"v":2}`, "version 2"},
		"no device key":      {identityFile, `{"v":1,"node_id":"node_a","mqtt":["a:1"],"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`, "device.key is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Load = %v, want %q", err, c.want)
			}
		})
	}
}

func TestPlantedLinkIsRefused(t *testing.T) {
	for _, name := range []string{identityFile, deviceFile} {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		if err := os.WriteFile(elsewhere, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		f, err := openFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.read(name); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseTicket(t *testing.T) {
	good := map[string]string{
		"coordinator":   "https://coordinator.example:8095",
		"ca_sha256":     strings.Repeat("ab", 32),
		"enrolment_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"token":         "t",
	}
	for _, c := range []struct {
		name, key, value string
		want             []string // none: accepted
	}{
		{"good", "", "", nil},
		{"plain http to this machine", "coordinator", "http://127.0.0.1:8095", nil},
		{"plain http to this machine by name", "coordinator", "http://localhost:8095/", nil},
		{"plain http to this machine by IPv6", "coordinator", "http://[::1]:8095", nil},
		{"plain http elsewhere", "coordinator", "http://coordinator.example:8095", []string{"coordinator: ", "plain http goes to this machine only"}},
		{"plain http to a name that looks local", "coordinator", "http://localhost.example:8095", []string{"plain http"}},
		{"other scheme", "coordinator", "ftp://127.0.0.1", []string{"want https"}},
		{"path", "coordinator", "https://a.example/x", []string{"more than scheme, host and port"}},
		{"no host", "coordinator", "https:///", []string{"is not an address"}},
		{"missing address", "coordinator", "", []string{"coordinator: missing"}},
		{"short pin", "ca_sha256", "abcd", []string{"ca_sha256: want 64"}},
		{"short key", "enrolment_key", "AAAA", []string{"enrolment_key: want"}},
		{"no token", "token", "", []string{"token: missing"}},
		{"unknown key", "tokken", "x", []string{"enroll.toml:5: tokken: no such key"}},
		{"payout address", "payout_address", "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ", nil},
		{"payout address left empty", "payout_address", "", nil},
		{"mistyped payout address", "payout_address", "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLz", []string{"enroll.toml:5: payout_address: ", "wrong checksum"}},
		{"payout address of another chain", "payout_address", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", []string{"does not begin with T"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var text strings.Builder
			for key, value := range good {
				if key == c.key {
					value = c.value
				}
				text.WriteString(key + " = \"" + value + "\"\n")
			}
			if _, known := good[c.key]; !known && c.key != "" {
				text.WriteString(c.key + " = \"" + c.value + "\"\n")
			}
			_, err := ParseTicket("enroll.toml", text.String())
			if (err == nil) != (c.want == nil) {
				t.Fatalf("error = %v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want %q", err, want)
				}
			}
		})
	}
	_, err := ParseTicket("enroll.toml", "")
	for _, key := range []string{"coordinator", "ca_sha256", "enrolment_key", "token"} {
		if err == nil || !strings.Contains(err.Error(), key+":") {
			t.Errorf("an empty ticket does not name %s: %v", key, err)
		}
	}
}

// All that is wrong is told at once, each with its line; what is not there, with
// the file alone.
func TestFaultOfATicketNamesItsLine(t *testing.T) {
	_, err := ParseTicket("enroll.toml", `# from the operator
coordinator = "http://coordinator.example"
token = 5

ca_sha256 = "abcd"
[colour]
red = 1
`)
	want := `enroll.toml:2: coordinator: "http://coordinator.example": plain http goes to this machine only, use https
enroll.toml:3: token: 5 is not a text in quotes
enroll.toml:5: ca_sha256: want 64 hexadecimal digits
enroll.toml:6: colour: no such key
enroll.toml: enrolment_key: want an Ed25519 public key, 32 bytes in base64`
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
	if _, err := ParseTicket("enroll.toml", "token = \"t\"\ncoordinator = https://a\n"); err == nil || !strings.HasPrefix(err.Error(), "enroll.toml:2: ") {
		t.Errorf("error = %v, want file and line", err)
	}
}

// Who writes keys in capitals is understood; two that differ by case alone are told
// of, for nobody knows which of them was meant.
func TestKeysOfATicketInAnyCase(t *testing.T) {
	text := `Coordinator = "https://coordinator.example:8095"
CA_SHA256 = "` + strings.Repeat("ab", 32) + `"
Enrolment_Key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
TOKEN = "t"
`
	ticket, err := ParseTicket("enroll.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if ticket.Coordinator.Host != "coordinator.example:8095" || ticket.CAPin[31] != 0xab || len(ticket.EnrolmentKey) != 32 || ticket.Token != "t" {
		t.Errorf("the ticket is %+v", ticket)
	}
	const want = "enroll.toml:5: token: given already at enroll.toml:4"
	if _, err := ParseTicket("enroll.toml", text+"token = \"u\"\n"); err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add("coordinator = \"https://a:1\"\ntoken = \"t\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		ticket, err := ParseTicket("enroll.toml", text)
		if err == nil && (ticket.Token == "" || ticket.Coordinator == nil || len(ticket.EnrolmentKey) != 32) {
			t.Errorf("an incomplete ticket was accepted: %q", text)
		}
	})
}

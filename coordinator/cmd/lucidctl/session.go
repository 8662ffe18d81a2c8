package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lucid.internal/coordinator/client"
	"lucid.internal/coordinator/internal/atomicfile"
)

// session is what login leaves for later commands, readable by its user only.
type session struct {
	URL              string     `json:"url"`
	CA               string     `json:"ca,omitempty"`
	CASHA256         string     `json:"ca_sha256,omitempty"`
	AccessToken      string     `json:"access_token"`
	ExpiresAt        time.Time  `json:"expires_at"`
	RefreshToken     string     `json:"refresh_token"`
	RefreshExpiresAt *time.Time `json:"refresh_expires_at"`
}

// refreshBefore is how long before its end a token is replaced.
const refreshBefore = 30 * time.Second

func (a *app) sessionFile() (string, error) {
	if a.configFolder == "" {
		return "", errors.New("no home to keep a session in: set HOME or XDG_CONFIG_HOME")
	}
	return filepath.Join(a.configFolder, "lucidctl", "session.json"), nil
}

// readSession gives an empty session when there is none.
func (a *app) readSession() (s session, err error) {
	name, err := a.sessionFile()
	if err != nil {
		return s, nil
	}
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("session: %w", err)
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("session %s: %w; log in again", name, err)
	}
	return s, nil
}

// writeSession replaces the file. Who calls it holds the lock, so what lies there of
// another write was left by a lucidctl that was killed.
func (a *app) writeSession(s session) error {
	name, err := a.sessionFile()
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if err := atomicfile.RemoveUnfinished(name); err != nil {
		return err
	}
	return atomicfile.Replace(name, append(content, '\n'))
}

// locked runs do while no other lucidctl of this user does: a refresh token is
// good once, and two who use the same end the session.
func (a *app) locked(do func() error) error {
	name, err := a.sessionFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(name+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return do()
}

// sessionToken is an access token that is good for the next request.
func (a *app) sessionToken(ctx context.Context) (token string, err error) {
	err = a.locked(func() error {
		s, err := a.readSession()
		if err != nil {
			return err
		}
		if s.ExpiresAt.Sub(a.now()) > refreshBefore {
			token = s.AccessToken
			return nil
		}
		api, err := a.open(nil)
		if err != nil {
			return err
		}
		t, err := answer[client.Token](api.RefreshToken(ctx, client.Refresh{RefreshToken: s.RefreshToken}))
		if r, is := errors.AsType[refusal](err); is && exitCode(r) == exitNotAllowed {
			return notAllowed{errors.New("the session has ended; log in again")}
		} else if err != nil {
			return err
		}
		s.take(t)
		token = s.AccessToken
		return a.writeSession(s)
	})
	return token, err
}

func (s *session) take(t client.Token) {
	s.AccessToken, s.ExpiresAt, s.RefreshExpiresAt = t.AccessToken, t.ExpiresAt, t.RefreshExpiresAt
	if t.RefreshToken != nil {
		s.RefreshToken = *t.RefreshToken
	}
}

type loginCmd struct {
	Name          string `arg:"" help:"Name of the user."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
}

// Run keeps the session.
func (c *loginCmd) Run(ctx context.Context, a *app) error {
	password, err := a.password(ctx, c.PasswordStdin, "Password")
	if err != nil {
		return err
	}
	api, err := a.open(nil)
	if err != nil {
		return err
	}
	t, err := answer[client.Token](api.CreateToken(ctx, client.Login{Name: c.Name, Password: password}))
	if err != nil {
		return err
	}
	address, err := a.address()
	if err != nil {
		return err
	}
	s := session{URL: address, CASHA256: a.cli.CASHA256}
	if a.cli.CA != "" {
		if s.CA, err = filepath.Abs(a.cli.CA); err != nil {
			return err
		}
	}
	s.take(t)
	if err := a.locked(func() error { return a.writeSession(s) }); err != nil {
		return err
	}
	a.note("logged in to %s as %s, role %s", address, c.Name, t.Role)
	return nil
}

type logoutCmd struct{}

// Run ends the session here and at the coordinator.
func (logoutCmd) Run(ctx context.Context, a *app) error {
	return a.locked(func() error {
		s, err := a.readSession()
		if err != nil {
			return err
		}
		if s.RefreshToken == "" {
			a.note("there is no session")
			return nil
		}
		a.cli.URL, a.cli.urlFrom = s.URL, "the session's URL"
		api, err := a.open(nil)
		if err != nil {
			return err
		}
		if err := done(api.Logout(ctx, client.Refresh{RefreshToken: s.RefreshToken})); err != nil {
			return err
		}
		name, err := a.sessionFile()
		if err != nil {
			return err
		}
		return os.Remove(name)
	})
}

type whoamiCmd struct{}

// identity is what the coordinator wrote into a token for this credential.
type identity struct {
	URL       string     `json:"url"`
	ID        string     `json:"id"`
	Role      string     `json:"role"`
	ExpiresAt *time.Time `json:"token_expires_at,omitempty"` // of a session only: a key's token lives for this one question
}

func (i identity) columns() []column[identity] {
	columns := []column[identity]{
		{"id", false, func(i identity) any { return i.ID }},
		{"role", false, func(i identity) any { return i.Role }},
		{"url", false, func(i identity) any { return i.URL }},
	}
	if i.ExpiresAt != nil {
		columns = append(columns, column[identity]{"token_expires_at", false, func(i identity) any { return i.ExpiresAt }})
	}
	return columns
}

// Run asks the coordinator, for which a key is exchanged for a token.
func (whoamiCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	i := identity{}
	if i.URL, err = a.address(); err != nil {
		return err
	}
	var token string
	hasSession := a.cli.Key == "" && a.cli.KeyFile == ""
	if hasSession {
		if token, err = a.sessionToken(ctx); err != nil {
			return err
		}
		if _, err := answer[client.NodeList](api.ListNodes(ctx, &client.ListNodesParams{})); err != nil {
			return err // ended meanwhile
		}
	} else {
		t, err := answer[client.Token](api.CreateTokenWithBody(ctx, "application/json", nil))
		if err != nil {
			return err
		}
		token = t.AccessToken
	}
	if err := i.read(token); err != nil {
		return err
	}
	if !hasSession {
		i.ExpiresAt = nil
	}
	return show(a.printer, i, i.columns())
}

// read takes the claims as the coordinator wrote them: it gave the token itself.
func (i *identity) read(token string) error {
	parts := strings.Split(token, ".")
	var claims struct {
		Subject string `json:"sub"`
		Role    string `json:"role"`
		Expires int64  `json:"exp"`
	}
	if len(parts) != 3 {
		return errors.New("the coordinator gave no token that can be read")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		return fmt.Errorf("the coordinator's token could not be read: %w", err)
	}
	expiresAt := time.Unix(claims.Expires, 0).UTC()
	i.ID, i.Role, i.ExpiresAt = claims.Subject, claims.Role, &expiresAt
	return nil
}

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/BurntSushi/toml"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/access/issuer"
)

// openAccess makes the store of who may call the API, with the keys that sign
// tokens and the outside issuers that the settings name.
func (f *Foundation) openAccess(ctx context.Context) error {
	outside, err := readIssuers(f.Config.API.IssuersFile)
	if err != nil {
		return err
	}
	keys, err := access.LoadSigningKeys(ctx, f.DB, f.secrets.Secret)
	if err != nil {
		return err
	}
	f.Access, err = access.NewStore(access.Config{Pool: f.DB, SigningKey: keys[0].Private, Outside: outside, Now: f.now})
	if err != nil {
		return err
	}
	return f.Access.UseSigningKeys(keys)
}

// signingKeysInterval is how often a coordinator looks for a new signing key:
// well before access.SigningLead has passed.
const signingKeysInterval = time.Minute

// reloadSigningKeys takes over a signing key that was made meanwhile.
func (f *Foundation) reloadSigningKeys(ctx context.Context) error {
	keys, err := access.LoadSigningKeys(ctx, f.DB, f.secrets.Secret)
	if err != nil {
		return err
	}
	return f.Access.UseSigningKeys(keys)
}

// RotateSigningKey makes the next key that signs tokens and tells from when on
// it does. Running coordinators take it over by themselves; tokens of the key
// before stay good until they expire.
func (f *Foundation) RotateSigningKey(ctx context.Context) (from time.Time, err error) {
	return access.AddSigningKey(ctx, ByCLI(), f.DB, f.secrets.Secret, f.now())
}

// KeyRequest describes an API key to be made.
type KeyRequest struct {
	Name, Role string
	Life       time.Duration // 0: until revoked
	NodeIDs    []string      // bind it to these nodes
}

// CreateKey makes an API key. secret is shown only now.
func (f *Foundation) CreateKey(ctx context.Context, r KeyRequest) (key access.Key, secret string, err error) {
	n := access.NewKey{Name: r.Name, Role: access.Role(r.Role), NodeIDs: r.NodeIDs}
	if r.Life != 0 {
		n.Expires = f.now().Add(r.Life)
	}
	return f.Access.CreateKey(ctx, ByCLI(), n)
}

// RevokeKey ends an API key.
func (f *Foundation) RevokeKey(ctx context.Context, id string) error {
	return f.Access.RevokeKey(ctx, ByCLI(), id)
}

// Keys lists all API keys, newest first.
func (f *Foundation) Keys(ctx context.Context) ([]access.Key, error) {
	return all(ctx, f.Access.Keys)
}

// Users lists all users, newest first.
func (f *Foundation) Users(ctx context.Context) ([]access.User, error) {
	return all(ctx, f.Access.Users)
}

// all reads a list page by page.
func all[T any](ctx context.Context, page func(ctx context.Context, limit, offset int) ([]T, int, error)) (list []T, err error) {
	const limit = 500
	for {
		part, total, err := page(ctx, limit, len(list))
		list = append(list, part...)
		if err != nil || len(part) == 0 || len(list) >= total {
			return list, err
		}
	}
}

// UserRequest describes a user to be made. Email may be empty.
type UserRequest struct{ Name, Email, Role, Password string }

// AddUser makes a user who can log in at once.
func (f *Foundation) AddUser(ctx context.Context, r UserRequest) (access.User, error) {
	return f.Access.AddUser(ctx, ByCLI(), access.NewUser{Name: r.Name, Email: r.Email, Role: access.Role(r.Role), Password: r.Password})
}

// DisableUser ends all of a user's sessions and lets nobody log in by that name
// until it is enabled again.
func (f *Foundation) DisableUser(ctx context.Context, name string, disabled bool) error {
	return f.changeUser(ctx, name, access.UserChange{Disabled: &disabled})
}

// SetPassword gives a user a new password and ends all sessions.
func (f *Foundation) SetPassword(ctx context.Context, name, password string) error {
	return f.changeUser(ctx, name, access.UserChange{Password: &password})
}

func (f *Foundation) changeUser(ctx context.Context, name string, c access.UserChange) error {
	u, err := f.Access.UserNamed(ctx, name)
	if err != nil {
		return fmt.Errorf("user %q: %w", name, err)
	}
	_, err = f.Access.ChangeUser(ctx, ByCLI(), u.ID, c)
	return err
}

// maxIssuersBytes bounds the file of outside issuers.
const maxIssuersBytes = 64 << 10

// readIssuers reads the file of outside issuers: a table [[issuer]] for each.
// No file, no outside issuer.
func readIssuers(file string) ([]issuer.Config, error) {
	if file == "" {
		return nil, nil
	}
	list, err := parseIssuersFile(file)
	if err != nil {
		return nil, fmt.Errorf("outside issuers (api.issuers_file = %q): %w", file, err)
	}
	return list, nil
}

func parseIssuersFile(file string) ([]issuer.Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIssuersBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxIssuersBytes {
		return nil, fmt.Errorf("is larger than %d bytes", maxIssuersBytes)
	}
	var content struct {
		Issuer []struct {
			Name      string            `toml:"name"`
			Issuer    string            `toml:"issuer"`
			Audience  string            `toml:"audience"`
			JWKSURL   string            `toml:"jwks_url"`
			Algorithm string            `toml:"algorithm"`
			RoleClaim string            `toml:"role_claim"`
			Roles     map[string]string `toml:"roles"`
		} `toml:"issuer"`
	}
	meta, err := toml.Decode(string(text), &content)
	if err != nil {
		return nil, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown key %s", unknown[0])
	}
	if len(content.Issuer) == 0 {
		return nil, errors.New("holds no [[issuer]]")
	}
	var list []issuer.Config
	for _, i := range content.Issuer {
		list = append(list, issuer.Config{
			Name: i.Name, Issuer: i.Issuer, Audience: i.Audience, JWKSURL: i.JWKSURL, Algorithm: i.Algorithm,
			RoleClaim: i.RoleClaim, Roles: i.Roles,
		})
	}
	return list, nil
}

package coordinator

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access/issuer"
)

func TestIssuersFile(t *testing.T) {
	read := func(text string) ([]issuer.Config, error) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "issuers.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readIssuers(file)
	}
	got, err := read(`
[[issuer]]
name = "corp"
issuer = "https://login.corp.example"
audience = "lucid"
jwks_url = "https://login.corp.example/jwks"
algorithm = "RS256"
role_claim = "groups"
roles = { fleet-ops = "operator" }

[[issuer]]
name = "lab"
issuer = "https://lab.example"
audience = "lucid"
jwks_url = "https://lab.example/jwks"
algorithm = "EdDSA"
`)
	want := []issuer.Config{
		{
			Name: "corp", Issuer: "https://login.corp.example", Audience: "lucid", JWKSURL: "https://login.corp.example/jwks",
			Algorithm: "RS256", RoleClaim: "groups", Roles: map[string]string{"fleet-ops": "operator"},
		},
		{Name: "lab", Issuer: "https://lab.example", Audience: "lucid", JWKSURL: "https://lab.example/jwks", Algorithm: "EdDSA"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, text := range map[string]string{
		"empty": "", "unknown key": "[[issuer]]\nalgorithms = \"RS256\"", "no TOML": "[[issuer", "huge": strings.Repeat("#\n", 64<<10),
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), "issuers.toml") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := readIssuers(""); list != nil || err != nil {
		t.Errorf("without a file: %v, %v", list, err)
	}
	if _, err := readIssuers("/nowhere/issuers.toml"); err == nil {
		t.Error("a file that is not there is taken")
	}
}

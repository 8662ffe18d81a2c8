package bus

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
)

// Mosquitto describes a broker for nodes and coordinators.
type Mosquitto struct {
	Dir         string   // where its files lie
	Nodes       Listener // TLS
	Coordinator Listener
	User        string   // of the coordinators
	Password    string   // of the coordinators
	Write, Read []string // topics of a node, %u in place of its id
	All         string   // filter of all topics that coordinators use
}

// Listener is where it listens.
type Listener struct {
	Host string // "" for every interface
	Port string
	TLS  bool
}

// Names of the files.
const (
	MosquittoConf      = "mosquitto.conf"
	MosquittoPasswords = "passwords"
	MosquittoRules     = "rules"
	CertificateFile    = "server.pem"
	KeyFile            = "server.key"
)

// Conf is mosquitto.conf. Sessions of coordinators outlive a restart of the
// broker and may queue without limit; a node's client id is its user name.
func (m *Mosquitto) Conf() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Made by lucid-coordinator broker mosquitto-config; made anew with it.
persistence true
persistence_location %s/
autosave_interval 30
persistent_client_expiration 7d
max_queued_messages 0
max_inflight_messages 1000
allow_anonymous false
password_file %s
acl_file %s
`, m.Dir, m.file(MosquittoPasswords), m.file(MosquittoRules))
	fmt.Fprint(&b, "\n# Nodes.\n")
	m.listener(&b, m.Nodes)
	fmt.Fprint(&b, "use_username_as_clientid true\n\n# Coordinators.\n")
	m.listener(&b, m.Coordinator)
	return b.String()
}

func (m *Mosquitto) file(name string) string { return filepath.Join(m.Dir, name) }

func (m *Mosquitto) listener(b *strings.Builder, l Listener) {
	fmt.Fprintln(b, strings.TrimSpace("listener "+l.Port+" "+l.Host))
	if l.TLS {
		fmt.Fprintf(b, "certfile %s\nkeyfile %s\ntls_version tlsv1.2\n", m.file(CertificateFile), m.file(KeyFile))
	}
}

// Rules is the acl_file: a node writes and reads its own topics only.
func (m *Mosquitto) Rules() string {
	var b strings.Builder
	fmt.Fprintf(&b, "user %s\ntopic readwrite %s\n\n", m.User, m.All)
	for _, topic := range m.Write {
		fmt.Fprintf(&b, "pattern write %s\n", topic)
	}
	for _, topic := range m.Read {
		fmt.Fprintf(&b, "pattern read %s\n", topic)
	}
	return b.String()
}

// Passwords is the password_file of the coordinators and of every node.
func (m *Mosquitto) Passwords(nodes iter.Seq2[string, string]) (string, error) {
	var b strings.Builder
	line := func(user, password string) error {
		hash, err := hashPassword(password)
		fmt.Fprintf(&b, "%s:%s\n", user, hash)
		return err
	}
	if err := line(m.User, m.Password); err != nil {
		return "", err
	}
	for user, password := range nodes {
		if err := line(user, password); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

const (
	hashRounds = 101 // mosquitto_passwd's own; a node's password is 256 random bits
	saltBytes  = 12
	hashBytes  = 64
)

// hashPassword writes a password as mosquitto_passwd does: PBKDF2 with SHA-512.
func hashPassword(password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // crypto/rand.Read never fails
	key, err := pbkdf2.Key(sha512.New, password, salt, hashRounds, hashBytes)
	if err != nil {
		return "", fmt.Errorf("hash of a password: %w", err)
	}
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$7$%d$%s$%s", hashRounds, text(salt), text(key)), nil
}

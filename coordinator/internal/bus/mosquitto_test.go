package bus

import (
	"maps"
	"strings"
	"testing"
)

func TestMosquittoFiles(t *testing.T) {
	m := Mosquitto{
		Dir: "/b", Nodes: Listener{Port: "8883", TLS: true}, Coordinator: Listener{Host: "127.0.0.1", Port: "1884"},
		User: "us", Password: "secret", Write: []string{"n/%u/a"}, Read: []string{"n/%u/b"}, All: "n/#",
	}
	conf := m.Conf()
	for _, line := range []string{
		"allow_anonymous false", "max_queued_messages 0", "persistence true", "acl_file /b/rules", "password_file /b/passwords",
		"listener 8883\ncertfile /b/server.pem\nkeyfile /b/server.key\ntls_version tlsv1.2\nuse_username_as_clientid true",
		"listener 1884 127.0.0.1",
	} {
		if !strings.Contains(conf, line+"\n") {
			t.Errorf("no %q in\n%s", line, conf)
		}
	}
	if want := "user us\ntopic readwrite n/#\n\npattern write n/%u/a\npattern read n/%u/b\n"; m.Rules() != want {
		t.Errorf("rules:\n%s", m.Rules())
	}
	passwords, err := m.Passwords(maps.All(map[string]string{"node_a": "x"}))
	if err != nil || strings.Contains(passwords, "secret") || strings.Count(passwords, "$7$101$") != 2 ||
		!strings.HasPrefix(passwords, "us:$7$101$") || !strings.Contains(passwords, "\nnode_a:$7$") {
		t.Errorf("%v\n%s", err, passwords)
	}
}

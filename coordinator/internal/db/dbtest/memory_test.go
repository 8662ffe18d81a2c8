package dbtest

import "testing"

func TestRoomOfAFolder(t *testing.T) {
	if roomBytes(t.TempDir()) == 0 || roomBytes("/no/such/folder") != 0 {
		t.Error("a folder has no room, or one that is not there has")
	}
	t.Setenv("TMPDIR", t.TempDir())
	if p := parent(); p != "" {
		t.Errorf("databases lie in %s although TMPDIR says where", p)
	}
}

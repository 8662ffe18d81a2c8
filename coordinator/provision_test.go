package coordinator

import (
	"strings"
	"testing"
	"time"
)

func TestReadFleet(t *testing.T) {
	devices, err := ReadFleet(strings.NewReader("pool, name,payout_address\npool_default,attic-pi,TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ\n\n,\"cellar-pi\",\n"))
	want := []Device{{2, "attic-pi", "pool_default", "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"}, {4, "cellar-pi", "", ""}}
	if err != nil || len(devices) != 2 || devices[0] != want[0] || devices[1] != want[1] {
		t.Errorf("read %+v, %v", devices, err)
	}
	for name, c := range map[string]struct {
		text string
		want []string // every fault, with its line
	}{
		"empty":           {"", []string{"1: the file is empty"}},
		"headings alone":  {"name\n", []string{"2: no device"}},
		"no name":         {"pool\nx\n", []string{"1: no column name"}},
		"unknown columns": {"name,wallet,name\n", []string{`1: no such column "wallet"`, "1: column name comes twice"}},
		"all at once": {"name,payout_address\nok-pi,\nx,\nok-pi,\nthe attic,T1\nlonely\n",
			[]string{`3: name: "x" is not`, "4: name: ok-pi stands in line 2 already", `5: name: "the attic"`, "5: payout_address:", "6: has 1 columns, the headings have 2"}},
		"an open quote": {"name\n\"open\n", []string{"quote"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadFleet(strings.NewReader(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestProvisionMakesAllTokensOrNone(t *testing.T) {
	l := newLife(t)
	l.create("taken-pi")
	count := func() (n int) {
		t.Helper()
		l.must(l.DB.QueryRow(t.Context(), "SELECT count(*) FROM enrolment_token").Scan(&n))
		return n
	}
	before := count()
	devices := []Device{{Line: 2, Name: "attic-pi"}, {Line: 3, Name: "taken-pi"}, {Line: 4, Name: "cellar-pi", Pool: "pool_none"}}
	_, err := l.Provision(t.Context(), devices, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "3: name: a node taken-pi is there already") || !strings.Contains(err.Error(), "4: pool: no pool pool_none") {
		t.Errorf("error %v", err)
	}
	if n := count(); n != before {
		t.Errorf("%d tokens were made all the same", n-before)
	}
	devices[1].Name, devices[2].Pool, devices[2].PayoutAddress = "shed-pi", "", "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"
	texts, err := l.Provision(t.Context(), devices, time.Hour)
	if err != nil || len(texts) != 3 || count() != before+3 || !strings.Contains(texts[2], `payout_address = "TGJ`) {
		t.Fatalf("%d texts, %v", len(texts), err)
	}
	_, token, _ := strings.Cut(texts[1], `token = "`)
	token, _, _ = strings.Cut(token, `"`)
	d := l.enrol(token)
	var got struct {
		Name string `json:"name"`
	}
	l.call("GET", "/nodes/"+d.id, "", 200, &got)
	if got.Name != "shed-pi" {
		t.Errorf("the second device became %q", got.Name)
	}
}

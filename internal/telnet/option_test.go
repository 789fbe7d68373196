package telnet

import "testing"

// TestQMethod is section 7 of RFC 1143.
func TestQMethod(t *testing.T) {
	const (
		no = iota
		yes
		wantNo
		wantNoOpposite
		wantYes
		wantYesOpposite
	)
	states := [...]option{
		no:              {},
		yes:             {on: true},
		wantNo:          {asked: true},
		wantNoOpposite:  {asked: true, queued: true},
		wantYes:         {on: true, asked: true},
		wantYesOpposite: {on: true, asked: true, queued: true},
	}
	type transition struct {
		to   int
		tell string
	}
	events := []struct {
		name string
		do   func(*option) bool
		want [len(states)]transition
	}{
		{"hears WILL", func(o *option) bool { return o.hear(true) }, [...]transition{
			no: {yes, "DO"}, yes: {yes, ""},
			wantNo: {no, ""}, wantNoOpposite: {yes, ""}, // both: the peer is in error
			wantYes: {yes, ""}, wantYesOpposite: {wantNo, "DONT"},
		}},
		{"hears WONT", func(o *option) bool { return o.hear(false) }, [...]transition{
			no: {no, ""}, yes: {no, "DONT"},
			wantNo: {no, ""}, wantNoOpposite: {wantYes, "DO"},
			wantYes: {no, ""}, wantYesOpposite: {no, ""},
		}},
		{"wants it on", func(o *option) bool { return o.ask(true) }, [...]transition{
			no: {wantYes, "DO"}, yes: {yes, ""},
			wantNo: {wantNoOpposite, ""}, wantNoOpposite: {wantNoOpposite, ""},
			wantYes: {wantYes, ""}, wantYesOpposite: {wantYes, ""},
		}},
		{"wants it off", func(o *option) bool { return o.ask(false) }, [...]transition{
			no: {no, ""}, yes: {wantNo, "DONT"},
			wantNo: {wantNo, ""}, wantNoOpposite: {wantNo, ""},
			wantYes: {wantYesOpposite, ""}, wantYesOpposite: {wantYesOpposite, ""},
		}},
	}
	for _, e := range events {
		for from, o := range states {
			var told string
			if e.do(&o) {
				told = map[bool]string{true: "DO", false: "DONT"}[o.on]
			}
			if want := e.want[from]; o != states[want.to] || told != want.tell {
				t.Errorf("state %d %s: %+v and says %q, want %+v", from, e.name, o, told, want)
			}
		}
	}
}

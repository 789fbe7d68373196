package ban

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What is kept is what was banned.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	l := open(t, Options{File: path})
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a file before there is a ban")
	}
	l.mustAdd(t, newBan("192.0.2.7", time.Hour))
	b := newBan("2001:db8::/64", 0)
	b.Reason, b.By = `types "très" vite`, ByShield
	l.mustAdd(t, b)
	want := l.All()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, the file is %v", err, info.Mode())
	}
	again := open(t, Options{File: path})
	if got := again.All(); !slices.Equal(got, want) {
		t.Errorf("of\n%+v it has\n%+v", want, got)
	}
	for _, b := range want {
		if err := again.Remove(b.Network); err != nil {
			t.Error(err)
		}
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); string(data) != "[\n]\n" {
		t.Errorf("%v, without bans the file is %q", err, data)
	}
	if table, err := Load(path); err != nil || table.Len() != 0 {
		t.Errorf("%v, there are %d", err, table.Len())
	}
}

// A file that a link leads to is written where it is, and the link stays.
func TestLinkedFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "there.json"), filepath.Join(dir, "bans.json")
	if err := write(path, slices.Values([]Ban(nil))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err) // a system without them
	}
	l := open(t, Options{File: link})
	l.mustAdd(t, newBan("192.0.2.7", time.Hour))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, the link is %v", err, info.Mode())
	}
	if table, err := Load(path); err != nil || table.Len() != 1 {
		t.Errorf("%v, there are %d", err, table.Len())
	}
}

const goodLine = `{"network":"192.0.2.%d/32","by":"operator","since":"2026-01-02T03:04:05Z"}`

// A file that is damaged is told of by its line, and stays as it is.
func TestDamagedFile(t *testing.T) {
	good := func(i int) string { return fmt.Sprintf(goodLine, i) }
	for content, want := range map[string]string{
		"": "bans.json:1: this is no list",
		`{"192.0.2.1": "2021-08-11T18:40:53.797380"}`:                                    "bans.json:1: this is no list",
		"[\n" + good(1) + ",\n" + good(2):                                                "bans.json:3: the file ends within the list",
		"[\n" + good(1) + ",\n" + good(2)[:30]:                                           "bans.json:3: the file ends within the list",
		"[\n" + good(1) + "\n" + good(2) + "\n]\n":                                       "bans.json:3: expected comma",
		"[\n" + good(1) + ",\n\x00\x00\x00":                                              "bans.json:3: invalid character '\\x00'",
		"[\n" + good(1) + ",\n" + strings.Replace(good(2), "by", "bye", 1) + "\n]":       "bans.json:3: json: unknown field \"bye\"",
		"[\n" + strings.Replace(good(1), "/32", "", 1) + "\n]":                           "bans.json:2: netip.ParsePrefix(",
		"[\n" + good(1) + ",\n" + strings.Replace(good(2), "operator", "me", 1) + "\n]":  "bans.json:3: \"me\" bans nobody",
		"[\n" + good(1) + ",\n\n\n" + strings.Replace(good(2), "2026-01", "?", 1) + "\n": "bans.json:5: parsing time",
		"[\n" + good(1) + "\n]\n[]":                                                      "bans.json:4: more follows",
		"[\n" + good(1) + ",\n" + `{"by":"operator","since":"2026-01-02T03:04:05Z"}]`:    "bans.json:3: it names no network",
	} {
		path := filepath.Join(t.TempDir(), "bans.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{File: path})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "mend that line") {
			t.Errorf("of %q it is told %v, not %s", content, err, want)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != content {
			t.Errorf("%v, of %q it has made %q", err, content, now)
		}
	}
	if _, err := Open(Options{File: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, at, err := read(strings.NewReader("["+good(1)+","+good(2)+","+good(3)+"]"), 2, time.Now()); err == nil || at == 0 {
		t.Errorf("three bans of two: %v at %d", err, at)
	}
}

// FuzzFile: whatever is in a file, it is bans that can be written and read again, or an
// error.
func FuzzFile(f *testing.F) {
	f.Add("[\n" + fmt.Sprintf(goodLine, 1) + "\n]\n")
	f.Add(`[{"network":"2001:db8::/64","reason":"é","by":"shield","since":"2026-01-02T03:04:05.123Z","until":"2999-01-01T00:00:00Z"}]`)
	f.Fuzz(func(t *testing.T, content string) {
		table, _, err := read(strings.NewReader(content), 10, time.Now())
		if err != nil {
			return
		}
		var out strings.Builder
		now := time.Now()
		if err := encode(&out, table.All(now)); err != nil {
			t.Fatal(err)
		}
		again, at, err := read(strings.NewReader(out.String()), 10, time.Now())
		if err != nil || !slices.Equal(slices.Collect(again.All(now)), slices.Collect(table.All(now))) {
			t.Errorf("%v at %d, of %q it makes %q", err, at, content, &out)
		}
	})
}

// A process that is killed while it bans and unbans leaves all that it has said to be
// saved, and nothing half; and the next one goes on from there.
func TestKilled(t *testing.T) {
	const helper = "MOIP_BANS_UNTIL_KILLED"
	if path := os.Getenv(helper); path != "" {
		banUntilKilled(path)
	}
	path := filepath.Join(t.TempDir(), "bans.json")
	kills, mid := 0, 0
	for saved := 0; kills < 30; kills++ {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), helper+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if lines.Scan() { // it has begun, with what was there
			var n int
			if fmt.Sscanf(lines.Text(), "begins with %d", &n); n < saved {
				t.Fatalf("%d were saved, %d are left", saved, n)
			}
			time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, func() { cmd.Process.Kill() })
		}
		for lines.Scan() {
			fmt.Sscanf(lines.Text(), "saved %d", &saved)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("it was not killed: %v", err)
		}
		if _, err := os.Stat(path + ".new"); err == nil {
			mid++
		}
		table, err := Load(path)
		if err != nil {
			t.Fatalf("after %d kills: %v", kills+1, err)
		}
		if table.Len() < saved {
			t.Fatalf("after %d kills %d of %d are left", kills+1, table.Len(), saved)
		}
	}
	t.Logf("killed %d times, %d of them while the file was written", kills, mid)
}

// banUntilKilled bans one address after the other, from where the file has got to, and
// tells of what is saved.
func banUntilKilled(path string) {
	l, err := Open(Options{File: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	n := len(l.All())
	fmt.Println("begins with", n)
	for ; ; n++ {
		b := Ban{By: ByShield, Since: time.Now(), Reason: strings.Repeat("x", 150)}
		b.Network = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}), 32)
		if _, err := l.Add(b); err != nil {
			panic(err)
		}
		if n%3 == 0 {
			if err := l.Saved(context.Background()); err != nil {
				panic(err)
			}
			fmt.Println("saved", n+1)
		}
	}
}

// Folders and files that are not ours to write are told of.
func TestWriteFails(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "bans.json")
	if err := os.MkdirAll(filepath.Join(path+".new", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := write(path, Table{}.All(time.Now())); err == nil {
		t.Error("a folder in the way is no error")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("there is a file: %v", err)
	}
}

package test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/recording"
	"moip/videotex"
)

const recordedCallers = 12

// recorders starts a gateway that records all calls in a folder, by a command that
// is given the program if there is one.
func recorders(t *testing.T, command []string, services string) (g *gateway, folder string) {
	t.Helper()
	dir := t.TempDir()
	folder = filepath.Join(dir, "kept")
	for name, text := range map[string]string{
		"moip.toml": `listen = ["tcp://127.0.0.1:0?record=all"]
directory = "services.toml"
recordings = { folder = "kept", file_size = 1 }
`,
		"services.toml": "starter = true\n" + services,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, err := startBy(command, dir, []string{"--config", "moip.toml"})
	if err != nil {
		t.Fatalf("%v\n%s", err, &g.log)
	}
	t.Cleanup(func() {
		if g.running() {
			g.kill()
		}
	})
	return g, folder
}

// TestRecordedEvening has people call, go to services, mistype, chat and come back.
// Each call is recorded, and what is replayed is to the byte what its caller
// received, from the first page to the receipt.
func TestRecordedEvening(t *testing.T) {
	bank := opensBank(t)
	service := "[[service]]\ncode = %q\nurl = \"tcp://" + bank + "\"\ntariff = { minute = 97.2 }\n"
	g, folder := recorders(t, nil, fmt.Sprintf(service, "BANQUE")+fmt.Sprintf(service, "ULLA"))
	var evening sync.WaitGroup
	guests := make([]*guest, recordedCallers)
	for i := range guests {
		guests[i] = &guest{t: t, name: fmt.Sprintf("N%d", i), random: rand.New(rand.NewPCG(uint64(i), 1200)), screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
		evening.Go(func() { guests[i].call(g.doors["tcp"], net.IPv4(127, 3, 9, byte(1+i))) })
	}
	evening.Wait()
	if err := g.finish(); err != nil {
		t.Error(err)
	}
	names := map[string]string{} // of recordings, by caller
	text := g.log.String()
	for _, began := range regexp.MustCompile(`"call began" call=(\d+) from=([0-9.]+):`).FindAllStringSubmatch(text, -1) {
		file := regexp.MustCompile(`"recording began" call=` + began[1] + ` file=(\S+)`).FindStringSubmatch(text)
		if file == nil {
			t.Fatalf("call %s is not recorded:\n%s", began[1], text)
		}
		names[began[2]] = filepath.Join(folder, file[1])
	}
	visits := 0
	for i, guest := range guests {
		visits += len(guest.visits)
		out, err := exec.Command(program, "replay", "--speed", "max", "--to", "-", names[guest.from]).Output()
		if err != nil || !bytes.Equal(out, guest.got) {
			t.Errorf("%s got %d bytes, and %d are replayed (%v)", guest.name, len(guest.got), len(out), err)
		}
		if i%4 == 0 {
			if served := servedBy(t, names[guest.from]); !bytes.Equal(served, guest.got) {
				t.Errorf("%s got %d bytes, and %d are served to a caller", guest.name, len(guest.got), len(served))
			}
		}
	}
	if visits < recordedCallers {
		t.Errorf("there were %d visits", visits)
	}
	t.Logf("%d calls, %d visits", len(guests), visits)
}

// servedBy returns what a caller receives of a recording that is served.
func servedBy(t *testing.T, name string) []byte {
	t.Helper()
	command := exec.Command(program, "replay", "--speed", "max", "--listen", "tcp://127.0.0.1:0", name)
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer command.Wait()
	defer command.Process.Kill()
	var said []byte
	for p := make([]byte, 100); !bytes.Contains(said, []byte("Ctrl-C")); {
		n, err := stdout.Read(p)
		if said = append(said, p[:n]...); err != nil {
			t.Fatalf("it says %q: %v", said, err)
		}
	}
	conn, err := net.Dial("tcp", regexp.MustCompile(`tcp://(\S+)`).FindStringSubmatch(string(said))[1])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return got
}

// A recordedCaller is a line to a gateway that records it, and what came.
type recordedCaller struct {
	*testing.T
	net.Conn
	got []byte
}

func callsRecorded(t *testing.T, g *gateway) *recordedCaller {
	t.Helper()
	conn, err := net.Dial("tcp", g.doors["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &recordedCaller{T: t, Conn: conn}
}

// sees reads until the text comes.
func (c *recordedCaller) sees(text string) {
	c.Helper()
	from := len(c.got)
	for p := make([]byte, 4<<10); !bytes.Contains(c.got[from:], []byte(text)); {
		n, err := c.Read(p)
		if c.got = append(c.got, p[:n]...); err != nil {
			c.Fatalf("waits for %q: %v", text, err)
		}
	}
}

// onFile returns what the only recording of a folder has of a kind.
func onFile(t *testing.T, folder string, kind recording.Kind) (p []byte) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(folder, "*.cast"))
	if len(names) != 1 {
		return nil
	}
	file, err := os.Open(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := recording.NewReader(file)
	if err != nil {
		return nil // it has just been made
	}
	for {
		e, err := r.Next()
		if err == io.EOF {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == kind {
			p = append(p, e.Data...)
		}
	}
}

// TestRecordingOutlivesGateway kills the gateway in mid-call: all that had been
// written by then can be read.
func TestRecordingOutlivesGateway(t *testing.T) {
	g, folder := recorders(t, nil, "")
	c := callsRecorded(t, g)
	c.sees("liaison")
	io.WriteString(c, "ECHO\x13A")
	c.sees("tapez, je r")
	io.WriteString(c, "bonjour")
	c.sees("bonjour")
	for late := time.Now().Add(patience); !bytes.Contains(onFile(t, folder, recording.Input), []byte("bonjour")); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it is not written")
		}
	}
	io.WriteString(c, strings.Repeat("plus ", 100))
	g.kill()
	rest, _ := io.ReadAll(c)
	c.got = append(c.got, rest...)
	if got := onFile(t, folder, recording.Output); !bytes.HasPrefix(c.got, got) || !bytes.Contains(got, []byte("bonjour")) {
		t.Errorf("recorded:\n%q, received:\n%q", got, c.got)
	}
}

// TestRecordingOutgrowsDisk gives the gateway files of 8 KiB: a recording that would
// have more ends, the log says why, once, and the call goes on.
func TestRecordingOutgrowsDisk(t *testing.T) {
	g, folder := recorders(t, []string{"sh", "-c", `ulimit -f 16; exec "$@"`, "sh"}, "[[service]]\ncode = \"BANQUE\"\nurl = \"tcp://"+opensBank(t)+"\"\n")
	c := callsRecorded(t, g)
	c.sees("liaison")
	io.WriteString(c, "BANQUE\x13A")
	c.sees("Bienvenue")
	for i := 0; !strings.Contains(g.log.String(), "recording failed"); i++ {
		io.WriteString(c, fmt.Sprintf("n%d.", i))
		c.sees(fmt.Sprintf("n%d.", i))
		time.Sleep(5 * time.Millisecond)
		if i > 5000 {
			t.Fatalf("the recording does not fail:\n%s", &g.log)
		}
	}
	c.SetDeadline(time.Now().Add(2 * patience))
	c.sees("\x1F@b   \n") // the badge goes
	io.WriteString(c, "fin.")
	c.sees("fin.")
	if got := onFile(t, folder, recording.Output); len(got) < 1000 || !bytes.HasPrefix(c.got, got) {
		names, _ := os.ReadDir(folder)
		t.Errorf("recorded are %d bytes, in %v", len(got), names)
	}
	if text := g.log.String(); strings.Count(text, "recording failed") != 1 || !strings.Contains(text, "file too large") {
		t.Errorf("the log says\n%s", text)
	}
}

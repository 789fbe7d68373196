package test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"moip/internal/trace"
)

// tracing runs a program that traces, and returns what it says.
func tracing(t *testing.T, args ...string) (*exec.Cmd, *log) {
	t.Helper()
	tracer := exec.Command(program, args...)
	told := &log{}
	tracer.Stdout, tracer.Stderr = told, told
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tracer.Process.Kill(); tracer.Wait() })
	return tracer, told
}

func hears(t *testing.T, l *log, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := l.hear(text); err != nil {
			t.Fatalf("%q: %v:\n%s", text, err, l)
		}
	}
}

// An operator says "call now", and sees the call from its first byte; and then another
// call from the middle on, by its number and to its end.
func TestTrace(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--ws", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	ctl := []string{"ctl", "--admin", g.doors["admin"]}
	byAddress, all := tracing(t, append(ctl, "trace", "127.0.0.0/8")...)
	hears(t, all, "A trace shows all that is typed, passwords too.\n")
	guest := arrives(t, g)
	guest.sees("Passerelle en liaison")
	hears(t, all,
		"1     +0.000  call        somebody has come, from "+guest.conn.LocalAddr().String(),
		"← caller    IAC WILL ECHO  IAC WILL SGA", "call        1 began, from ", "portal →    COF (cursor off)  FF (clear)",
		"← caller    COF (cursor off)  FF (clear)", "ESC 3/9 7/11 (PRO1 ENQROM, who are you?)",
	)
	one, told := tracing(t, append(ctl, "trace", "1", "--leg", "service", "--raw")...)
	hears(t, told, "1 from "+guest.conn.LocalAddr().String()+" by telnet, at portal; traced from here on\n")
	if _, err := guest.conn.Write([]byte("\xff\xfb\x18\xff\xfa\x18\x00xt\x1bem\xff\xf0")); err != nil {
		t.Fatal(err)
	}
	guest.types("<Annulation>MIRE<Envoi>")
	guest.sees("1/6")
	hears(t, all, "caller →    IAC WILL TTYPE", `IAC SB TTYPE IS "xt\x1Bem" IAC SE`, `Annulation  "MIRE"  Envoi`, "call        redirecting to MIRE", "service MIRE →  COF")
	hears(t, told, "call        at MIRE\n", "service MIRE →  14 0C ", "service MIRE →  COF (cursor off)  FF (clear)")
	guest.types("<Fin>")
	guest.sees("MIRE : visite terminée")
	guest.conn.Close()
	hears(t, told, "call        ended: ")
	if err := one.Wait(); err != nil {
		t.Errorf("moip ctl trace 1: %v", err)
	}
	if text := told.String(); strings.Contains(text, "caller") || strings.Contains(text, "\n1 ") {
		t.Errorf("of the service alone it is told\n%s", text)
	}
	if err := byAddress.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := byAddress.Wait(); err != nil {
		t.Errorf("moip ctl trace 127.0.0.0/8: %v", err)
	}
	if text := all.String(); strings.ContainsRune(text, '\x1b') {
		t.Errorf("a caller has written to the operator's terminal:\n%q", text)
	}
	for failing, args := range map[string][]string{
		"no such call": {"trace", "1"},
		"is neither":   {"trace", "nowhere"},
		"is no leg":    {"trace", "127.0.0.1", "--leg", "cable"},
	} {
		if out, err := exec.Command(program, append(ctl, args...)...).CombinedOutput(); err == nil || !strings.Contains(string(out), failing) {
			t.Errorf("moip ctl %v: %v, %s", args, err, out)
		}
	}
}

// Programs are told in JSON, a line each.
func TestTraceJSON(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	tracer := exec.Command(program, "ctl", "--admin", g.doors["admin"], "--json", "trace", "127.0.0.1")
	out, err := tracer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tracer.Process.Kill(); tracer.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e trace.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		switch {
		case e.About():
			arrives(t, g)
		case e.Leg == "portal" && e.Way == trace.From && e.Call == 1 && strings.Contains(e.What, "FF (clear)"):
			return
		}
	}
	t.Errorf("the trace ends: %v", lines.Err())
}

// Who runs a gateway by hand has it traced from the start: what its callers send, and how it
// negotiates with a service of the other end.
func TestServeTrace(t *testing.T) {
	t.Parallel()
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	go func() {
		if conn, err := service.Accept(); err == nil {
			io.WriteString(conn, "\xff\xfb\x01\xff\xfd\x18\x0c\x1fBBBonjour")
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	g := runs(t, "--tcp", "127.0.0.1:0", "--videotext", "telnet://"+service.Addr().String(), "--nocommand", "--trace", "1")
	guest := arrives(t, g)
	guest.sees("Bonjour")
	guest.types("secret<Envoi>")
	hears(t, &g.log, "A trace shows all that is typed, passwords too.", "1     +0.0", "call        1 began",
		"portal →    IAC WILL ECHO  IAC DO TTYPE  FF (clear)  US 4/2 4/2 (row 2 column 2)  \"Bonjour\"",
		"← portal    IAC DO ECHO  IAC WILL TTYPE", "← caller    FF (clear)", `caller →    "secret"  Envoi`, `← portal    "secret"  Envoi`)
	guest.conn.Close()
	hears(t, &g.log, "caller      ", "call        ended: ")
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if err := g.exit("0"); err != nil {
		t.Error(err)
	}
	if text := g.log.String(); regexp.MustCompile(`[\x00-\x09\x0B-\x1F\x7F]`).MatchString(text) {
		t.Errorf("there are control characters in\n%q", text)
	}
}

// Four may trace at a time. A reader who goes away makes room.
func TestTraceFull(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	url := "http://" + g.doors["admin"] + "/api/v1/trace?of=192.0.2.1"
	var open []*http.Response
	for range 4 {
		w, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		if w.StatusCode != http.StatusOK {
			t.Fatal(w.Status)
		}
		open = append(open, w)
	}
	if body := fetch(t, url); !strings.Contains(body, "4 traces are under way") {
		t.Errorf("a fifth is told %s", body)
	}
	open[0].Body.Close()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		w, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		if w.StatusCode == http.StatusOK {
			return
		}
		if w.StatusCode != http.StatusConflict || time.Now().After(late) {
			t.Fatalf("when one has left: %s", w.Status)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/control/admin"
	"moip/internal/testkit/freeport"
	"moip/internal/testkit/soon"
)

// An operated is a gateway in this process, with its operators.
type operated struct {
	*admin.Client
	file string
	stop context.CancelFunc
	gone chan error
}

// opens runs a gateway that goes by what a file says beside its operators' address.
func opens(t *testing.T, settings string) *operated {
	t.Helper()
	at, file := freeport.Addr(t), filepath.Join(t.TempDir(), "moip.toml")
	h := &operated{Client: admin.NewClient(at), file: file, gone: make(chan error, 1)}
	h.says(t, settings)
	var ctx context.Context
	ctx, h.stop = context.WithCancel(t.Context())
	t.Cleanup(h.stop)
	none, level := "none", "error"
	s := &serve{Config: file, Admin: &at, Log: &none, History: &none, Bans: &none, Records: &none, LogLevel: &level}
	go func() { h.gone <- s.Run(ctx, io.Discard) }()
	soon.Is(t, "a gateway answers", func() bool { return h.Do(ctx, "GET", "/state", nil, nil) == nil })
	return h
}

// says has the file say something else.
func (h *operated) says(t *testing.T, settings string) {
	t.Helper()
	h.writes(t, "listen = [\"tcp://127.0.0.1:0\"]\n"+settings)
}

func (h *operated) writes(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h *operated) reloads(t *testing.T) {
	t.Helper()
	if err := h.Do(t.Context(), "POST", "/reload", nil, nil); err != nil {
		t.Fatal(err)
	}
}

// ends waits until the gateway is gone.
func (h *operated) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-h.gone:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the gateway goes on")
	}
}

// Who orders a gateway to drain is answered, although it ends at once.
func TestDrainIsAnswered(t *testing.T) {
	for n := range 20 {
		h := opens(t, "")
		if err := h.Do(t.Context(), "POST", "/drain", admin.Draining{For: "1m"}, nil); err != nil {
			t.Errorf("gateway %d: %v", n, err)
		}
		h.ends(t)
	}
}

// Who follows what happens does not hold up the end.
func TestStopEndsStreams(t *testing.T) {
	var took time.Duration
	for range 20 { // a busy machine may take its time, but hardly twenty times
		h := opens(t, "")
		followed, stop := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { h.Follow(followed, func(admin.Event) error { return nil }) })
		time.Sleep(50 * time.Millisecond) // for it to be there
		begun := time.Now()
		h.stop()
		h.ends(t)
		took = time.Since(begun)
		stop()
		following.Wait()
		if took < time.Second { // which who is waited for has
			return
		}
	}
	t.Errorf("it took %v", took)
}

// Operators are told of the portal in force, while the configuration changes, too.
func TestReloadTellsOfThePortal(t *testing.T) {
	portal := func(n int) string {
		return fmt.Sprintf("link = \"ws://127.0.0.1:9\"\n[portal]\nurl = \"ws://me:secret@127.0.0.1:%d/\"\n", n)
	}
	h := opens(t, portal(1))
	asked, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		for asked.Err() == nil {
			h.Do(asked, "GET", "/link", nil, nil)
			h.Do(asked, "GET", "/state", nil, nil)
		}
	})
	for n := 2; n < 20; n++ {
		h.says(t, portal(n))
		h.reloads(t)
		var s admin.State
		want := fmt.Sprintf("ws://127.0.0.1:%d/", n)
		if err := h.Do(t.Context(), "GET", "/state", nil, &s); err != nil || !strings.HasPrefix(s.Portal, want+",") {
			t.Fatalf("the portal is %q, %v, want %s", s.Portal, err, want)
		}
	}
	stop()
	asking.Wait()
	h.stop()
	h.ends(t)
}

// Who has come to a door that a reload has closed, and says nothing, is not waited for.
func TestStopAfterReload(t *testing.T) {
	door := freeport.Addr(t)
	h := opens(t, "")
	h.writes(t, "listen = [\"ws://"+door+"\"]")
	h.reloads(t)
	conn, err := net.Dial("tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET ")
	time.Sleep(50 * time.Millisecond) // for it to be accepted
	h.says(t, "")
	h.reloads(t)
	begun := time.Now()
	h.stop()
	h.ends(t)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A gateway of its own, for a Minitel or a recording, leaves no files behind.
func TestAloneLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	line := &serialLine{Port: filepath.Join(dir, "none"), URL: "ws://127.0.0.1:9", Parity: "auto", Flow: "none", Log: "none", LogLevel: "error"}
	if err := line.Run(ctx, io.Discard); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("it leaves %v, %v", files, err)
	}
}

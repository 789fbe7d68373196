package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"moip/internal/control/admin"
	"moip/internal/testkit/soon"
)

// A gateway is replaced by another process again and again: nobody who comes is refused,
// calls go on where they are until they end, and with the last of them the process. What
// cannot start replaces nothing.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	repeats, free, dir := repeater(t), ports(t, 2), t.TempDir()
	good := "listen = [\"tcp://" + free[0] + "\"]\nadmin = \"" + free[1] + "\"\nlog = \"none\"\nrecords = \"none\"\nlink = \"none\"\n[portal]\nurl = \"" + repeats + "\"\n"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", free[1], asFileSays)
	client := admin.NewClient(free[1])
	var pids []int
	t.Cleanup(func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	upgrade := func() error {
		var told admin.Upgraded
		err := client.Do(context.Background(), "POST", "/upgrade", nil, &told)
		if err == nil {
			pids = append(pids, told.Process)
		}
		return err
	}
	stop := make(chan struct{})
	var arriving sync.WaitGroup
	for range 4 {
		arriving.Go(func() { arrive(t, free[0], stop) })
	}
	var crowds []*crowd
	last := uint64(0)
	for range 3 {
		crowds = append(crowds, gather(t, free[0], "", 100))
		var calls admin.Calls
		if err := client.Do(context.Background(), "GET", "/calls", nil, &calls); err != nil {
			t.Fatal(err)
		}
		for _, c := range calls.Calls {
			if c.ID <= last {
				t.Errorf("call %d has a number of the gateway before, which had %d", c.ID, last)
			}
		}
		last = calls.Calls[len(calls.Calls)-1].ID
		write(good + "[nonsense]\n")
		if err := upgrade(); err == nil || !strings.Contains(err.Error(), "exit status 1") {
			t.Errorf("with a configuration that is wrong: %v", err)
		}
		if !within(func() bool { return strings.Contains(g.log.String(), "nonsense") }) {
			t.Errorf("what the new process prints does not say why:\n%s", &g.log)
		}
		write(good)
		if err := upgrade(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	arriving.Wait()
	for _, c := range crowds {
		if before := c.keys.Load(); !within(func() bool { return c.keys.Load() > before+100 }) {
			t.Error("calls do not go on")
		}
	}
	state := func() (s admin.State) {
		if err := client.Do(context.Background(), "GET", "/state", nil, &s); err != nil {
			t.Error(err)
		}
		return s
	}
	if s := state(); s.State != "running" || !s.Ready {
		t.Errorf("state %+v", s)
	}
	// Each that was replaced ends with its last call. Of those who came while that was
	// done, either may have taken one.
	old := append([]int{g.command.Process.Pid}, pids[:2]...)
	for i, pid := range old {
		if !alive(pid) {
			t.Errorf("process %d ended before its calls", i)
		}
	}
	for _, c := range crowds {
		c.leave()
	}
	for i, pid := range old {
		if !within(func() bool { return !alive(pid) }) {
			syscall.Kill(pid, syscall.SIGQUIT) // which prints what it does
			time.Sleep(time.Second)
			t.Errorf("process %d goes on after its calls:\n%s", i, &g.log)
		}
	}
	latest := gather(t, free[0], "", 5)
	if err := client.Do(context.Background(), "POST", "/drain", admin.Draining{For: "1h"}, nil); err != nil {
		t.Fatal(err)
	}
	if s := state(); s.State != "draining" || s.Ready {
		t.Errorf("state %+v", s)
	}
	if err := upgrade(); err == nil || !strings.Contains(err.Error(), "the gateway is draining") {
		t.Errorf("to be replaced while draining: %v", err)
	}
	latest.leave()
	if err := g.exit("0"); err != nil { // when all of them have, for they share its log
		t.Error(err)
	}
}

// alive reports whether there is a process that has not ended, or only its parent has
// not heard of it.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func within(ok func() bool) bool { return soon.Or(4*patience, ok) }

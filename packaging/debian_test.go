package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A house is a Debian with its systemd in a container of systemd-nspawn. Its network
// is its own loopback, and what is written on its disk is forgotten.
type house struct {
	t    *testing.T
	init string // the process that is number 1 inside
}

// groups are the commands that give a shell, in namespaces of its own, the control
// groups of version 2, whatever the machine has.
const groups = `
	set -e
	[ -e /sys/fs/cgroup/cgroup.procs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
	group=/sys/fs/cgroup/moip-test-$0
`

// open starts a house. The folder dist is /dist in it.
func open(t *testing.T, dist string) *house {
	t.Helper()
	disk, number := debian(t), strconv.Itoa(os.Getpid())
	nspawn := exec.Command("unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c", groups+`
		mkdir -p $group
		echo $$ >$group/cgroup.procs
		mkdir -p /run/systemd
		mount -t tmpfs tmpfs /run/systemd
		exec systemd-nspawn "$@"`, number,
		"--quiet", "--boot", "--directory="+disk, "--volatile=overlay", "--private-network", "--register=no",
		"--keep-unit", "--link-journal=no", "--console=pipe", "--bind-ro="+dist+":/dist")
	nspawn.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	var said bytes.Buffer
	nspawn.Stdout, nspawn.Stderr = &said, &said
	start(t, nspawn)
	t.Cleanup(func() {
		nspawn.Process.Kill() // and so all that is inside
		nspawn.Wait()
		// Its control groups are busy until the last process has gone.
		within(t, 30*time.Second, "the end of all processes", func() bool {
			return exec.Command("unshare", "--mount", "sh", "-c", groups+`find $group -depth -type d -exec rmdir {} +`, number).Run() == nil
		})
		if t.Failed() {
			t.Logf("the house says\n%s", &said)
		}
	})

	h := &house{t: t}
	within(t, time.Minute, "a process number 1", func() bool {
		h.init = first(nspawn.Process.Pid, 2) // unshare's, and nspawn's
		return h.init != ""
	})
	within(t, time.Minute, "a systemd that has started", func() bool {
		out, _ := h.enter("systemctl", "is-system-running").Output()
		state := strings.TrimSpace(string(out))
		return state == "running" || state == "degraded" // there is no network to be online
	})
	return h
}

// start starts a command that dies with the test, whatever ends that.
func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	runtime.LockOSThread() // whose death it would be
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
}

// first returns the process among those that a process has started, and they, that is
// number 1 in a namespace within so many others, or "".
func first(pid, depth int) string {
	name := strconv.Itoa(pid)
	status, _ := os.ReadFile("/proc/" + name + "/status")
	for line := range strings.Lines(string(status)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			if n := strings.Fields(numbers); len(n) == depth+1 && n[depth] == "1" {
				return name
			}
		}
	}
	children, _ := os.ReadFile("/proc/" + name + "/task/" + name + "/children")
	for child := range strings.FieldsSeq(string(children)) {
		if number, err := strconv.Atoi(child); err == nil {
			if found := first(number, depth); found != "" {
				return found
			}
		}
	}
	return ""
}

// enter returns a command to run inside.
func (h *house) enter(args ...string) *exec.Cmd {
	return exec.CommandContext(h.t.Context(), "nsenter", append([]string{"-t", h.init, "-a", "--"}, args...)...)
}

// sh runs a script inside, and returns what it prints.
func (h *house) sh(script string) string {
	h.t.Helper()
	c := h.enter("sh", "-ec", script)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	out, err := c.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// within waits until something is so.
func within(t *testing.T, limit time.Duration, what string, so func() bool) {
	t.Helper()
	for late := time.Now().Add(limit); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// debian returns a folder with a Debian of this machine's version, made from where
// this machine has its packages. It stays in the user's cache for the next time.
func debian(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("a Debian needs root to be made: sudo make test-package")
	}
	const with = "systemd,systemd-sysv,dbus,adduser"
	site, release := aptSource(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "moip", fmt.Sprintf("debian-%s-%s", release, strings.ReplaceAll(with, ",", "-")))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	making := folder + ".making"
	if err := os.RemoveAll(making); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(making, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "debootstrap", "--variant=minbase", "--include="+with, release, making, site).CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	if err := os.Rename(making, folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

// aptSource returns from where this machine has Debian, and which.
func aptSource(t *testing.T) (site, release string) {
	t.Helper()
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(CODENAME) $(SITE)", "Created-By: Packages").Output()
	if err != nil {
		t.Fatal(err)
	}
	about, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 4 && f[0] == "Debian" && f[1] == "main" && slices.Contains(strings.Split(string(about), "\n"), "VERSION_CODENAME="+f[2]) {
			return f[3], f[2]
		}
	}
	t.Fatalf("apt knows no Debian of this version:\n%s", out)
	return "", ""
}

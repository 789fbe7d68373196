package peer

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Usage is what a process and those that it forked have used so far.
type Usage struct {
	RSS, PSS float64 // KiB that are resident; in PSS, what n processes share counts as its n-th part, and their programs do not
	CPU      time.Duration
	Switches int // of context, of threads that still are
	Files    int // that are open
}

// Use says what is used. Of a process that ends meanwhile it says what it still can.
func (p *Process) Use() (u Usage) {
	for _, pid := range p.family() {
		dir := "/proc/" + strconv.Itoa(pid)
		smaps, _ := os.ReadFile(dir + "/smaps_rollup")
		u.RSS += field(smaps, "\nRss:")
		// Of programs, others may run too, and so change a share that is none of calls.
		u.PSS += field(smaps, "\nPss_Anon:") + field(smaps, "\nPss_Shmem:")
		u.CPU += spent(pid) + reaped(dir)
		threads, _ := filepath.Glob(dir + "/task/*/status")
		for _, thread := range threads {
			status, _ := os.ReadFile(thread)
			u.Switches += int(field(status, "\nvoluntary_ctxt_switches:") + field(status, "\nnonvoluntary_ctxt_switches:"))
		}
		files, _ := os.ReadDir(dir + "/fd")
		u.Files += len(files)
	}
	return u
}

// Own is what this process has spent of CPU.
func Own() time.Duration { return spent(os.Getpid()) }

// spent is what all threads of a process have spent of CPU, those included that are gone.
// Its clock counts nanoseconds, where /proc/PID/stat has only ticks; the kernel makes its
// number from that of the process (clock_getcpuclockid(3)).
func spent(pid int) time.Duration {
	const scheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// reaped is what children have spent that have ended (proc(5), cutime and cstime).
func reaped(dir string) time.Duration {
	words := stat(dir)
	if len(words) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(string(words[13]))
	system, _ := strconv.Atoi(string(words[14]))
	const tick = time.Second / 100
	return time.Duration(user+system) * tick
}

// family returns the processes in p's group.
func (p *Process) family() (pids []int) {
	if p.pid == 0 {
		return nil
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if group, err := syscall.Getpgid(pid); err == nil && group == p.pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat returns the fields of a process from the third on, its state (proc(5)). Before is
// the name of the program, in parentheses, which may have anything in it.
func stat(dir string) [][]byte {
	text, _ := os.ReadFile(dir + "/stat")
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
}

// field returns the number that follows name, 0 if there is none.
func field(text []byte, name string) float64 {
	_, rest, _ := bytes.Cut(text, []byte(name))
	if words := bytes.Fields(rest); len(words) > 0 {
		n, _ := strconv.ParseFloat(string(words[0]), 64)
		return n
	}
	return 0
}

package memory

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A group is the control group that bounds the memory of the process most.
type group struct {
	most        int64
	usage, stat string   // files
	caches      []string // lines of stat: what the kernel gives back when memory is wanting
}

// A hierarchy of control groups, as systemd and container engines mount it.
type hierarchy struct {
	controller, mount, most, usage string
	caches                         []string
}

var hierarchies = []hierarchy{
	// https://docs.kernel.org/admin-guide/cgroup-v2.html, "Memory Interface Files"
	{"", "sys/fs/cgroup", "memory.max", "memory.current", []string{"inactive_file", "slab_reclaimable"}},
	// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
	{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", []string{"total_inactive_file"}},
}

// unlimited is what version 1 says for no limit, or more: it has no word for it.
const unlimited = math.MaxInt64 / 2

// findGroup returns the group that bounds the process, among its own and those around it,
// nil if none does. The file system is at root.
func findGroup(root string) *group {
	lines, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	var tightest *group
	for line := range strings.Lines(string(lines)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // 0::/path, or 4:memory:/path (cgroups(7))
		if len(fields) != 3 {
			continue
		}
		for _, h := range hierarchies {
			if !contains(fields[1], h.controller) {
				continue
			}
			for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
				g := h.group(filepath.Join(root, h.mount, at))
				if g != nil && (tightest == nil || g.most < tightest.most) {
					tightest = g
				}
				if at == "/" {
					break
				}
			}
		}
	}
	return tightest
}

func contains(list, controller string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == controller {
			return true
		}
	}
	return false
}

// group returns the group of a folder, nil if that has no limit, or is not there.
func (h hierarchy) group(folder string) *group {
	most, err := number(filepath.Join(folder, h.most))
	if err != nil || most >= unlimited { // "max" is no number
		return nil
	}
	return &group{most: most, usage: filepath.Join(folder, h.usage), stat: filepath.Join(folder, "memory.stat"), caches: h.caches}
}

// used returns what all in the group take, without what the kernel would give back.
func (g *group) used() (int64, error) {
	used, err := number(g.usage)
	if err != nil {
		return 0, err
	}
	stat, err := os.ReadFile(g.stat)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(stat)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		for _, cache := range g.caches {
			if name == cache {
				n, _ := strconv.ParseInt(value, 10, 64)
				used -= n
			}
		}
	}
	return max(used, 0), nil
}

func number(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// machine returns how much memory the machine has, 0 if that is not to be found out.
func machine(root string) int64 {
	text, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

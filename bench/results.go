package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"moip/bench/peer"
	"moip/bench/result"
)

// machine says what is measured on, and with what.
func machine() result.Run {
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	_, model, _ := strings.Cut(string(cpu), "model name")
	model, _, _ = strings.Cut(strings.TrimLeft(model, "\t: "), "\n")
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	kernel, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	now := time.Now()
	run := result.Run{
		Date:     now.Format(time.DateOnly),
		Time:     now.Format(time.TimeOnly),
		Machine:  fmt.Sprintf("%d cores (%s), Linux %s", runtime.NumCPU(), model, kernel),
		Versions: map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")},
		Commit:   commit(),
	}
	for _, p := range peer.All {
		if p.Program == "" || p.Missing() != "" {
			continue
		}
		if version, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", p.Program).Output(); err == nil {
			run.Versions[p.Program] = string(version)
		}
	}
	return run
}

// commit is what is built, "" outside of a repository. What is told of earlier measurements
// makes no difference.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return ""
	}
	name := strings.TrimSpace(string(head))
	if exec.Command("git", "diff", "--quiet", "HEAD", "--", ".", ":!"+results, ":!doc").Run() != nil {
		name += " with changes"
	}
	return name
}

func sortedFigures(figures map[result.Figure]float64) []result.Figure {
	return slices.Sorted(maps.Keys(figures))
}

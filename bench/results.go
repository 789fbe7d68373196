package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"moip/bench/peer"
	"moip/bench/result"
)

// keep writes what was found of some scenarios to a file, in the place of what that had of
// them. What it has of others stays.
func keep(name string, scenarios []string, found []result.Measurement) error {
	had, err := kept(name)
	if err != nil {
		return err
	}
	had = slices.DeleteFunc(had, func(m result.Measurement) bool { return slices.Contains(scenarios, m.Scenario) })
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	if err := lines.Encode(machine()); err != nil {
		return err
	}
	for _, m := range slices.Concat(had, found) {
		if err := lines.Encode(m); err != nil {
			return err
		}
	}
	// Whole or not at all: it may have taken half an hour.
	fresh := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	if err := os.WriteFile(fresh, text.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, name)
}

// kept reads what a file has; nothing if there is none.
func kept(name string) (had []result.Measurement, err error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if n == 1 { // the machine
			continue
		}
		var m result.Measurement
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, fmt.Errorf("%s:%d: %w; take the file away to begin a new one", name, n, err)
		}
		had = append(had, m)
	}
	return had, nil
}

// machine says what is measured on, and with what.
func machine() result.Run {
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	_, model, _ := strings.Cut(string(cpu), "model name")
	model, _, _ = strings.Cut(strings.TrimLeft(model, "\t: "), "\n")
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	kernel, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	run := result.Run{
		Date:     time.Now().Format(time.DateOnly),
		Machine:  fmt.Sprintf("%d cores (%s), Linux %s", runtime.NumCPU(), model, kernel),
		Versions: map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")},
		Commit:   strings.TrimSpace(string(commit)),
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

func sortedFigures(figures map[result.Figure]float64) []result.Figure {
	return slices.Sorted(maps.Keys(figures))
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"moip/bench/result"
)

// run measures all peers in each round, one after the other: A B A B, so that what else the
// machine does hits all alike. One that fails is told of, and kept as having failed.
func (s scenario) run(ctx context.Context, moip string) (found []result.Measurement, err error) {
	began := time.Now()
	for round := range *rounds {
		specs, missing := s.specs(round+1, moip)
		if round == 0 {
			for _, what := range missing {
				log.Printf("%s: %s", s.name, what)
			}
		}
		some, err := s.round(ctx, specs)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	log.Printf("%s took %v", s.name, time.Since(began).Round(time.Second))
	return found, nil
}

// atOnce is how many peers are measured at once whose calls only stand there.
const atOnce = 16

func (s scenario) round(ctx context.Context, specs []spec) (found []result.Measurement, err error) {
	var (
		mu      sync.Mutex
		waiting sync.WaitGroup
		room    = make(chan struct{}, atOnce)
	)
	for _, one := range specs {
		room <- struct{}{}
		standing := make(chan struct{})
		waiting.Go(func() {
			defer func() { <-room }()
			some := one.run(ctx, standing)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, some...)
		})
		// Nobody else calls while these do.
		<-standing
		if !s.together {
			waiting.Wait()
		}
		if ctx.Err() != nil {
			break
		}
	}
	waiting.Wait()
	return found, context.Cause(ctx)
}

// tooLong is how long no measurement takes.
const tooLong = 4 * time.Minute

// run makes a measurement in a process of its own, which leaves nothing to the next, and has
// as many descriptors. It closes standing when others may have the machine.
func (s spec) run(ctx context.Context, standing chan<- struct{}) []result.Measurement {
	var once sync.Once
	stands := func() { once.Do(func() { close(standing) }) }
	defer stands()
	found, err := s.child(ctx, stands)
	if err != nil {
		failed := s.Measurement
		failed.Failed = err.Error()
		found = append(found, failed)
	}
	for _, m := range found {
		log.Print(line(m))
	}
	return found
}

func (s spec) child(ctx context.Context, stands func()) (found []result.Measurement, err error) {
	ctx, cancel := context.WithTimeout(ctx, tooLong)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-one", string(text))
	// It ends what it has started.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	found, err = understand(lines, stands)
	if ended := cmd.Wait(); ended != nil {
		return found, fmt.Errorf("%w: %s", ended, bytes.TrimSpace(said.Bytes()))
	}
	return found, err
}

// stood is what a process says whose calls stand, and which from then on only waits.
const stood = "standing"

// understand reads what a process says that measures: lines of JSON.
func understand(r io.Reader, stands func()) (found []result.Measurement, err error) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if lines.Text() == stood {
			stands()
			continue
		}
		var m result.Measurement
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return found, fmt.Errorf("said %q: %w", lines.Text(), err)
		}
		found = append(found, m)
	}
	if len(found) == 0 {
		return nil, errors.New("found nothing")
	}
	return found, nil
}

// line shows a measurement.
func line(m result.Measurement) string {
	text := fmt.Sprintf("%-10s %d  %-13s %-10s", m.Scenario, m.Round, m.Peer, m.Path)
	if m.Failed != "" {
		return text + " failed: " + m.Failed
	}
	var figures []string
	for _, f := range sortedFigures(m.Figures) {
		figures = append(figures, fmt.Sprintf("%s %.4g", f, m.Figures[f]))
	}
	return fmt.Sprintf("%s %5d calls: %s", text, m.Calls, strings.Join(figures, ", "))
}

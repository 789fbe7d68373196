package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"moip/internal/control/cluster/ship"
	"moip/internal/history"
	"moip/internal/session"
)

// records has one gateway bring the records of its calls to a stream.
func records(ctx context.Context, h *hub) error {
	log := slog.New(slog.DiscardHandler)
	kept, err := history.Open(filepath.Join(h.nats.dir, "history.db"), history.Options{Ship: true, Node: "g0", Log: log})
	if err != nil {
		return err
	}
	defer kept.Close()
	for call := range *calls {
		end(kept, session.ID(call+1))
		if call%1000 == 999 { // or more would wait for the disk than may
			time.Sleep(400 * time.Millisecond)
		}
	}
	shipper := ship.New(ship.Options{Conn: h.all[0].bus.Conn(), Prefix: "bench", Stream: "BENCH", History: kept, Log: log})
	if err := waiting(ctx, shipper, *calls); err != nil {
		return err
	}
	was := h.cost()
	ctx, stop := context.WithCancel(ctx)
	var shipping sync.WaitGroup
	defer shipping.Wait()
	defer stop()
	shipping.Go(func() { shipper.Run(ctx) })
	if err := waiting(ctx, shipper, 0); err != nil {
		return err
	}
	took, each := time.Since(was.at), h.each(float64(*calls), was)
	if s := shipper.State(ctx); s.Shipped != uint64(*calls) {
		return fmt.Errorf("%d of %d arrived: %w", s.Shipped, *calls, s.Fault)
	}
	say("records", "%d, all acknowledged, %.0f a second, each: %s", *calls, float64(*calls)/took.Seconds(), each)
	return nil
}

// end has a call of ten minutes and one visit kept.
func end(kept *history.History, call session.ID) {
	began := time.Now().Add(-10 * time.Minute)
	who := session.Caller{Addr: netip.MustParseAddrPort("192.0.2.1:49152"), Transport: "ws"}
	route := session.Route{Name: "ANNUAIRE"}
	for _, e := range []session.Event{
		{Type: session.Began, At: began},
		{Type: session.Redirected, At: began.Add(time.Minute), Route: route},
		{Type: session.Returned, At: began.Add(5 * time.Minute), Route: route, Reason: session.ReasonFin},
		{Type: session.Ended, At: began.Add(10 * time.Minute), Reason: session.ReasonGone},
	} {
		e.Call, e.Caller, e.Began, e.In, e.Out = call, who, began, 120, 34_560
		kept.Note(e)
	}
}

// waiting waits until so many records wait.
func waiting(ctx context.Context, s *ship.Shipper, n int) error {
	for late := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		switch state := s.State(ctx); {
		case state.Waiting == n:
			return nil
		case state.Missed > 0:
			return errors.New("records are missed")
		case time.Now().After(late):
			return fmt.Errorf("%d records wait, not %d: %w", state.Waiting, n, state.Fault)
		}
	}
}

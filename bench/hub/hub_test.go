package main

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Thirty gateways find each other over a real NATS, miss nothing, and see who is gone.
func TestHub(t *testing.T) {
	*gateways, *events, *commands, *calls, *length = 30, 20, 300, 1000, time.Second
	if err := run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

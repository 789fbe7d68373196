package bus_test

import (
	"errors"
	"testing"

	"moip/internal/bus"
	"moip/internal/bus/bustest"
)

func TestExchangeConforms(t *testing.T) {
	bustest.Conform(t, func(t *testing.T) bustest.Net {
		var x bus.Exchange
		var first *bus.Place
		return bustest.Net{
			Join: func(*testing.T) bus.Bus {
				p := x.Join()
				if first == nil {
					first = p
				}
				return p
			},
			Cut:  func() { first.Cut(errors.New("cut")) },
			Heal: func() { first.Cut(nil) },
		}
	})
}

// Package tariff knows what a visit costs: the paliers of Télétel, which were
// its price groups, and others like them.
package tariff

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Tariff says what a visit to a service costs. The zero Tariff is free. No
// part of one is negative.
type Tariff struct {
	Palier     string        // as people know it, "36 15"; may be empty
	Connection Money         // charged once
	Minute     Money         // charged by the second
	Free       time.Duration // who leaves within it pays nothing; its seconds are never charged
	Currency   string        // as people write it, "EUR"; the franc if empty
}

// The paliers, in francs with taxes, at the end of the nineties. Prices moved
// within a palier, with the years and with what the service asked: a minute of
// 36 15 could be 1.01, 1.29 or 2.23, one of 36 17 was up to 5.57.
var paliers = []Tariff{
	{Palier: "36 11", Minute: 3700, Free: 3 * time.Minute, Currency: Franc}, // the telephone directory
	{Palier: "36 13", Currency: Franc},                                      // the service pays
	{Palier: "36 14", Minute: 3700, Currency: Franc},
	{Palier: "36 15", Minute: 12900, Currency: Franc},
	{Palier: "36 16", Minute: 12900, Currency: Franc},
	{Palier: "36 17", Minute: 22300, Currency: Franc},
}

// Paliers returns the paliers in the order of their numbers.
func Paliers() []Tariff { return slices.Clone(paliers) }

// Palier returns the palier of that name. Blanks do not matter: "3615" is
// "36 15".
func Palier(name string) (Tariff, bool) {
	for _, t := range paliers {
		if squeeze(t.Palier) == squeeze(name) {
			return t, true
		}
	}
	return Tariff{}, false
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// Seconds returns how many seconds of a visit of d are charged: the whole ones
// beyond those that are free.
func (t Tariff) Seconds(d time.Duration) int64 {
	return int64(max(d-t.Free, 0) / time.Second)
}

// Cost returns what a visit of d costs so far, in whole hundredths of the unit:
// less is not charged, so that the amounts on a receipt add up. It never
// decreases as d grows. No duration is too long for prices of up to 1000.
func (t Tariff) Cost(d time.Duration) Money {
	if d < t.Free {
		return 0
	}
	cost := t.Connection + t.Minute*Money(t.Seconds(d))/60
	return cost - cost%hundredth
}

// IsFree reports whether nothing is ever charged.
func (t Tariff) IsFree() bool { return t.Connection == 0 && t.Minute == 0 }

// String returns the prices in French: "gratuit", "0,12 F + 0,74 F/min",
// "gratuit 3 min, 0,37 F/min". Those of the paliers take 25 columns at most.
func (t Tariff) String() string {
	if t.IsFree() {
		return "gratuit"
	}
	connection, minute := t.Connection.exactly(t.Currency), t.Minute.exactly(t.Currency)+"/min"
	price := connection + " + " + minute
	switch {
	case t.Minute == 0:
		price = connection + " la connexion"
	case t.Connection == 0:
		price = minute
	}
	if t.Free < time.Second {
		return price
	}
	return "gratuit " + span(t.Free) + ", " + price
}

// span returns d in minutes and seconds.
func span(d time.Duration) string {
	m, s := d/time.Minute, d%time.Minute/time.Second
	switch {
	case m == 0:
		return fmt.Sprintf("%d s", s)
	case s == 0:
		return fmt.Sprintf("%d min", m)
	}
	return fmt.Sprintf("%d min %d s", m, s)
}

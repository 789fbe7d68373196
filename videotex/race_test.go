//go:build race

package videotex

const raceEnabled = true

//go:build !race

package videotex

const raceEnabled = false

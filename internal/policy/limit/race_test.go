//go:build race

package limit

// households is how many crowd a gateway. The race detector makes each cost fifty times as
// much; these are more than are remembered.
const households = 100_000

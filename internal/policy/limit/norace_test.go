//go:build !race

package limit

// households is how many crowd a gateway.
const households = 1_000_000

package limit

const (
	spare    = 64      // descriptors for listeners, operators, files and the link
	manyCall = 100_000 // calls at a time, where descriptors allow more
	manyHere = 4096    // connections that are no calls yet, likewise
)

// Fitting returns how many calls at a time, and connections that are no calls yet, a number
// of descriptors is enough for, with each so many for a call; descriptors of 0 are no limit.
// There may be 0 calls; of connections there is 1 at the least.
func Fitting(descriptors, each int) (calls, arriving int) {
	if descriptors == 0 {
		return manyCall, manyHere
	}
	rest := descriptors - spare
	arriving = min(max(rest/8, 1), manyHere)
	return min(max((rest-arriving)/each, 0), manyCall), arriving
}

//go:build !unix

package downstream

// peekNow sees nothing: here who speaks another protocol is found out when the call reads.
func peekNow(uintptr, []byte) (n int, done bool) { return 0, true }

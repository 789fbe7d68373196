//go:build !unix

package limit

// Descriptors returns how many files the process may have open, 0 for no limit.
func Descriptors() int { return 0 }

func lowest() (n int, ok bool) { return 0, true }

//go:build !unix

package doctor

// descriptors returns how many files a gateway may have open, 0 for no limit.
func descriptors() int { return 0 }

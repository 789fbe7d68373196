package limit

// Descriptors are kept of which callers get none, and of these half of which services get
// none either: for operators, files and the link.
const keptFiles = 32

// FilesForCalls and FilesForServices report whether a caller, or a service for one, may
// have another descriptor. They ask the system, which takes a microsecond.
func FilesForCalls() bool    { return filesBut(keptFiles) }
func FilesForServices() bool { return filesBut(keptFiles / 2) }

// filesBut reports whether the next file will not be one of the last so many; of few, it is
// a quarter that is kept at the most.
func filesBut(kept int) bool {
	most := Descriptors()
	if most == 0 {
		return true
	}
	next, ok := lowest()
	return ok && next < most-min(kept, most/4)
}

package admin

import "moip/internal/session"

// Describe returns a call as operators are told of it.
func Describe(i session.Info) Call { return describe(i) }

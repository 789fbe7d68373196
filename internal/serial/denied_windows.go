package serial

// Denied returns what keeps the user from opening the port at path, "" if nothing
// does. Windows does not say so before.
func Denied(string) string { return "" }

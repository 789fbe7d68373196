package videotex

// makers and models name what a terminal says of itself (ENQROM).
var makers = map[byte]string{
	'A': "Matra", 'B': "Philips", 'C': "Telic-Alcatel", 'D': "Thomson", 'E': "CCS", 'F': "Fiet",
	'G': "Fime", 'H': "Unitel", 'I': "Option", 'J': "Bull", 'K': "Télématique", 'L': "Desmet",
}

var models = map[byte]string{
	'b': "Minitel 1", 'c': "Minitel 1", 'd': "Minitel 10", 'e': "Minitel 1 couleur", 'f': "Minitel 10",
	'g': "émulateur", 'j': "imprimante", 'p': "Magis Club", 'r': "Minitel 1", 's': "Minitel 1 couleur",
	't': "Terminatel 252", 'u': "Minitel 1B", 'v': "Minitel 2", 'w': "Minitel 10B", 'y': "Minitel 5", 'z': "Minitel 12",
}

// socketSpeeds are the highest of the sockets of those models that have more than
// 1200 bit/s.
var socketSpeeds = map[byte]int{'g': 9600, 'p': 9600, 'u': 4800, 'v': 9600, 'w': 4800, 'y': 9600, 'z': 9600}

// TerminalSpeed returns the highest speed in bit/s of the socket of the terminal that
// identified itself as maker, type and version, 0 if the type is not known.
func TerminalSpeed(id [3]byte) int {
	if models[id[1]] == "" {
		return 0
	}
	return max(socketSpeeds[id[1]], 1200)
}

// TerminalName returns the French name of the terminal that identified itself
// as maker, type and version, such as "Minitel 1B Telic-Alcatel". It is empty
// if neither maker nor type is known.
func TerminalName(id [3]byte) string {
	maker, model := makers[id[0]], models[id[1]]
	switch {
	case model == "":
		return maker
	case maker == "":
		return model
	}
	return model + " " + maker
}

package session

import (
	"bytes"

	"moip/videotex"
)

// What the caller reads on row 00, in French, in 33 columns: the badge of whoever is
// recorded follows, and then what is the terminal's (1-3-2-4-4).

// returned tells why a visit ended. A caller who pressed Connexion/Fin knows.
var returned = map[Reason]string{
	ReasonRecalled:  "Retour au portail",
	ReasonClosed:    "Le service a raccroché",
	ReasonLost:      "Liaison avec le service rompue",
	ReasonRefused:   "Ce service est inaccessible",
	ReasonTimeout:   "Ce service ne répond pas",
	ReasonForbidden: "Ce service n'est pas autorisé",
	ReasonStalled:   "Ce service n'écoute plus",
	ReasonVisit:     "Durée de consultation dépassée",
}

// farewell tells why the call ended. A portal that hangs up has its reasons, and
// tells them itself; but on Connexion/Fin some close without a word.
var farewell = map[Reason]string{
	ReasonFin:      "Au revoir",
	ReasonRecalled: "Fin de la communication",
	ReasonStalled:  "Fin : le portail ne répond plus",
	ReasonIdle:     "Fin : plus aucune touche reçue",
	ReasonTotal:    "Fin : durée maximale atteinte",
	ReasonNoPortal: "Fin : service indisponible",
	ReasonBanned:   "Fin : accès refusé",
	ReasonShutdown: "Fin : arrêt du système",
}

// waitingPage is what a caller sees while the portal is away.
var waitingPage = videotex.Page{}.Clear().
	At(7, 4).Text("Service momentanément indisponible").
	At(10, 4).Text("Votre appel reste en attente.").
	At(11, 4).Text("Il sera établi dès que possible.").
	At(15, 4).Text("Essayer maintenant  ").Attr(videotex.Inverse).Text(" Envoi ").
	At(17, 4).Text("Raccrocher  ").Attr(videotex.Inverse).Text(" Connexion/Fin ")

func hasEnvoi(keys []byte) bool {
	return bytes.Contains(keys, []byte{videotex.SEP, videotex.Envoi})
}

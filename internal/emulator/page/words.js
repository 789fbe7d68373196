// What the user is told: of the call, and what is on the screen.

import { G0, G2, RIGHT, character } from './cell.js';
import { Screen } from './screen.js';

/** Reasons. @type {Record<string, string>} */
const reasons = {
	idle: 'vous n’avez rien tapé depuis longtemps', total: 'la durée d’un appel est écoulée',
	noportal: 'le portail est indisponible', slow: 'la liaison est trop lente', silent: 'la liaison ne répond plus',
	lost: 'la liaison est coupée', refused: 'service inaccessible', timeout: 'pas de réponse',
	stalled: 'vos touches ne sont plus lues', visit: 'la durée de la visite est écoulée', forbidden: 'service interdit',
};

/** How the call stands. @param {import('./minitel.js').Minitel} minitel */
export function told({ line, news, reached, wait }) {
	const { event, service, reason = '' } = news ?? {}, because = reasons[reason] ? `\xA0: ${reasons[reason]}` : '';
	if (line.state === 'calling') return 'Appel en cours…';
	if (line.state === 'broken') return `${reached ? 'Liaison coupée' : 'La passerelle ne répond pas'}. Nouvel appel dans ${wait}\xA0s.`;
	if (line.state === 'ended') return `${line.title ? 'Lecture terminée' : 'Appel terminé'}${because}. Connexion/Fin pour rappeler.`;
	if (line.title) return `Lecture de ${line.title}. Une touche l’arrête.`;
	switch (event) {
		case 'redirecting': return `Appel de ${service}…`;
		case 'redirected': return `En ligne avec ${service}. Connexion/Fin ramène au portail.`;
		case 'waiting': return 'Le portail est indisponible. L’appel attend.';
		case 'ended': return 'L’appel se termine.';
	}
	return `${service ? `Retour de ${service}${because}. ` : ''}En ligne avec le portail.`;
}

/** What is on the screen in words, row by row: no pictures, no gaps, large characters side by side. */
export const spoken = (screen = new Screen()) => screen.cells.map((_, row) => screen.row(row)
	.slice(0, row ? 80 : 36) // what is beyond, the state says
	.filter(({ attr }) => !(attr & RIGHT))
	.map(c => (c.set === G0 || c.set === G2) && !screen.hides(c) ? character(c) : ' ')
	.join('').replace(/[\s_─▏▕▔█]+/g, ' ').trim());

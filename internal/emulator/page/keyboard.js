// The keyboard: what the Minitel's keys and those of a PC send.

import { g2, shifts } from './cell.js';
import { TELEINFORMATIQUE, VIDEOTEX } from './parser.js';
import { Screen } from './screen.js';


/** Function keys: what follows SEP, or is sent in Téléinformatique, where they are on a PC, and what is said of that. */
const key = (name = '', code = '', tele = '', at = '', crib = at) => ({ name, code, tele, at: at.split(' '), crib });
export const connexionFin = key('Connexion/Fin', 'I', ')4\r', 'F9'), envoi = key('Envoi', 'A', 'OM', 'F8 Enter', 'F8 Entrée');
export const functionKeys = [
	key('Sommaire', 'F', 'OP', 'F2 Home', 'F2 Début'), key('Annulation', 'E', 'OQ', 'F3 Delete', 'F3 Suppr'),
	key('Retour', 'B', 'OR', 'F6 PageUp', 'F6 Pg ↑'), key('Répétition', 'C', 'OS', 'F5'),
	key('Guide', 'D', 'Om', 'F1'), key('Correction', 'G', 'Ol', 'F4 Backspace', 'F4 ⟵'),
	key('Suite', 'H', 'On', 'F7 PageDown', 'F7 Pg ↓'), envoi, connexionFin,
];

/** Keys that are characters, by rows of ten. */
export const characterKeys = "1234567890AZERTYUIOPQSDFGHJKLMWXCVBN'.,?*#:;-/!()@";

/** The arrows: as they are sent, and as control characters. @type {Record<string, string>} */
const arrows = { ArrowUp: 'A\v', ArrowDown: 'B\n', ArrowRight: 'C\t', ArrowLeft: 'D\b' };

/** Keys that are themselves in Téléinformatique; not with Shift, for Tab to leave. @type {Record<string, string>} */
const plain = { Enter: '\r', Backspace: '\b', Tab: '\t', Escape: '\x1B' };

/** What comes nearest to a sign that is not in the sets. @type {Record<string, string>} */
const nearest = { '↑': '\x19-', '’': "'", '‘': "'", '«': '"', '»': '"', '“': '"', '”': '"', '–': '-', '—': '-', '…': '...', '€': 'EUR' };

/** What a function key sends. */
export const sentBy = (key = connexionFin, screen = new Screen()) =>
	screen.mode === TELEINFORMATIQUE ? '\x1B' + key.tele : '\x13' + key.code;

/** What is sent for text, as videotex.Encode has it. Characters that no key sends are left out. */
export const typed = (text = '') => [...text].map(c => {
	const shift = shifts[g2.indexOf(c)];
	return shift ? '\x19' + shift : nearest[c] ?? c.normalize('NFD').replace(/[^ -~]/g, '');
}).join('');

/**
 * What a key of a PC is: a function key, or text to be sent, or none of the
 * Minitel's. Letters are capitals, and small with Shift, unless small is asked for.
 */
export function pressed(e = new KeyboardEvent(''), screen = new Screen(), small = false) {
	const { key } = e, tele = screen.mode === TELEINFORMATIQUE;
	// Alt with a sign is how a Mac's keyboard has it.
	if ((e.ctrlKey || e.metaKey || e.altKey && /^\w+$/.test(key)) && !e.getModifierState('AltGraph')) return '';
	if ([...key].length === 1) {
		return typed(small || !/^[a-z]$/i.test(key) ? key : e.shiftKey ? key.toLowerCase() : key.toUpperCase());
	}
	if (arrows[key]) {
		if (screen.mode === VIDEOTEX && !screen.keyboard.extended) return '';
		return screen.keyboard.c0 ? arrows[key][1] : '\x1B[' + arrows[key][0];
	}
	return (tele && !e.shiftKey && plain[key]) || (functionKeys.find(f => f.at.includes(key)) ?? '');
}

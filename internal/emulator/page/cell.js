/** Sets: text, its accents and signs, mosaics, two redefinable ones, and the space that starts a zone. */
export const G0 = 0, G2 = 1, G1 = 2, DRCS0 = 3, DRCS1 = 4, DELIMITER = 5;

/** Attributes. Half a large character is the left one unless RIGHT, the upper one unless BOTTOM. */
export const FLASHING = 1, INVERTED = 2, MASKED = 4, LINED = 8, SEPARATED = 16, WIDE = 32, TALL = 64, RIGHT = 128,
	BOTTOM = 256, BOLD = 512;

/** What a place of the screen shows. Cells are shared, and never changed. */
export const cell = (set = G0, code = 0x20, ink = 7, paper = 0, attr = 0) => ({ set, code, ink, paper, attr });
export const BLANK = cell(G1, 0), SPACE = cell();
/** @typedef {typeof BLANK} Cell */

export const chars = String.fromCharCode;

// What is after c in pairs, or c itself.
export const other = (pairs = '', c = '') => pairs[pairs.indexOf(c) + 1 || 99] ?? c;

/** What follows SS2 for each of G2, which is in the order of the display circuit; some have nothing. */
export const shifts = " ' Hu # Ca  Ha Ho Au { j  , Ci . / 0 1 Be He Hi Kc Cu Aa 8 Ae z Ce < = > Co".split(' ');
export const g2 = '~§ü£â}äöùßŒ{←î→↓°±éëïçûà÷èœê¼½¾ô', g0 = '^↑`─{▏}▕~▔\x7F█', older = '\x15▌*▐?█\0 ';

/** The character closest to what a cell shows. */
export function character({ set, code } = SPACE) {
	const c = chars(code), had = other(older, c);
	if (set === G0) return other(g0, c);
	if (set === G1) return had !== c ? had : String.fromCodePoint(0x1FAFF + code - +(code > 0x15) - +(code > 0x2A));
	return set === G2 ? g2[code] : set === DELIMITER ? ' ' : '▒';
}

// What the tests ask of the decoder.
import * as cell from '../page/cell.js';
import { pageOf } from '../page/page.js';
import { recorded } from '../page/recording.js';
import { Screen } from '../page/screen.js';

/** @typedef {import('../page/cell.js').Cell} Cell */
/**
 * A stream, one character for each byte, and the lengths it is written in.
 * @typedef {{stream: string, chunks?: number[], identity?: number[], letter?: string}} Case
 */

const bytes = (/** @type {string} */ s) => Uint8Array.from(s, c => c.charCodeAt(0));
const hex = (/** @type {string} */ s) => Array.from(bytes(s), b => b.toString(16).padStart(2, '0')).join('');

/** The screen after a stream. @param {Case} c */
function screenOf({ stream, chunks = [], identity, letter }) {
	const screen = new Screen(), p = bytes(stream);
	if (identity) screen.identity = String.fromCharCode(...identity);
	let at = 0;
	for (const n of chunks) {
		screen.write(p.subarray(at, at + n));
		at += n;
	}
	screen.write(p.subarray(at));
	screen.letter = letter ?? '';
	return screen;
}

const names = ['G0', 'G0', 'G1', 'D0', 'D1', 'DELIM'];

/** @param {number} attr */
function part(attr) {
	if (!(attr & (cell.WIDE | cell.TALL | cell.RIGHT))) return '-';
	const row = attr & cell.TALL ? attr & cell.BOTTOM ? 'b' : 't' : 's';
	return row + (attr & cell.RIGHT ? 'r' : attr & cell.WIDE ? 'l' : 's');
}

/** @param {Cell} c */
function dumpCell(c) {
	const bit = (/** @type {number} */ a) => c.attr & a ? 1 : 0;
	return {
		set: names[c.set], idx: c.code, ch: c.set <= cell.G2 ? cell.character(c) : '', sep: bit(cell.SEPARATED),
		fg: c.ink, bg: c.paper, flash: bit(cell.FLASHING), inv: bit(cell.INVERTED), mask: bit(cell.MASKED), under: bit(cell.LINED),
		...(bit(cell.BOLD) ? { bold: 1 } : {}), part: part(c.attr),
	};
}

/** The screen after a stream, as videotex.Screen.JSON tells it. @param {Case} c */
export function dump(c) {
	const screen = screenOf(c), { row, column, on } = screen.cursor;
	return JSON.stringify({
		cols: screen.columns, cursor: [row, column], cursor_on: on, mask_enabled: !screen.revealed,
		rows: Array.from({ length: 25 }, (_, row) => screen.row(row).map(dumpCell)), replies: hex(screen.takeReplies()),
	});
}

/** All that shows, but for the text, and what redefined characters look like. @param {Screen} screen */
function view(screen) {
	const { row, column, on } = screen.cursor, all = [screen.columns, row, column, +on, +screen.revealed];
	for (let row = 0; row < 25; row++) {
		for (const c of screen.row(row)) all.push(c.set, c.code, c.ink, c.paper, c.attr);
	}
	for (const set of [cell.DRCS0, cell.DRCS1]) {
		for (let code = 0x21; code < 0x7F; code++) all.push(...screen.glyph(set, code));
	}
	return all;
}

/**
 * Whether a screen has more halves of large characters, torn from the others,
 * than pageOf can leave there. A half is left by writing the whole and then
 * something else over the other half, above or on the right. In row 24 and
 * column 40 there is no room for the whole but over what is above or on the left,
 * which is written after it; if that is torn itself, or comes again over its
 * right neighbour, one of the two is lost.
 * @param {Screen} screen
 */
function torn({ cells, columns }) {
	const lone = (/** @type {Cell} */ c, /** @type {Cell} */ other, /** @type {number} */ attr) =>
		(c.attr & attr) > 0 && Object.values(c).join() !== Object.values(other).join();
	return columns === 40 && (
		cells[24].some((c, x) => lone(c, cells[23][x], cell.TALL) && (cells[23][x].attr & cell.TALL || x > 0 && cells[24][x - 1].attr & cell.WIDE)) ||
		cells.some(line => lone(line[39], line[38], cell.WIDE) && line[38].attr & cell.WIDE));
}

/** FNV-1a, of 32 bits, of any numbers. @param {Iterable<number>} numbers */
function hash(numbers) {
	let h = 0x811C9DC5;
	for (const n of numbers) h = Math.imul(h ^ n, 0x01000193);
	return h >>> 0;
}

/** @param {string} s */
const codes = s => Array.from(s, c => c.codePointAt(0) ?? 0);

/** @param {Case[]} cases */
export const hashes = cases => cases.map(c => hash(codes(dump(c))));

/**
 * What the decoder makes of streams, in brief.
 * @param {Case[]} cases
 */
export const digests = cases => cases.map(c => {
	const screen = screenOf(c), page = pageOf(screen);
	return { view: hash(view(screen)), text: hash(codes(`${screen}`)), replies: hex(screen.takeReplies()), page, torn: !!torn(screen) };
});

/**
 * What is not in the cells.
 * @param {Case[]} cases
 */
export const news = cases => cases.map(c => {
	const { bells, keyboard } = screenOf(c);
	return { bells, ...keyboard };
});

/** What a recording tells, each part after its time in ms. @param {string} text */
export function recording(text) {
	try {
		return 'recording' + recorded(text).map(([at, data]) => ` ${Math.round(at)} ${hex(data)}`).join('');
	} catch {
		return 'none';
	}
}

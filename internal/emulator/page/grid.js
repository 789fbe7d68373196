import { BLANK, BOLD, DELIMITER, DRCS0, DRCS1, FLASHING, G0, G1, G2, INVERTED, LINED, MASKED, SEPARATED, SPACE, TALL, WIDE,
	cell, shifts } from './cell.js';
import { Parser } from './parser.js';

/** Marks what SS2 brought: it is text, also when REP shows it among mosaics. */
const SINGLE = 0x80;

const shifted = new Map([[' ', 0x20], ['$', 0x24], ['&', 0x23], ['-', 0x5E], ['\x7F', 0x7F]]);
for (const [code, q] of shifts.entries()) shifted.set(q, code);

const national = (/** @type {Record<string, number>} */ changes) =>
	Array.from({ length: 128 }, (_, code) => changes[String.fromCharCode(code)] ?? code);

/** The sets of 80 columns, American and French: for each code one of G0 or, if it is less than 20, of G2. */
export const nationals = [national({ '`': 0x27, '{': 0x0B, '}': 5, '~': 0 }), national({
	'#': 3, '@': 0x17, '[': 0x10, '\\': 0x15, ']': 1, '`': 0x27, '{': 0x12, '|': 8, '}': 0x19, '~': 0x22 })];

/** The attributes there, by the parameters of CSI m that set and end them. */
export const renditions = [[1, 22, BOLD], [4, 24, LINED], [5, 25, FLASHING], [7, 27, INVERTED]];

/** Where and how the next character is shown, as videotex.pen. */
export const home = () => ({ row: 1, column: 1, ink: 7, paper: 0, attr: 0, zone: false, masks: false, french: false });

const line = (c = BLANK) => Array(80).fill(c);
const { max, min } = Math;

/** The cells, as the display circuit holds them, and what draws, moves and erases. */
export class Grid {
	cells = Array.from({ length: 25 }, () => line(SPACE));
	columns = 40;
	pen = home();
	parser = new Parser();
	roll = false;
	insert = false;
	/** Whether G'0 stands for G0, G'1 for G1, and masked characters show. */
	chosen = [false, false, false];
	#last = 0; // the character for REP

	/** The character that REP repeats, if it is of G0 or a mosaic. */
	get last() { return String.fromCharCode(this.#last & 0x7F).replace(/[^ -\x7F]/, ''); }

	#redefined(which = 0, c = 0x21) { return this.chosen[which] && this.pen.row > 0 && c > 0x20 && c < 0x7F; }

	/** Shows a character, with or without SINGLE: if it is less than 20, of the set G2. */
	show(code = 0) {
		const p = this.pen, c = code & 0x7F, size = p.attr & (WIDE | TALL), attr = size | p.attr & (FLASHING | INVERTED);
		const zone = c === 0x20 && p.zone, mosaic = c === code && c > 0x1F && this.parser.mosaics;
		this.#last = code;
		if (mosaic) p.zone = p.masks;
		else if (zone) p.zone = p.masks = false;
		this.#draw(mosaic ? this.#mosaic(c)
			: zone ? cell(DELIMITER, 0, attr & INVERTED ? p.ink : p.paper, p.paper, size | INVERTED | p.attr & (MASKED | LINED))
			: cell(c < 0x20 ? G2 : this.#redefined(0, c) ? DRCS0 : G0, c, p.ink, 0, attr));
	}

	#mosaic(c = 0) {
		const p = this.pen, drcs = this.#redefined(1, c);
		return cell(drcs ? DRCS1 : G1, drcs ? c : c & 0x1F | c >> 1 & 0x20, p.ink, p.paper,
			p.attr & FLASHING | (p.attr & LINED && !drcs ? SEPARATED : 0));
	}

	#draw({ ...c } = SPACE) {
		const p = this.pen, x = p.column - 1;
		if (p.row < 2 && c.attr & TALL) c.attr &= ~(TALL | WIDE); // no room above; VT brought it here
		if (p.column === this.columns) c.attr &= ~WIDE;
		const end = x + (c.attr & WIDE ? 2 : 1), tall = c.attr & TALL;
		if (this.insert && p.row) this.#shift(end - x);
		if (c.set === DELIMITER) c.attr &= ~(TALL | WIDE); // it has one size
		for (const row of tall ? [p.row, p.row - 1] : [p.row]) this.cells[row].fill(c, x, end);
		this.advance(end - x);
	}

	/** CAN: spaces up to the end of the row, none of which starts a zone. */
	fill() {
		const p = this.pen, space = cell(G0, 0x20, p.ink, 0, p.attr & (FLASHING | INVERTED));
		this.cells[p.row].fill(this.parser.mosaics ? this.#mosaic(0x20) : space, p.column - 1, this.columns);
	}

	repeat(n = 0x40) {
		if (this.#last) for (; n > 0x40; n--) this.show(this.#last);
	}

	/** SS2 and what follows it, if anything does. */
	single(q = '') {
		const code = shifted.get(q), accented = q.length > 1;
		if (code !== undefined && !(accented && this.#redefined())) this.show(SINGLE | code);
		else if (q) this.show(SINGLE | (accented ? q : '__').charCodeAt(1)); // no such accent on that letter
	}

	/** Shows characters in 80 columns, not beyond the last. */
	print(chars = '') {
		const p = this.pen;
		for (const c of chars) {
			const code = nationals[+p.french][c.charCodeAt(0)];
			if (this.insert) this.#shift();
			this.cells[p.row][p.column - 1] = cell(code < 0x20 ? G2 : G0, code, 7, 0, p.attr);
			p.column = min(p.column + 1, 80);
		}
	}

	/** ESC and what follows it: an attribute, most often. */
	escape(q = '') {
		const p = this.pen, c = q.charCodeAt(0), { mosaics } = this.parser, turned = 'HIX_ZY]\\'.indexOf(q);
		const attr = [FLASHING, MASKED, LINED, INVERTED][turned >> 1] ?? 0;
		const chosen = ['( B', '(@', ') C', ')c', '# _', '# X'].indexOf(q);
		if (chosen >= 0) this.chosen[chosen >> 1] = !(chosen & 1);
		if (/^[@-G]/.test(q)) p.ink = c & 7;
		if (/^[P-W]/.test(q)) [p.paper, p.zone] = [c & 7, true];
		// On rows 00 and 01 a character cannot grow upwards.
		if (/^[L-O]/.test(q) && !mosaics && (p.row > 1 || !(c & 1))) {
			p.attr = p.attr & ~(TALL | WIDE) | [0, TALL, WIDE, TALL | WIDE][c & 3];
		}
		if (!mosaics || q !== ']') p.attr = turned & 1 ? p.attr & ~attr : p.attr | attr;
		p.masks ||= attr === MASKED;
		p.zone ||= attr === MASKED || attr === LINED && !mosaics;
		if (q[0] === '[') this.control(q);
	}

	advance(columns = 1) {
		const p = this.pen;
		p.column += columns;
		if (p.column <= this.columns) return;
		p.column = p.row ? 1 : this.columns;
		if (p.row) this.down(p.attr & TALL ? 2 : 1);
	}

	back() {
		const p = this.pen;
		if (--p.column) return;
		p.column = p.row ? this.columns : 1;
		if (p.row) this.up();
	}

	/** Moves down, from the end of the page to its top unless it scrolls. */
	down(rows = 1) {
		const p = this.pen, over = p.row + rows - 24;
		p.row += rows;
		if (over <= 0) return;
		if (this.roll) this.#remove(1, over);
		p.row = this.roll ? 24 : rows;
	}

	up() {
		const p = this.pen;
		if (--p.row) return;
		if (this.roll) this.#add(1);
		p.row = this.roll ? 1 : 24;
	}

	erase(first = 1, last = 24) {
		for (let row = first; row <= last; row++) this.cells[row] = line();
	}

	#add(row = 1, n = 1) {
		while (n--) this.cells.splice(row, 0, line());
		this.cells.length = 25;
	}

	#remove(row = 1, n = 1) {
		this.cells.splice(row, n);
		while (!this.cells[24]) this.cells.push(line());
	}

	/** Makes room for n columns at the cursor, or takes them away. */
	#shift(n = 1, room = true) {
		const { row, column } = this.pen, at = column - 1, end = this.columns - 1;
		while (n--) {
			this.cells[row].splice(room ? end : at, 1);
			this.cells[row].splice(room ? at : end, 0, BLANK);
		}
	}

	/** Obeys CSI. Of its parameters, which are numbers, two count. */
	control(q = '') {
		const p = this.pen, end = this.columns, given = q.slice(1, -1), act = q.slice(-1);
		const [what, m = 0] = given.split(';').map(n => min(+n, 99)), n = what || 1;
		if (/[^\d;]/.test(given) || !p.row) return;
		if (act === 'A') p.row = max(p.row - n, 1);
		if (act === 'B') p.row = min(p.row + n, 24);
		if (act === 'C') p.column = min(p.column + n, end);
		if (act === 'D') p.column = max(p.column - n, 1);
		if (act === 'H' && n < 25 && m <= end) [p.row, p.column] = [n, m || 1];
		if (act === 'J' && what < 3) this.erase(what ? 1 : p.row + 1, what === 1 ? p.row - 1 : 24);
		if (/[JK]/.test(act) && what < 3) this.cells[p.row].fill(BLANK, what ? 0 : p.column - 1, what === 1 ? p.column : end);
		if (/[P@]/.test(act)) this.#shift(n, act === '@');
		if (act === 'L') this.#add(p.row, n);
		if (act === 'M') this.#remove(p.row, n);
		if (/[LM]/.test(act)) p.column = 1;
		if (/[hl]/.test(act) && what === 4) this.insert = act === 'h';
		if (act === 'm' && this.parser.mode) for (const n of given.includes(';') ? [what, m] : [what]) {
			if (!n) p.attr = 0;
			for (const [begin, end, attr] of renditions) p.attr = n === begin ? p.attr | attr : n === end ? p.attr & ~attr : p.attr;
		}
	}
}

import { BLANK, BOLD, BOTTOM, DELIMITER, DRCS0, DRCS1, FLASHING, G0, G1, G2, INVERTED, LINED, MASKED, RIGHT, SEPARATED, SPACE,
	TALL, WIDE, cell, character, chars, other, shifts } from './cell.js';
import { MIXTE, home } from './parser.js';
import { Terminal } from './terminal.js';

// Marks what SS2 brought: it is text, even if REP shows it among mosaics.
const SINGLE = 0x80;

// What 80 columns have for other codes, in the American and the French set: of G0 or, if less than 20, of G2.
const nationals = ["`''{\x0B}\x05~\0", '#\x03@\x17[\x10\\\x15]\x01{\x12|\b}\x19~""`\'\''];
export const national = (c = '', french = false) => other(nationals[+french], c);

// Whether G'0 stands for G0, G'1 for G1, and what is masked shows.
export const choices = ['(@', '( B', ')c', ') C', '# X', '# _'];

// The attributes of 80 columns, by the parameters of CSI m that begin and end them.
export const renditions = [[1, 22, BOLD], [4, 24, LINED], [5, 25, FLASHING], [7, 27, INVERTED]];

const line = () => Array.from({ length: 80 }, () => BLANK);
const { max, min } = Math;

/** A terminal as its user and its host see it, as videotex.Screen. Bit 7 is ignored. */
export class Screen extends Terminal {
	cells = Array.from({ length: 25 }, line); // as the display circuit holds them
	insert = false;
	chosen = [false]; // of choices
	#last = 0; // the character for REP
	bells = 0; // how often it rang
	#cursor = false;
	letter = ''; // the terminal's own on row 00: F, C if it is connected, or none
	#kept = home(); // by ESC 3/7, in 80 columns

	constructor() {
		super();
		this.start();
	}

	start() {
		const wide = this.mode > 0, { status } = this;
		this.cells[0].fill(SPACE);
		this.erase();
		this.go();
		this.#kept = home();
		this.chosen = [false, false, wide];
		this.#cursor = wide;
		this.insert = false;
		[status.r, status.Y] = [status.r & 4 | (wide ? 0x4B : 0x40), wide ? 0x41 : 0x40];
	}

	reset() {
		super.reset();
		this.#cursor = this.insert = this.chosen[2] = false;
	}

	/** @param {Iterable<number>} bytes */
	write(bytes) { for (const b of bytes) this.step(b); }

	get columns() { return this.mode > 0 ? 80 : 40; }

	get cursor() { return { row: this.pen.row, column: this.pen.column, on: this.#cursor }; }

	/** What a redefined character looks like: ten rows, bit 7 on the left. */
	glyph(set = DRCS0, code = 0x21) { return this.loader.glyph(set, code); }

	/** Whether what is masked shows. */
	get revealed() { return this.chosen[2]; }

	/** Whether it gives small letters, has cursor keys, and sends these as C0. */
	get keyboard() { return { small: !!(this.status.r & 8), extended: !!(this.status.Y & 1), c0: !!(this.status.Y & 4) }; }

	/** What a row shows: in 40 columns, what the display circuit makes of it. */
	row(row = 0) {
		const cells = this.cells[row].slice(0, this.columns), letter = row ? 0 : this.letter.charCodeAt(0);
		if (letter && this.mode) cells[76] = cell(G0, letter);
		else if (letter) cells.splice(36, 3, SPACE, SPACE, cell(G0, letter, 7, 0, INVERTED));
		let paper = 0, zone = 0, left = SPACE; // a left half that waits for the other
		return this.mode ? cells : cells.map((c, x) => {
			let { set, code, attr } = c;
			if (set === DELIMITER) [paper, zone, attr] = [c.paper, attr & (MASKED | LINED), attr & ~LINED];
			else if (set === G1 || set === DRCS1) [paper, zone] = [c.paper, zone & MASKED];
			if (set !== DELIMITER) attr |= zone;
			if (this.#bottom(row, x)) attr |= BOTTOM;
			if (left.attr & WIDE) [set, code, attr, left] = [left.set, left.code, attr & ~SEPARATED | RIGHT, SPACE];
			else left = c;
			return cell(set, code, c.ink, paper, attr);
		});
	}

	#bottom(row = 0, x = 0) {
		let n = 0;
		while (row > n && this.cells[row - n][x].attr & TALL) n++;
		return n > 0 && n % 2 === 0;
	}

	/** Whether a cell has no text: what is masked, and the upper half of what is tall. */
	hides({ attr } = SPACE) { return attr & MASKED && !this.revealed || (attr & (TALL | BOTTOM)) === TALL; }

	/** The text. A large character is in its lower left cell, what is masked is left out. */
	toString() {
		const shown = (c = SPACE) => c.attr & RIGHT || this.hides(c) ? ' ' : character(c);
		return this.cells.map((_, row) => this.row(row).map(shown).join('') + '\n').join('');
	}

	order(q = '') {
		super.order(q);
		if (q === 'a') this.reply(chars(0x1F, 0x40 + this.pen.row, 0x40 + this.pen.column & 0x7F));
		if (q === '9\x7F') this.reset();
		if (/^:2[}~]/.test(q)) this.go();
	}

	obey(q = '') {
		const p = this.pen, c = q[0], rest = q.slice(1), { mode, iso } = this, { row } = p;
		super.obey(q);
		if (this.mode !== mode) { // by CSI ? {
			this.reset();
			return this.reply('\x13^');
		}
		if (mode && !row && /[\f\x0E\x0F\x11\x14\x1B\x1E]/.test(c)) return; // row 00 of 80 columns is plain
		if (c === '\x07') this.bells++;
		if (c === '\r') p.column = 1;
		if (iso) return this.#obey80(c, rest);
		if (c === '\x05' && this.later) this.reply('\x01\x04');
		if (c === '\b') this.back();
		if (c === '\t') this.advance();
		if (c === '\n' && row) this.down();
		if (c === '\v' && row) this.up();
		if (c === '\f') this.erase();
		if (/[\x0E\x0F]/.test(c)) p.attr &= ~(WIDE | TALL | INVERTED | LINED); // for good
		if (/[\x11\x14]/.test(c)) this.#cursor = c === '\x11';
		if (c === '\x12') this.repeat(rest.charCodeAt(0));
		if (/[\x16\x19]/.test(c) && rest) this.single(rest);
		if (c === '\x18') this.fill();
		if (c === '\x1A') this.show(0x7F);
		if (c === '\x1B') this.escape(rest);
		if (c >= ' ') this.show(c.charCodeAt(0));
	}

	#obey80(c = '', rest = '') {
		const p = this.pen, esc = c === '\x1B' ? rest : '';
		if (c === '\b') p.column = max(p.column - 1, 1);
		if (c === '\t') p.column = min(p.column + 7 >> 3 << 3 | 1, 80);
		if (/[\x0E\x0F]/.test(c)) p.french = c === '\x0E';
		if (/[\x18\x1A]/.test(c)) this.print('\x7F');
		if (c >= ' ') this.print(c);
		// What is a sequence in 40 columns is none here, but for news of the terminal.
		if (/[\x12\x13\x16\x19\x1D]/.test(c) && !(c === '\x13' && this.mode === MIXTE)) this.print(rest);
		if (esc === '7') this.#kept = { ...p };
		if (esc === '8') Object.assign(p, this.#kept);
		if (esc === 'E') p.column = 1;
		if (/[\n\v\f]/.test(c) || /^[DE]/.test(esc)) this.down();
		if (esc === 'M') this.up();
		if (esc === 'c') this.start();
		if (esc[0] === '[') this.control(esc);
	}

	#redefined(which = 0, c = 0x21) { return this.chosen[which] && this.pen.row > 0 && c > 0x20 && c < 0x7F; }

	// Shows a character, maybe a SINGLE one; if it is less than 20, of G2.
	show(code = 0) {
		const p = this.pen, c = code & 0x7F, size = p.attr & (WIDE | TALL), attr = size | p.attr & (FLASHING | INVERTED);
		const zone = c === 0x20 && p.zone, mosaic = c === code && c > 0x1F && p.mosaics;
		this.#last = code;
		if (mosaic) p.zone = p.masks;
		else if (zone) p.zone = p.masks = false;
		this.#draw(mosaic ? this.#mosaic(c)
			: zone ? cell(DELIMITER, 0, attr & INVERTED ? p.ink : p.paper, p.paper, size | INVERTED | p.attr & (MASKED | LINED))
			: cell(c < 0x20 ? G2 : this.#redefined(0, c) ? DRCS0 : G0, c, p.ink, 0, attr));
	}

	#mosaic(c = 0) {
		const p = this.pen, drcs = this.#redefined(1, c), attr = p.attr & FLASHING | (!drcs && p.attr & LINED ? SEPARATED : 0);
		return cell(drcs ? DRCS1 : G1, drcs ? c : c & 0x1F | c >> 1 & 0x20, p.ink, p.paper, attr);
	}

	#draw({ ...c } = BLANK) {
		const p = this.pen, x = p.column - 1;
		if (p.row < 2 && c.attr & TALL) c.attr &= ~(TALL | WIDE); // no room above; VT brought it here
		if (p.column === this.columns) c.attr &= ~WIDE;
		const end = x + (c.attr & WIDE ? 2 : 1), rows = c.attr & TALL ? [p.row, p.row - 1] : [p.row];
		if (this.insert && p.row) this.#shift(end - x);
		if (c.set === DELIMITER) c.attr &= ~(TALL | WIDE); // it has one size
		for (const row of rows) this.cells[row].fill(c, x, end);
		this.advance(end - x);
	}

	// CAN: spaces, none of which starts a zone.
	fill() {
		const p = this.pen;
		const space = p.mosaics ? this.#mosaic(0x20) : cell(G0, 0x20, p.ink, 0, p.attr & (FLASHING | INVERTED));
		this.cells[p.row].fill(space, p.column - 1, this.columns);
	}

	repeat(n = 0x40) {
		if (this.#last) for (; n > 0x40; n--) this.show(this.#last);
	}

	single(q = '') {
		const at = shifts.indexOf(q), accented = q.length > 1;
		const code = at < 0 ? ' $#^\x7F'.charCodeAt(' $&-\x7F'.indexOf(q)) : at;
		if (code >= 0 && !(accented && this.#redefined())) this.show(SINGLE | code);
		else this.show(SINGLE | (accented ? q : '__').charCodeAt(1)); // no such accent on that letter
	}

	// Shows characters in 80 columns.
	print(chars = '') {
		const p = this.pen;
		for (const c of chars) {
			const code = national(c, p.french).charCodeAt(0);
			if (this.insert) this.#shift();
			this.cells[p.row][p.column - 1] = cell(code < 0x20 ? G2 : G0, code, 7, 0, p.attr);
			p.column = min(p.column + 1, 80);
		}
	}

	escape(q = '') {
		const p = this.pen, c = q.charCodeAt(0), { mosaics } = p, turned = 'HIX_ZY]\\'.indexOf(q);
		const attr = [FLASHING, MASKED, LINED, INVERTED][turned >> 1] ?? 0, choice = choices.indexOf(q);
		if (choice >= 0) this.chosen[choice >> 1] = !!(choice & 1);
		if (c >> 3 === 8) p.ink = c & 7;
		if (c >> 3 === 10) [p.paper, p.zone] = [c & 7, true];
		// On rows 00 and 01 a character cannot grow upwards.
		if (c >> 2 === 0x13 && !mosaics && (p.row > 1 || !(c & 1))) {
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

	down(rows = 1) {
		const p = this.pen, roll = this.status.r & 2;
		p.row += rows;
		if (p.row < 25) return;
		if (roll) this.#remove(1, p.row - 24);
		p.row = roll ? 24 : rows;
	}

	up() {
		const p = this.pen, roll = this.status.r & 2;
		if (--p.row) return;
		if (roll) this.#add(1);
		p.row = roll ? 1 : 24;
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

	#shift(n = 1, room = true) {
		const { row, column } = this.pen, from = room ? this.columns : column, to = room ? column : this.columns;
		while (n--) {
			this.cells[row].splice(from - 1, 1);
			this.cells[row].splice(to - 1, 0, BLANK);
		}
	}

	// CSI. Of its parameters, which are numbers, two count.
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
		if (act === 'm' && this.mode) for (const n of given.includes(';') ? [what, m] : [what]) {
			if (!n) p.attr = 0;
			for (const [begin, end, attr] of renditions) p.attr = n === begin ? p.attr | attr : n === end ? p.attr & ~attr : p.attr;
		}
	}
}

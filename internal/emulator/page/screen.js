import { BOTTOM, DELIMITER, DRCS1, G0, G1, INVERTED, LINED, MASKED, RIGHT, SEPARATED, SPACE, TALL, WIDE, cell, character
	} from './cell.js';
import { Fonts } from './drcs.js';
import { Grid, home } from './grid.js';
import { LOADING, MIXTE, TELEINFORMATIQUE, place } from './parser.js';
import { Terminal } from './terminal.js';

/** Of a page, so much is kept. */
const mostKept = 1 << 17;

/** A terminal as its user and its host see it, as videotex.Screen. Bit 7 is ignored. */
export class Screen extends Grid {
	/** How often the bell has rung. */
	bells = 0;
	#cursor = false;
	#letter = '';
	#page = home(); // to go on with after row 00
	#kept = home(); // by ESC 3/7, in 80 columns
	#fonts = new Fonts();
	#terminal;
	#received = ''; // since the screen was cleared
	#loads = ''; // of redefinable characters

	/** identity is maker, type, version. */
	constructor(identity = [0x4D, 0x67, 0x31]) {
		super();
		this.#terminal = new Terminal(identity);
		this.#standard();
	}

	/** Prepares the terminal for the standard that is followed. */
	#standard() {
		const wide = this.mode > 0, all = this.#terminal.statuses;
		this.columns = wide ? 80 : 40;
		this.cells[0].fill(SPACE);
		this.erase();
		this.#go();
		this.#kept = home();
		this.chosen = [false, false, wide];
		this.#cursor = this.roll = wide;
		this.insert = false;
		[all.r, all.Y] = [all.r & 4 | (wide ? 0x4B : 0x40), wide ? 0x41 : 0x40];
	}

	/** All but what is shown, and where, back to what it was at power-on. */
	#reset() {
		const { row, column } = this.pen.row ? this.pen : this.#page;
		this.#terminal.reset();
		this.#go(row, column);
		this.#cursor = this.roll = this.insert = this.chosen[2] = false;
	}

	#go(row = 1, column = 1) { Object.assign(this.pen, home(), { row, column }); }

	/** Obeys what the host sends. @param {Iterable<number>} bytes */
	write(bytes) { for (const b of bytes) this.#step(b); }

	/** VIDEOTEX, MIXTE, TELEINFORMATIQUE. */
	get mode() { return this.parser.mode; }
	get cursor() { return { row: this.pen.row, column: this.pen.column, on: this.#cursor }; }
	/** Whether what is masked shows. */
	get revealed() { return this.chosen[2]; }

	/** Whether the keyboard gives small letters, has cursor keys, and sends these as single codes. */
	get keyboard() {
		const { r, Y } = this.#terminal.statuses;
		return { small: (r & 8) > 0, extended: (Y & 1) > 0, c0: (Y & 4) > 0 };
	}

	/** What the terminal has answered since the last call. */
	takeReplies() {
		const { replies } = this.#terminal;
		this.#terminal.replies = '';
		return replies;
	}

	/** The page on rows 01 to 24, as it was received since they were cleared; '' if that was too much to be kept. */
	get page() { return this.#received.length < mostKept ? this.#loads + this.#received : ''; }

	/** The form of a character of DRCS0 or DRCS1: ten rows, bit 7 on the left. */
	glyph(set = 0, code = 0) { return this.#fonts.glyph(set, code); }

	/** Sets the terminal's own letter on row 00: F, C if it is connected, or none. */
	indicate(letter = '') { this.#letter = letter; }

	/** What a row shows, 0 to 24: in 40 columns, what the display circuit makes of it. */
	row(row = 0) {
		const cells = this.cells[row].slice(0, this.columns), letter = row ? 0 : this.#letter.charCodeAt(0);
		if (letter && this.mode) cells[76] = cell(G0, letter);
		else if (letter) cells.splice(36, 3, SPACE, SPACE, cell(G0, letter, 7, 0, INVERTED));
		let paper = 0, zone = 0, left = SPACE; // a left half that waits for its other half
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

	/** Whether a cell is the lower half of a character. */
	#bottom(row = 0, x = 0) {
		let n = 0;
		while (row > n && this.cells[row - n][x].attr & TALL) n++;
		return n > 0 && n % 2 === 0;
	}

	/** The text of rows 0 to 24. A large character stands in its lower left cell; what is masked is left out. */
	toString() {
		const shown = (c = SPACE) => c.attr & MASKED && !this.revealed || c.attr & RIGHT || (c.attr & (TALL | BOTTOM)) === TALL
			? ' ' : character(c);
		return this.cells.map((_, row) => this.row(row).map(shown).join('') + '\n').join('');
	}

	#step(b = 0) {
		const p = this.parser, { region, mode, ordering } = p, q = p.step(b);
		if (this.#received.length < mostKept) this.#received += String.fromCharCode(b & 0x7F);
		if (p.mode !== mode) this.#standard();
		if (!q) return;
		if (ordering && mode < TELEINFORMATIQUE && /^\x1B(a|[9:;].)/s.test(q)) {
			this.#order(q.slice(1));
		} else if (region === LOADING) {
			if (this.#loads.length < 2 * mostKept) this.#loads += q + (p.row0 ? '\n' : ''); // some never end
			for (const c of q) if (c > '\0') this.#fonts.define(c);
			if (p.region !== LOADING) this.#locate(p.passed.slice(1));
		} else if (!region && p.mode !== mode) { // by CSI ? {
			this.#reset();
			this.#terminal.reply('\x13^');
		} else if (!region) {
			this.#obey(q);
		}
	}

	/** Does what a sequence of the screen layer says. */
	#obey(q = '') {
		const p = this.pen, c = q[0], rest = q.slice(1), t = this.#terminal, iso = this.mode && p.row;
		if (this.mode && !iso && /[\f\x0E\x0F\x11\x14\x1B\x1E]/.test(c)) return; // row 00 of 80 columns is plain
		if (c === '\x07') this.bells++;
		if (c === '\r') p.column = 1;
		if (c === '\x1F') this.#locate(rest);
		if (iso) return this.#obey80(c, rest);
		if (c === '\x05' && t.later) t.reply('\x01\x04');
		if (c === '\b') this.back();
		if (c === '\t') this.advance();
		if (c === '\n' && p.row) this.down();
		else if (c === '\n') Object.assign(p, this.#page);
		if (c === '\v' && p.row) this.up();
		if (c === '\f') this.#clear();
		if (/[\f\x1E]/.test(c)) this.#go();
		if (/[\x0E\x0F]/.test(c)) p.attr &= ~(WIDE | TALL | INVERTED | LINED); // for good
		if (/[\x11\x14]/.test(c)) this.#cursor = c === '\x11';
		if (c === '\x12') this.repeat(rest.charCodeAt(0));
		if (/[\x16\x19]/.test(c)) this.single(rest);
		if (c === '\x18') this.fill();
		if (c === '\x1A') this.show(0x7F);
		if (c === '\x1B') this.escape(rest);
		if (c >= ' ') this.show(c.charCodeAt(0));
	}

	/** Begins a new page, with what is still in force. */
	#clear() {
		const [g0, g1, revealed] = this.chosen, now = (on = true, what = '') => on ? what : '';
		this.erase();
		if (this.parser.opaque) return;
		this.#received = now(this.roll, '\x1B:iC') + now(this.insert, '\x1B[4h') + now(g0, '\x1B( B') + now(g1, '\x1B) C') +
			now(revealed, '\x1B# _') + now(this.#cursor, '\x11') + this.last + '\f';
	}

	/** The same on rows 01 to 24 of 80 columns, by ISO 6429. */
	#obey80(c = '', rest = '') {
		const p = this.pen;
		if (c === '\b') p.column = Math.max(p.column - 1, 1);
		if (c === '\t') p.column = Math.min(p.column + 7 >> 3 << 3 | 1, 80);
		if (/[\x0E\x0F]/.test(c)) p.french = c === '\x0E';
		if (/[\x18\x1A]/.test(c)) this.print('\x7F');
		if (c >= ' ') this.print(c);
		// What is a sequence in 40 columns is none here, but for news of the terminal.
		if (/[\x12\x13\x16\x19\x1D]/.test(c) && !(c === '\x13' && this.mode === MIXTE)) this.print(rest);
		const esc = c === '\x1B' ? rest : '';
		if (esc === '7') this.#kept = { ...p };
		if (esc === '8') Object.assign(p, this.#kept);
		if (esc === 'E') p.column = 1;
		if (/[\n\v\f]/.test(c) || /^[DE]/.test(esc)) this.down();
		if (esc === 'M') this.up();
		if (esc === 'c') this.#standard();
		if (esc[0] === '[') this.control(esc);
	}

	/** US and what follows it. */
	#locate(at = '') {
		const row = place(at, this.mode);
		if (at[0] === '#' && !this.mode) {
			this.#loads = this.#loads.slice(-mostKept) + '\x1F' + at;
			this.#fonts.start(at[1]);
		}
		if (row < 0 || this.mode && row) return;
		if (!row && this.pen.row) this.#page = { ...this.pen };
		this.#go(row, at < '@' ? 1 : at.charCodeAt(1) - 0x40);
	}

	#order(q = '') {
		const t = this.#terminal, { row, column } = this.pen;
		if (q === 'a') t.reply(String.fromCharCode(0x1F, 0x40 + row, 0x40 + column & 0x7F));
		if (q === '9\x7F') this.#reset();
		if (/^:2[}~]/.test(q)) this.#go();
		t.order(q);
		this.roll = (t.statuses.r & 2) > 0;
	}
}

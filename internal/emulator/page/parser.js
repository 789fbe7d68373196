// These modules are package videotex in another language: reasons are given
// there. Parser, Terminal and Screen are layers, each of which adds to what the
// one below does. A sequence is a string, with a character for each byte.
// Defaults of parameters tell their types.

import { Loader } from './drcs.js';

/** The standards: 40 columns, 80, and 80 without protocol layer. */
export const VIDEOTEX = 0, MIXTE = 1, TELEINFORMATIQUE = 2;

// Regions, which are not divided into sequences, by the patterns of their ends.
const OPEN = /(?!)/, DEAF = /^@$|\x1B%@|\x1B\/\?/, EXTERNAL = /\r/, LOADING = /^\x1F[^\0-\x1F#][^\0-\x1F]/;

// What is not yet the whole of a sequence.
const begun = /^([\x12\x13\x1D]|[\x16\x19][@-O]?|\x1F[^<>]?|\x1B(\[[ -?]*|[ -/][ -/\x7F]*|[5-7])?)$/;

/** Where and how the next character is shown, as videotex.pen. */
export const home = () => ({ row: 1, column: 1, ink: 7, paper: 0, attr: 0, mosaics: false, zone: false, masks: false, french: false });

/** Divides a stream into sequences, as videotex.Parser. */
export class Parser {
	mode = VIDEOTEX;
	pen = home();
	page = home(); // to go on with after row 00
	loader = new Loader();
	#region = OPEN;
	#suspended = OPEN; // by row 00
	#passed = ''; // of the region, the last three
	#opaque = 0; // bytes left of a PRO2 TRANSPARENCE
	#order = ''; // under way, for the protocol layer
	#screen = ''; // and for the screen

	get iso() { return this.mode > 0 && this.pen.row > 0; } // ISO 6429 is followed

	step(byte = 0) {
		const b = String.fromCharCode(byte & 0x7F), order = this.#order + b;
		const orders = this.mode < TELEINFORMATIQUE && /^\x1B[9:;a]/.test(order);
		if (this.#opaque || !this.#order && (b !== '\x1B' || this.#region === EXTERNAL)) {
			if (b > '\0' && this.#opaque) this.#opaque--;
			return this.#step(b);
		}
		if (order === '\x1B\0' && this.#region !== LOADING) return;
		if (order === '\x1B\x1B' && this.#region === OPEN) this.#step(b); // the first is abandoned
		this.#order = /^\x1B+$/.test(order) ? '\x1B' : orders && /^\x1B([9:;]|:.|;..?)$/s.test(order) ? order : '';
		if (this.#order) return;
		if (orders) return this.order(order.slice(1));
		this.#step('\x1B');
		this.#step(b);
	}

	#step(b = '') {
		if (this.#region !== OPEN) return this.#pass(b);
		if (b === '\0') return;
		const s = (b < ' ' ? '' : this.#screen.slice(0, 23)) + b;
		const not = this.iso ? /^\x1B[5-7]/ : this.pen.mosaics ? /^(\x1B%|[\x16\x19])/ : /^\x1B%/;
		this.#screen = begun.test(s) && !not.test(s) ? s : '';
		if (!this.#screen) this.obey(s);
	}

	// Obeys the protocol layer, without its ESC.
	order(q = '') {
		const mode = [':2~', ':2}', ':1}', '9\x7F'].indexOf(q);
		if (mode >= 0) this.#follow(mode % 3);
		if (q === '9\x7F' && this.#region === DEAF) this.#region = OPEN;
		if (/^:f/.test(q)) this.#opaque = q.charCodeAt(2);
	}

	obey(q = '') {
		if (/[\x0E\x0F]/.test(q)) this.pen.mosaics = q === '\x0E' && !this.mode;
		if (q === '\n' && !this.pen.row) {
			Object.assign(this.pen, this.page);
			[this.#region, this.#suspended] = [this.#suspended, OPEN];
		}
		if (/[\f\x1E]/.test(q) && !this.mode) this.go();
		if (q[0] === '\x1F') this.#locate(q.slice(1));
		if (q === '\x1B%') this.#enter(DEAF);
		if (q === '\x1B[?{' && this.mode === TELEINFORMATIQUE) this.#follow();
	}

	#pass(b = '') {
		const region = this.#region;
		if (b === '\0') return;
		if (region === LOADING) this.loader.define(b);
		this.#passed = (this.#passed + b).slice(-3);
		if (!region.test(this.#passed)) return;
		this.#region = OPEN;
		if (region !== LOADING) return;
		this.#locate(this.#passed.slice(1));
		if (!this.pen.row) this.#suspended = region;
	}

	#enter(region = DEAF) {
		this.#region = region;
		this.#passed = '';
	}

	#locate(at = '') {
		const named = this.mode ? /^@[A-\x7F]/ : /^[@-X][A-h]/, old = this.mode ? /^00/ : /^([01]\d|2[0-4])/;
		if (at[0] === '#' && !this.mode) {
			this.#enter(LOADING);
			this.loader.start(at[1]);
		}
		if (/^[<>]/.test(at)) this.#enter(EXTERNAL);
		if (named.test(at)) this.go(at.charCodeAt(0) - 0x40, at.charCodeAt(1) - 0x40);
		if (old.test(at)) this.go(+at); // obsolete
	}

	go(row = 1, column = 1) {
		if (row) this.#suspended = OPEN;
		else if (this.pen.row) this.page = { ...this.pen };
		Object.assign(this.pen, home(), { row, column });
	}

	#follow(mode = VIDEOTEX) {
		if (mode === this.mode) return;
		this.mode = mode;
		this.start();
	}

	start() {} // to follow another standard
}

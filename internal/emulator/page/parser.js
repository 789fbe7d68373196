// These modules are package videotex in another language: the reasons for what
// they do are there, and tests hold one against the other. A sequence is a
// string, a character for each byte. Defaults of parameters tell their types.

/** The standards a terminal follows: 40 columns, 80, and 80 without protocol layer. */
export const VIDEOTEX = 0, MIXTE = 1, TELEINFORMATIQUE = 2;

const modes = new Map([['9\x7F', VIDEOTEX], [':2~', VIDEOTEX], [':2}', MIXTE], [':1}', TELEINFORMATIQUE]]);

/** Regions are not divided into sequences. Each is the pattern of its end. */
const DEAF = /^@$|\x1B%@|\x1B\/\?/, EXTERNAL = /\r/;
export const LOADING = /^\x1F[^\0-\x1F#][^\0-\x1F]/;

/** What is not yet the whole of a sequence, or of an order. */
const begun = /^([\x12\x13\x1D]|[\x16\x19][@-O]?|\x1F[^<>]?|\x1B(\[[ -?]*|[ -/][ -/\x7F]*|[5-7])?)$/;
const ordering = /^\x1B([9:;]|:.|;..?)?$/s;

/** The row that US and two bytes name, -1 if that is no place on the screen. */
export function place(at = '', mode = VIDEOTEX) {
	if ((mode ? /^[@-X][A-\x7F]/ : /^[@-X][A-h]/).test(at)) return at.charCodeAt(0) - 0x40;
	return /^([01]\d|2[0-4])/.test(at) ? +at : -1; // obsolete
}

/** Divides a stream into sequences, as videotex.Parser. */
export class Parser {
	mode = VIDEOTEX;
	/** @type {RegExp | undefined} */
	region;
	passed = ''; // last in the region, up to three
	opaque = 0; // bytes left of a PRO2 TRANSPARENCE
	row0 = false;
	mosaics = false;
	#order = ''; // under way in the protocol layer
	#screen = ''; // and in the screen's
	#saved = false; // mosaics before row 00
	/** @type {RegExp | undefined} */
	#suspended;

	/** Whether an order is under way, or an ESC that may become one. */
	get ordering() { return this.#order !== ''; }

	/** Takes a byte. Returns the sequence it completes, what passed in a region, or ''. */
	step(byte = 0) {
		const b = String.fromCharCode(byte & 0x7F);
		if (!this.opaque && (this.#order || b === '\x1B' && this.region !== EXTERNAL)) return this.#protocol(b);
		this.opaque -= +(this.opaque && b > '\0');
		return this.#step(b);
	}

	/** Takes a byte of what is an order, or may become one. */
	#protocol(b = '') {
		const order = this.#order + b, esc = '\x1B', mode = modes.get(order.slice(1));
		if (order === esc + '\0' && this.region !== LOADING) return '';
		if (order === esc + esc) this.#step(esc); // the first is abandoned
		const orders = this.mode < TELEINFORMATIQUE && /^\x1B[9:;a]/.test(order);
		this.#order = b === esc && order.length < 3 ? esc : orders && ordering.test(order) ? order : '';
		if (this.#order) return '';
		if (!orders) return this.#step(esc) + this.#step(b);
		if (mode !== undefined) this.#follow(mode);
		if (order === '\x1B9\x7F' && this.region === DEAF) this.region = undefined;
		if (/^\x1B:f/.test(order)) this.opaque = order.charCodeAt(3);
		return order;
	}

	/** Takes a byte of the screen layer's. */
	#step(b = '') {
		if (this.region) return this.#pass(b);
		if (b === '\0') return '';
		// A control character abandons what is under way. Of absurdly many parameters, some are forgotten.
		const s = (b < ' ' ? '' : this.#screen.slice(0, 23)) + b;
		this.#screen = s;
		const not = this.mode && !this.row0 ? /^\x1B[5-7]/ : this.mosaics ? /^(\x1B%|[\x16\x19])/ : /^\x1B%/;
		if (begun.test(s) && !not.test(s)) return '';
		this.#screen = '';
		if (s === '\x0E' || s === '\x0F') this.mosaics = s === '\x0E' && !this.mode;
		if (s === '\n' && this.row0) {
			[this.row0, this.mosaics, this.region, this.#suspended] = [false, this.#saved, this.#suspended, undefined];
		}
		if ((s === '\f' || s === '\x1E') && !this.mode) this.#leave();
		if (s[0] === '\x1F') this.#locate(s.slice(1));
		if (s === '\x1B%') this.#enter(DEAF);
		if (s === '\x1B[?{' && this.mode === TELEINFORMATIQUE) this.#follow();
		return s;
	}

	#leave() {
		this.row0 = this.mosaics = false;
		this.#suspended = undefined;
	}

	#locate(at = '') {
		const row = place(at, this.mode);
		if (at[0] === '#' && !this.mode) this.#enter(LOADING);
		if (/^[<>]/.test(at)) this.#enter(EXTERNAL);
		if (row > 0 && !(this.mode && this.row0)) this.#leave();
		if (row) return;
		if (!this.row0) this.#saved = this.mosaics;
		[this.row0, this.mosaics] = [true, false];
	}

	#enter(region = DEAF) {
		this.region = region;
		this.passed = '';
	}

	/** Takes what may be the last of a region. */
	#pass(b = '') {
		if (b > '\0') this.passed = (this.passed + b).slice(-3);
		const { region, passed } = this;
		if (b === '\0' || !region?.test(passed)) return b;
		this.region = undefined;
		if (region !== LOADING) return b;
		this.#locate(passed.slice(1));
		if (this.row0) this.#suspended = region; // row 00 only suspends it
		return b;
	}

	#follow(mode = VIDEOTEX) {
		this.mode = mode;
		this.#leave();
	}
}

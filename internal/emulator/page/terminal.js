import { Parser } from './parser.js';

// Whom screen, keyboard, modem and socket hear: bit n, the nth of them; and the bits that can be changed.
const routes = [0x45, 0x42, 0x4E, 0x4C], routable = [0x0F, 2, 0x0E, 0x0E];

// What START and STOP change: bits of functions, screen and keyboard.
const settings = new Map([[':C', 2], [':D', 4], [':E', 8], [':F', 0], [':G', 0], [';XA', 1], [';YA', 1], [';YC', 4]]);

const answers = new Map([['9\x7F', '\x13^'], [':1}', '\x1B[?z'], [':2}', '\x13p'], [':2~', '\x13q'],
	[':|j', '\x13\\\x13\\'], [':|k', '\x13\\\x13\\']]);

const put = (status = 0, bits = 0, on = true) => on ? status | bits : status & ~bits;

/**
 * Statuses as they are told: functions r (2 scrolling, 4 correction, 8 small letters), protocol v (4 no
 * acknowledgement), screen X, keyboard Y (1 extended, 4 cursor keys as C0).
 * @returns {Record<string, number>}
 */
const atRest = (r = 0x40) => ({ p: 0x5A, r, t: 0x64, v: 0x43, X: 0x41, Y: 0x40, Z: 0x40 });

/** What the protocol layer knows and tells, as videotex.terminal. */
export class Terminal extends Parser {
	identity = 'Mg1'; // maker, type, version
	status = atRest();
	#replies = '';
	#routes = [...routes];

	get later() { return /[vyz]/.test(this.identity[1]); } // Minitel 2, 5, 12

	/** What was answered since the last call. */
	takeReplies() {
		const replies = this.#replies;
		this.#replies = '';
		return replies;
	}

	// All but error correction, what is shown and where, to what it is at power-on.
	reset() {
		const { row, column } = this.pen.row ? this.pen : this.page;
		this.go(row, column);
		this.status = atRest(this.status.r & 0x44);
		this.#routes = [...routes];
	}

	reply(p = '', status = 0) {
		if (status) p += String.fromCharCode(status);
		if (this.#replies.length + p.length <= 256) this.#replies += p;
	}

	order(q = '') {
		super.order(q);
		const [kind, verb, d, e] = q, all = this.status, act = kind + verb, bit = settings.get(kind + q.slice(2));
		const to = 'XYZ['.indexOf(d), from = 'PQRS'.indexOf(e ?? d);
		const tell = (p = '', status = 0) => all.v & 4 && d !== 'D' || this.reply(p, status);
		this.reply(answers.get(q));
		if (act === '9{') this.reply(`\x01${this.identity}\x04`);
		if (/9[prtv]/.test(act)) this.reply('\x1B:' + 'qsuw'['prtv'.indexOf(verb)], all[verb]);
		if (act === ':f') this.reply('\x13W');
		if (act === ':r' && (d === 'Y' || this.later && /[XZ]/.test(d))) this.reply('\x1B;s' + d, all[d]);
		if (/[ij]$/.test(act) && bit !== undefined && !(this.later ? /[FG]/ : /X/).test(d)) {
			const name = kind === ':' ? 'r' : d;
			all[name] = put(all[name], bit, verb === 'i');
			tell(name === 'r' ? '\x1B:s' : '\x1B;s' + d, all[name]);
		}
		if (act === ':b' && to + from > -2) {
			const heard = this.#routes.reduce((all, hears, i) => all | (hears >> from & 1) << i, 0x40);
			this.reply('\x1B;c' + d, to < 0 ? heard : this.#routes[to]);
		}
		if (/;[`a]/.test(act) && to >= 0 && from >= 0) {
			this.#routes[to] = put(this.#routes[to], 1 << from & routable[to], verb === 'a');
			tell('\x1B;c' + d, this.#routes[to]);
		}
		if (/:[de]/.test(act)) { // news for modem, socket, or host, who then hears of no more
			const news = [1, 2, 4]['Z[R'.indexOf(d)];
			all.v = put(all.v, news, verb === 'd');
			if (verb === 'e' ? news : news < 4) this.reply('\x1B:w', all.v);
		}
	}
}

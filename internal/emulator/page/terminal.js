/** Who hears whom of screen, keyboard, modem, socket: bit n, the nth of them; and which bits can be changed. */
const routes = [0x45, 0x42, 0x4E, 0x4C], routable = [0x0F, 2, 0x0E, 0x0E];

/** What PRO2 and PRO3 START and STOP change: a bit of the functions, of the screen or of the keyboard. */
const settings = new Map([[':C', 2], [':D', 4], [':E', 8], [':F', 0], [':G', 0], [';XA', 1], [';YA', 1], [';YC', 4]]);

const answers = new Map([['9\x7F', '\x13^'], [':1}', '\x1B[?z'], [':2}', '\x13p'], [':2~', '\x13q'],
	[':|j', '\x13\\\x13\\'], [':|k', '\x13\\\x13\\']]);

const put = (status = 0, bits = 0, on = true) => on ? status | bits : status & ~bits;

/** What the protocol layer knows and tells, as videotex.terminal. */
export class Terminal {
	replies = '';
	/**
	 * As they are told: p terminal, r functions (bit 0 80 columns, 1 scrolling, 2 correction, 3 small letters),
	 * t speed, v protocol (bit 2 no acknowledgement), X screen, Y keyboard (bit 0 extended, 2 cursor keys as C0), Z modem.
	 * @type {Record<string, number>}
	 */
	statuses = { r: 0 };
	#routes = routes;

	constructor(identity = [0]) {
		this.identity = String.fromCharCode(...identity);
		this.later = /^.[vyz]/s.test(this.identity); // a Minitel 2, 5 or 12
		this.reset();
	}

	/** All but error correction to what it is at power-on. */
	reset() {
		this.statuses = { p: 0x5A, r: this.statuses.r & 4 | 0x40, t: 0x64, v: 0x43, X: 0x41, Y: 0x40, Z: 0x40 };
		this.#routes = [...routes];
	}

	reply(p = '', status = 0) {
		if (status) p += String.fromCharCode(status);
		if (this.replies.length + p.length <= 256) this.replies += p;
	}

	/** Obeys an order, without its ESC. */
	order(q = '') {
		const [kind, verb, d, e] = q, all = this.statuses, act = kind + verb;
		const to = 'XYZ['.indexOf(d), from = 'PQRS'.indexOf(e ?? d), bit = settings.get(kind + q.slice(2));
		const tell = (p = '', status = 0) => this.reply(p, status);
		const acknowledge = all.v & 4 ? () => {} : tell;
		this.reply(answers.get(q));
		if (act === '9{') this.reply(`\x01${this.identity}\x04`);
		if (/9[prtv]/.test(act)) this.reply('\x1B:' + 'qsuw'['prtv'.indexOf(verb)], all[verb]);
		if (act === ':f') this.reply('\x13W');
		if (act === ':r' && (d === 'Y' || this.later && /[XZ]/.test(d))) this.reply('\x1B;s' + d, all[d]);
		if (/[ij]$/.test(act) && bit !== undefined && !(this.later ? /[FG]/ : /X/).test(d)) {
			const name = kind === ':' ? 'r' : d;
			all[name] = put(all[name], bit, verb === 'i');
			(d === 'D' ? tell : acknowledge)(kind === ':' ? '\x1B:s' : '\x1B;s' + d, all[name]); // of correction, wanted or not
		}
		if (act === ':b' && to >= 0) this.reply('\x1B;c' + d, this.#routes[to]);
		if (act === ':b' && from >= 0) {
			this.reply('\x1B;c' + d, this.#routes.reduce((all, hears, i) => all | (hears >> from & 1) << i, 0x40));
		}
		if (/;[`a]/.test(act) && to >= 0 && from >= 0) {
			this.#routes[to] = put(this.#routes[to], 1 << from & routable[to], verb === 'a');
			acknowledge('\x1B;c' + d, this.#routes[to]);
		}
		if (/:[de]/.test(act)) { // news for modem and socket; or for the host, who hears no more of it then
			const news = [1, 2, 4]['Z[R'.indexOf(d)];
			all.v = put(all.v, news, verb === 'd');
			if (verb === 'e' ? news : news < 4) this.reply('\x1B:w', all.v);
		}
	}
}

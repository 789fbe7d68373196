// The terminal: a screen at the end of a line to the gateway.

import { connexionFin, sentBy, typed } from './keyboard.js';
import { Line } from './line.js';
import { Screen } from './screen.js';

/**
 * What the page does when the screen has changed, and is still again, when the bell
 * rings, when there is news, and to ask whether the call is to end.
 * @typedef {{drawn(): void, still(): void, rang(): void, told(): void, confirm(): void}} Owner
 */

/** A second Connexion/Fin within so many ms ends the call without a question. */
const finAgain = 10000;

export class Minitel {
	screen = new Screen();
	/** @type {import('./line.js').News | undefined} the last of this call */
	news;
	wait = 0; // for the next call, in seconds
	reached = false; // whether the gateway has ever answered
	#typed = false; // the code
	#still = 0;
	#since = 0; // when the screen was still
	#hungUp = -finAgain; // when the user agreed to end the call

	/** Calls a gateway, and types the code of a service, if there is one, when a call has begun. @param {Owner} owner */
	constructor(url = '', code = '', owner) {
		this.code = code;
		this.owner = owner;
		this.line = new Line(url, {
			deliver: p => this.#draw(p),
			news: n => {
				this.news = n;
				owner.told();
			},
			changed: (state, seconds) => {
				this.wait = seconds;
				if (state === 'open') this.#begin();
				this.screen.letter = state === 'open' ? 'C' : 'F';
				owner.drawn();
				owner.told();
			},
		});
	}

	/** A call finds a terminal that was switched on anew. The last page has stayed until now. */
	#begin() {
		this.screen = new Screen();
		this.news = undefined;
		this.reached = true;
		this.#typed = false;
	}

	/** Draws, and has it read when the screen is still, but not for long. @param {Uint8Array} p */
	#draw(p) {
		const { bells } = this.screen;
		this.screen.write(p);
		this.line.send(this.screen.takeReplies());
		if (this.screen.bells !== bells) this.owner.rang();
		this.owner.drawn();
		const now = performance.now();
		this.#since ||= now;
		clearTimeout(this.#still);
		this.#still = setTimeout(() => this.#rest(), Math.min(1000, this.#since + 4000 - now));
	}

	/** Types the code at the first page, unless the user was faster. */
	#rest() {
		this.#since = 0;
		this.owner.still();
		if (this.#typed || !this.line.idle || this.news?.event === 'waiting') return;
		this.#typed = true;
		if (this.code && !this.#away) this.line.send(typed(this.code) + '\x13A');
	}

	/** Sends what a key does. Any ends a recording. */
	send(p = '') {
		if (this.line.title && p) this.line.stop();
		else this.line.send(p);
	}

	/** Presses a function key. Connexion/Fin calls, or asks before it ends a call. */
	press(key = connexionFin) {
		if (key !== connexionFin) this.send(sentBy(key, this.screen));
		else if (this.line.state !== 'open') this.line.call();
		else if (this.line.title || this.#away || performance.now() - this.#hungUp < finAgain) this.#fin();
		else this.owner.confirm();
	}

	hangUp() {
		this.#hungUp = performance.now();
		this.#fin();
	}

	/** Whether the caller is with a service or on the way there, not at the portal. */
	get #away() { return /^redirect/.test(this.news?.event ?? ''); }

	/** What waits to be drawn does not keep Connexion/Fin waiting. */
	#fin() {
		this.line.flush();
		this.send(sentBy(connexionFin, this.screen));
	}
}

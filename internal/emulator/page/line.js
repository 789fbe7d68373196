// The line to the gateway: it calls, again when it breaks, and delivers no faster than some bit/s.

/**
 * @typedef {{event: string, service?: string, reason?: string}} News see doc/protocols.md
 * @typedef {'calling' | 'open' | 'ended' | 'broken'} State ended as calls end; broken, it will call again
 * @typedef {{deliver(p: Uint8Array): void, news(n: News): void, changed(s: State, seconds: number): void}} Ears
 */

/** With more than this waiting, a slow line is slow no longer. */
const mostWaiting = 256 << 10;

export class Line {
	/** @type {WebSocket | undefined} */ #socket;
	/** @type {Uint8Array[]} */ #waiting = [];
	#size = 0; // of what waits
	#free = 0; // when the line is, for its next byte
	#ticking = 0;
	#again = 0;
	#tries = 0; // in vain, in a row
	#reason = ''; // why the gateway ends the call, if said
	#speed = 0;
	/** @type {State} */ state = 'ended';
	title = ''; // of what is played instead of a call, or was

	/** @param {string} url of the gateway @param {Ears} ears */
	constructor(url, ears) {
		this.url = url;
		this.ears = ears;
	}

	/** Calls, unless the line is up. */
	call() {
		if (this.state === 'calling' || this.state === 'open') return;
		clearTimeout(this.#again);
		this.#reason = this.title = '';
		const socket = new WebSocket(this.url);
		this.#socket = socket;
		socket.binaryType = 'arraybuffer';
		socket.onopen = () => this.#change('open');
		socket.onmessage = e => this.#hear(e.data);
		socket.onclose = e => this.#closed(e.code);
		setTimeout(() => socket.readyState || socket.close(), 10000); // no answer
		this.#change('calling');
	}

	/** Hangs up, and hears what was recorded when it is due. @param {[number, string][]} sent */
	play(title = '', sent) {
		this.stop();
		this.title = title;
		this.#change('open');
		const began = performance.now();
		let n = 0;
		this.#again = setInterval(() => {
			while (sent[n]?.[0] <= performance.now() - began) this.#hear(sent[n++][1]);
			if (!sent[n] && this.idle) this.stop();
		}, 20);
	}

	/** Ends what there is, without a word. */
	stop() {
		clearTimeout(this.#again);
		if (this.#socket) this.#socket.onclose = null; // it is silent now
		this.#socket?.close();
		this.flush();
		this.#change('ended');
	}

	/** Calls now if it would call later. */
	retry() { if (this.state === 'broken') this.call(); }

	/** Sends p in one message, if somebody hears it. */
	send(p = '') { if (this.state === 'open' && !this.title && p) this.#socket?.send(p); }

	/** Sets the bit/s, 0 for as fast as it comes. */
	pace(speed = 0) {
		this.flush();
		this.#speed = speed;
	}

	flush() { this.#deliver(this.#size); }

	get idle() { return !this.#size; }

	/** @param {State} state */
	#change(state, seconds = 0) {
		this.state = state;
		this.ears.changed(state, seconds);
	}

	/** @param {string | ArrayBuffer} data */
	#hear(data) {
		this.#tries = 0;
		if (typeof data !== 'string') return this.#add(new Uint8Array(data));
		if (data[0] !== '✉') return this.#add(Uint8Array.from(data, c => c.charCodeAt(0)));
		/** @type {News} */
		const news = JSON.parse(data.slice(1));
		if (news.event === 'ended') this.#reason = news.reason ?? '';
		this.ears.news(news);
	}

	/** A call that was ended is over, unless by a gateway that will be back, or is full. */
	#closed(code = 0) {
		this.flush();
		if (code === 1013) this.#tries += 4;
		if (code === 1000 && this.#reason !== 'shutdown') return this.#change('ended');
		const delay = Math.min(2 ** this.#tries++, 30) * (1 - Math.random() / 4);
		this.#again = setTimeout(() => this.call(), delay * 1000);
		this.#change('broken', Math.ceil(delay));
	}

	#add(p = new Uint8Array()) {
		if (!p.length) return;
		if (this.idle) this.#free = Math.max(this.#free, performance.now()); // an idle line saves up nothing
		this.#waiting.push(p);
		this.#size += p.length;
		if (!this.#speed || this.#size > mostWaiting) this.flush();
		else this.#ticking ||= setInterval(() => this.#tick(), 20);
	}

	/** Delivers what has come by now: ten bits a byte. */
	#tick() {
		const each = 10000 / this.#speed; // ms
		const due = Math.min(Math.floor((performance.now() - this.#free) / each), this.#size);
		this.#free += due * each;
		this.#deliver(due);
	}

	#deliver(n = 0) {
		while (n > 0) {
			const first = this.#waiting[0], p = first.subarray(0, n);
			if (p.length === first.length) this.#waiting.shift();
			else this.#waiting[0] = first.subarray(n);
			n -= p.length;
			this.#size -= p.length;
			this.ears.deliver(p);
		}
		if (!this.idle) return;
		clearInterval(this.#ticking);
		this.#ticking = 0;
	}
}

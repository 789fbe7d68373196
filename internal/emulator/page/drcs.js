/** Loads redefinable characters, as videotex.loader. */
export class Loader {
	#glyphs = Array.from({ length: 256 }, () => new Uint8Array(10));
	#head = ''; // what US announced
	#set = 0;
	#code = 0;
	#bits = -1; // of it defined so far; -1 before 3/0

	glyph(set = 0, code = 0) { return this.#glyphs[set % 2 << 7 | code]; }

	start(b = '') {
		[this.#head, this.#set] = ['#', 1];
		this.define(b);
	}

	define(b = '') {
		const head = b === '\x1F' ? '' : (this.#head + b).slice(0, 6), code = b.charCodeAt(0);
		const g = this.#glyphs[this.#set << 7 | this.#code];
		this.#head = head;
		if (!/^#./s.test(head)) return;
		if (head[1] === ' ') {
			if (head.length === 5) this.#set = ~code & 1; // 2/0 2/0 4/2 4/9, or 4/3
		} else if (head.length === 2) {
			[this.#code, this.#bits] = [code, -1];
		} else if (b === '0') {
			if (this.#bits >= 0 && this.#code < 0x7F) this.#code++;
			this.#bits = 0;
		} else if (this.#bits >= 0 && this.#code > 0x20 && this.#code < 0x7F) {
			if (!this.#bits) g.fill(0);
			for (let bit = 0x20; bit && this.#bits < 80; bit >>= 1, this.#bits++) {
				if (code & bit) g[this.#bits >> 3] |= 0x80 >> (this.#bits & 7);
			}
		}
	}
}

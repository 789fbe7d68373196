// The tube: draws a screen on a canvas, dot for dot as package picture does.

import { BOLD, BOTTOM, DRCS0, DRCS1, FLASHING, G0, G1, G2, INVERTED, LINED, MASKED, RIGHT, SEPARATED, SPACE, TALL, WIDE
	} from './cell.js';
import { Screen } from './screen.js';

/** What most Minitels show for colours, in percent. */
const greys = [0, 50, 70, 90, 40, 60, 80, 100];

/** Colours by their numbers, as pixels of a canvas. */
function palette(grey = false) {
	const parts = greys.flatMap((percent, color) =>
		[1, 2, 4].map(bit => grey ? Math.round(percent * 255 / 100) : color & bit ? 255 : 0).concat(255));
	return new Uint32Array(Uint8ClampedArray.from(parts).buffer);
}
const palettes = [palette(), palette(true)];

const blank = Array(10).fill(0);

/** The lower four bits, each twice. */
const doubled = (half = 0) => [1, 2, 4, 8].reduce((row, bit) => row | (half & bit) * bit * 3, 0);

export class Tube {
	grey = false;
	dark = false; // whether what flashes is not seen
	#pixels = new ImageData(1, 1);
	#view = new Uint32Array(1);

	/** The font has 96 forms of G0 and 32 of G2, ten rows each. @param {HTMLCanvasElement} canvas */
	constructor(canvas, font = new Uint8Array()) {
		this.canvas = canvas;
		this.context = canvas.getContext('2d', { alpha: false });
		this.font = font;
	}

	/** Draws all of the screen: 320 x 250 dots, or with 80 columns 640 x 250, each two pixels high. */
	draw(screen = new Screen()) {
		const wide = screen.columns === 80, width = 8 * screen.columns, { row: at, column, on } = screen.cursor;
		if (this.#pixels.width !== width) {
			[this.canvas.width, this.canvas.height] = [width, wide ? 500 : 250];
			this.#pixels = new ImageData(width, this.canvas.height);
			this.#view = new Uint32Array(this.#pixels.data.buffer);
		}
		for (let row = 0; row < 25; row++) {
			screen.row(row).forEach((c, x) => {
				// An inverted one that flashes is dark when the others are not.
				const hidden = c.attr & FLASHING && this.dark !== !!(c.attr & INVERTED) || c.attr & MASKED && !screen.revealed;
				const form = hidden ? blank : this.#shape(screen, c);
				const cursor = on && !this.dark && row === at && x === column - 1;
				for (let y = 0; y < 10; y++) {
					const turned = (c.attr & INVERTED ? 0xFF : 0) ^ form[y], flip = cursor && (!wide || y === 9) ? 7 : 0;
					this.#dots((10 * row + y) * (wide ? 2 : 1) * width + 8 * x, turned, c.ink ^ flip, c.paper ^ flip);
				}
			});
		}
		if (wide) for (let y = 0; y < 500 * width; y += 2 * width) this.#view.copyWithin(y + width, y, y + width);
		this.context?.putImageData(this.#pixels, 0, 0);
	}

	#dots(at = 0, dots = 0, ink = 7, paper = 0) {
		const colors = palettes[+this.grey];
		for (let x = 0; x < 8; x++) this.#view[at + x] = colors[dots << x & 0x80 ? ink : paper];
	}

	/** The dots that are set in a cell. */
	#shape(screen = new Screen(), { set, code, attr } = SPACE) {
		let rows = this.#form(screen, set, code);
		if (set === G1 && attr & SEPARATED) rows = rows.map((r, y) => [2, 6, 9].includes(y) ? 0 : r & 0x77);
		if (attr & BOLD) rows = rows.map(r => r | r >> 1);
		if (attr & TALL) rows = rows.map((_, y) => rows[Math.max(y + (attr & BOTTOM ? 9 : -1), 0) >> 1]);
		if (attr & WIDE) rows = rows.map(r => doubled(attr & RIGHT ? r : r >> 4));
		else if (attr & RIGHT) rows = rows.map(r => r << 4 & 0xFF);
		if (attr & LINED && (attr & BOTTOM || !(attr & TALL))) rows[9] = 0xFF;
		return rows;
	}

	#form(screen = new Screen(), set = 0, code = 0) {
		const letter = 10 * (set === G2 ? 96 + code : code - 0x20);
		if (set === G0 || set === G2) return [...this.font.subarray(letter, letter + 10)];
		if (set === DRCS0 || set === DRCS1) return [...screen.glyph(set, code)];
		return blank.map((_, y) => { // of G1: blocks of four dots, in rows of three, four and three
			const pair = set === G1 ? code >> (y + 1 >> 2) * 2 : 0;
			return (pair & 1) * 0xF0 | (pair & 2) * 0x0F >> 1;
		});
	}
}

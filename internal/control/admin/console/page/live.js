// A Minitel that shows what a caller sees, as it changes. Nothing is typed here.

import { DRCS0, cell } from '/minitel/cell.js';
import { Tube } from '/minitel/tube.js';
import { b, because, bytes, element, facts, moment, say, since, write } from './page.js';
import { buttons, orders } from './order.js';
import { ask, hub, nameOf } from './api.js';
import { silence } from './hub.js';

/** @typedef {import('./api.js').Call} Call */
/** @typedef {import('/minitel/screen.js').Screen} Screen */

/**
 * What has changed of what a caller sees: rows and glyphs are in base64.
 * @typedef {{ columns: 40 | 80, row: number, column: number, cursor: boolean, revealed: boolean, rows: Record<string, string>,
 *   glyphs?: string, over?: boolean }} Frame
 */

const packed = (text = '') => Uint8Array.from(atob(text), c => c.charCodeAt(0));

const blank = new Uint8Array(10), line = Array(80).fill(cell());

/** A screen made of Frames. @implements {Pick<Screen, 'columns' | 'cursor' | 'row' | 'revealed' | 'glyph'>} */
export class Mirror {
	/** @type {40 | 80} */
	columns = 40;
	cursor = { row: 0, column: 1, on: false };
	revealed = false;
	#rows = Array(25).fill(line);
	#glyphs = new Uint8Array();

	/** @param {Frame} frame */
	take(frame) {
		this.columns = frame.columns;
		this.cursor = { row: frame.row, column: frame.column, on: frame.cursor };
		this.revealed = frame.revealed;
		for (const [y, row] of Object.entries(frame.rows)) {
			const p = packed(row); // six bytes a cell
			this.#rows[+y] = Array.from({ length: p.length / 6 }, (_, x) => {
				const [set, code, ink, paper, low, high] = p.subarray(6 * x);
				return cell(set, code, ink, paper, low | high << 8);
			});
		}
		if (frame.glyphs) this.#glyphs = packed(frame.glyphs);
	}

	row(y = 0) { return this.#rows[y]; }

	glyph(set = DRCS0, code = 0x21) {
		const at = 10 * (94 * (set - DRCS0) + code - 0x21);
		return code > 0x20 && code < 0x7F && at < this.#glyphs.length ? this.#glyphs.subarray(at, at + 10) : blank;
	}
}

const dialog = element('watch', HTMLDialogElement), words = element('words', HTMLDetailsElement);
const canvas = element('screen', HTMLCanvasElement), text = words.querySelector('pre') ?? words;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** @type {Tube | undefined} */
let tube;
/** @type {Call | undefined} */
let watched;
/** @type {EventSource | undefined} */
let source;
let lost = false; // the gateway of the call is away, and the call may go on there
let mirror = new Mirror();
let painting = 0;

function paint() {
	cancelAnimationFrame(painting);
	painting = requestAnimationFrame(() => {
		tube?.draw(/** @type {Screen} */ (/** @type {unknown} */ (mirror)));
		canvas.style.imageRendering = canvas.clientWidth * devicePixelRatio % canvas.width ? 'auto' : 'pixelated';
	});
}

/** Watches a call. @param {Call} call */
export async function watch(call) {
	watched = call;
	mirror = new Mirror();
	write(b('watch-title'), `Call ${nameOf(call)}`);
	canvas.ariaLabel = `What call ${nameOf(call)} sees`;
	b('orders').replaceChildren(...buttons(() => watched ?? call));
	words.open = false;
	showFacts(call);
	follow();
	dialog.showModal();
	try {
		tube ??= new Tube(canvas, new Uint8Array(await (await fetch('/minitel/font')).arrayBuffer()));
		paint();
	} catch (e) {
		say(because(e), true);
	}
}

/**
 * Tells of the call that is watched, as the list has it now, and who has not told of theirs.
 * @param {Call[]} calls @param {import('./api.js').Missing[]} [missing]
 */
export function refresh(calls, missing) {
	if (!dialog.open) return;
	const now = calls.find(c => c.id === watched?.id && c.gateway === watched.gateway && c.began === watched.began);
	if (!now) return away(missing) || end();
	if (lost) follow();
	watched = now;
	showFacts(now);
	[...b('orders').children].forEach((e, i) => { write(e, orders[i].name(now)); });
	if (words.open) read();
}

const showFacts = (/** @type {Call} */ c) => facts(b('facts'), [
	['Gateway', hub.on && c.gateway || ''], ['From', `${c.address} by ${c.transport}`], ['Since', `${moment(c.began)}, ${since(c.began)}`], ['Where', where(c)], ['Terminal', c.terminal ?? ''],
	['Line', c.speed ? `${c.speed} bit/s` : ''], ['Bytes', `${bytes(c.in)} from the caller, ${bytes(c.out)} to them`],
	['Recorded', c.recorded ? 'yes' : ''], ...Object.entries(c.facts ?? {}),
]);

/** Where a caller is. */
export const where = ({ state = '', service = '' }) => state === 'at service' ? service : service ? `${state} ${service}` : state;

/** Follows what the caller sees, while somebody looks at this page. */
function follow() {
	source?.close();
	source = undefined;
	lost = false;
	if (!watched || document.hidden || ended()) return;
	const stream = new EventSource(`/api/v1/calls/${nameOf(watched)}/screen/live`);
	source = stream;
	stream.onopen = () => {
		mirror = new Mirror(); // the first frame tells all
		write(b('watched'), 'Live. Watching only: nothing is typed here.');
	};
	stream.onmessage = e => {
		const frame = JSON.parse(e.data);
		if (frame.over) return end();
		mirror.take(frame);
		paint();
	};
	stream.onerror = () => {
		if (stream.readyState === EventSource.CLOSED && !(hub.on && watched?.gateway !== hub.own)) end();
		else if (stream.readyState === EventSource.CLOSED) lost = true; // the list knows whether it has ended
		if (!ended()) write(b('watched'), 'The connection is lost. Trying again…');
	};
}

/** @type {import('./api.js').Missing[]} */
const noone = [];

/** Says that a gateway of the hub is away, if that is why a call is not there. */
function away(missing = noone) {
	const why = silence(watched?.gateway, missing);
	if (!why) return false;
	source?.close();
	lost = true;
	write(b('watched'), `${why} What is shown is what the caller saw last.`);
	return true;
}

/** Whether the call that is watched has ended. */
const ended = () => !!b('orders').querySelector('button:disabled');

function end() {
	source?.close();
	write(b('watched'), 'The call has ended.');
	for (const e of b('orders').querySelectorAll('button')) e.disabled = true;
}

async function read() {
	try {
		if (watched) write(text, await ask('GET', `/calls/${nameOf(watched)}/screen?as=text`));
	} catch { /* it has ended, and that is said */ }
}
words.ontoggle = () => { if (words.open) read(); };

b('leave').onclick = () => dialog.close();
dialog.onclose = () => {
	watched = undefined;
	follow();
};
document.addEventListener('visibilitychange', () => { if (dialog.open) follow(); });

setInterval(() => {
	if (!dialog.open || !tube) return;
	tube.dark = !tube.dark && !calm.matches;
	paint();
}, 1000);

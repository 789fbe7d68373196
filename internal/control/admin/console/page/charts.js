// Charts of the last hour, of what the gateway counts. They are kept in this page alone.

import { hub } from './api.js';
import { bytes, make, span } from './page.js';

/** How often is looked, and how far back charts go, in milliseconds. */
export const every = 5000;
const hour = 3600e3, least = 120e3;

/** What a gateway has counted. @typedef {{ calls: number, out: number, in: number, ended: number, refused: number }} Counts */
/** What was counted at a time, by gateway; one that is alone has no name. @typedef {{ at: number, of: Record<string, Counts> }} Sample */
/** @type {Sample[]} */
const samples = [];

/** Adds up the values of what has a name and, among its labels, one. */
function sum(text = '', name = '', label = '') {
	let total = 0;
	for (const line of text.split('\n')) {
		const [, named, labels = '', value] = /^(\w+)(?:{(.*)})? (\S+)$/.exec(line) ?? [];
		if (named === name && labels.includes(label)) total += +value;
	}
	return total;
}

const svg = (tag = '', attributes = {}) => {
	const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
	for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, `${value}`);
	return e;
};

const width = 300, height = 60;

/** A chart: how it is called, and what it tells of the samples. */
class Chart {
	#picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' });
	#now = make('strong');
	#most = make('span');
	figure;

	constructor(title = '') {
		this.title = title;
		this.figure = make('figure', {}, make('figcaption', {}, make('span', { textContent: title }), this.#now, this.#most));
		this.figure.append(this.#picture);
	}

	/** Says what there is now and was at most, and draws shapes. @param {SVGElement[]} shapes */
	show(now = '', most = '', shapes = [svg('g')]) {
		this.#now.textContent = now;
		this.#most.textContent = most;
		this.#picture.setAttribute('aria-label', `${this.title}: ${now}, ${most}`);
		this.#picture.replaceChildren(...shapes);
	}
}

/** The time that is shown. */
function period() {
	const to = samples.at(-1)?.at ?? 0, from = to - Math.min(Math.max(to - (samples[0]?.at ?? to), least), hour);
	return { to, from, x: (at = 0) => (at - from) / (to - from) * width };
}

/** A line through values. */
function curve(kind = '', points = [{ at: 0, value: 0 }], top = 1) {
	const { x } = period();
	return svg('polyline', { class: kind, points: points.map(p => `${x(p.at).toFixed(1)},${(height - 2 - p.value / top * (height - 6)).toFixed(1)}`).join(' ') });
}

const max = (values = [0]) => Math.max(0, ...values);

const calls = new Chart('Calls'), traffic = new Chart('Bytes a second'), ends = new Chart('Ends and refusals');
export const figures = [calls, traffic, ends].map(c => c.figure);

/** The counts of a sample that are wanted, by gateway. @param {Sample} s */
const wanted = s => Object.entries(s.of).filter(([name]) => !hub.chosen || name === hub.chosen);

/** What counters have gone up by, from one sample to the next; a gateway that starts anew counts from 0. @param {'in' | 'out' | 'ended' | 'refused'} name */
const steps = name => samples.slice(1).map((s, i) => {
	const up = wanted(s).reduce((n, [of, counts]) => n + Math.max(counts[name] - (samples[i].of[of] ?? counts)[name], 0), 0);
	return { at: s.at, up, value: up / (s.at - samples[i].at) * 1000 };
});

function drawCalls() {
	const points = samples.map(s => ({ at: s.at, value: wanted(s).reduce((n, [, c]) => n + c.calls, 0) })), most = max(points.map(p => p.value));
	calls.show(`${points.at(-1)?.value}`, `at most ${most}`, [curve('one', points, Math.max(most, 4))]);
}

function drawTraffic() {
	const out = steps('out'), into = steps('in'), most = max([...out, ...into].map(p => p.value));
	traffic.show(bytes(out.at(-1)?.value), `out, at most ${bytes(most)}; in ${bytes(into.at(-1)?.value)}`,
		[curve('one', out, Math.max(most, 100)), curve('two', into, Math.max(most, 100))]);
}

function drawEnds() {
	const { from, to, x } = period(), bars = 60, slot = (to - from) / bars;
	const heaps = (/** @type {'ended' | 'refused'} */ name) => {
		const heap = Array(bars).fill(0);
		for (const s of steps(name)) if (s.at > from) heap[Math.min(Math.floor((s.at - from) / slot), bars - 1)] += s.up;
		return heap;
	};
	const ended = heaps('ended'), refused = heaps('refused'), top = Math.max(4, max(ended.map((n, i) => n + refused[i])));
	const total = (heap = [0]) => heap.reduce((a, n) => a + n, 0), high = (n = 0) => n / top * (height - 4);
	const bar = (kind = '', i = 0, n = 0, below = 0) =>
		svg('rect', { class: kind, x: x(from + i * slot) + 0.5, width: width / bars - 1, y: height - high(n + below), height: high(n) });
	ends.show(`${total(ended)}`, `ended, ${total(refused)} refused in ${span(to - from)}`,
		ended.flatMap((n, i) => [bar('one', i, n), bar('bad', i, refused[i], n)]));
}

/** @returns {Counts} */
function read(text = '') {
	const total = (direction = '') => sum(text, 'moip_bytes_total', `direction="${direction}"`);
	return {
		calls: sum(text, 'moip_calls'), out: total('out'), in: total('in'),
		ended: sum(text, 'moip_calls_ended_total'), refused: sum(text, 'moip_refusals_total'),
	};
}

/** Takes what gateways count, each with its name, in the form of Prometheus. @param {[string, string][]} told */
export function take(told) {
	if (!told.length) return;
	const at = Date.now();
	samples.push({ at, of: Object.fromEntries(told.map(([name, text]) => [name, read(text)])) });
	while (samples[0].at < at - hour) samples.shift();
	draw();
}

export function draw() {
	if (!samples.length) return;
	drawCalls();
	drawTraffic();
	drawEnds();
}

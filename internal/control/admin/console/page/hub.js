// The hub: the gateways that are one, which of them the page is about, and who does not
// answer. Of a gateway that is alone nothing of this is shown.

import { ask, hub } from './api.js';
import { order } from './order.js';
import { Table, b, element, make, moment, since, span, write } from './page.js';

/** @typedef {import('./api.js').Gateway} Gateway */
/** @typedef {import('./api.js').Bus} Bus */
/** @typedef {import('./api.js').Missing} Missing */

/** Told when another gateway is chosen, or all. */
export const choice = { made: () => {} };

/** How far a clock is off before that is said, in milliseconds. */
const wrong = 1000;

const which = element('which', HTMLSelectElement);

/** @type {Gateway[]} */
let gateways = [];
/** @type {Bus | undefined} */
let bus;
/** Who has not answered what was asked last. @type {Missing[]} */
let unanswered = [];

/** What a gateway is, in a word. @param {Gateway} g */
const stateOf = g => g.silent ? 'silent' : g.state;

/** Those that can be asked: of one name, the newest. */
const present = () => gateways.filter((g, i) => !g.silent && gateways.findIndex(o => o.name === g.name && !o.silent) === i);

/** The names of those that can be asked. */
export const names = () => present().map(g => g.name);

/** How many calls there are in all. */
export const total = () => gateways.reduce((n, g) => n + (g.silent ? 0 : g.calls), 0);

/** How a clock differs from that of the gateway that is asked. */
const clock = (skew = 0) => Math.abs(skew) < wrong ? '' : `${span(Math.abs(skew))} ${skew > 0 ? 'ahead' : 'behind'}`;

/** @param {Gateway} g */
const differs = g => !!g.config && g.config !== (gateways.find(o => o.self)?.config || g.config);

/** @param {Element} cell @param {Gateway} g */
function load(cell, { calls, maxCalls, silent = false }) {
	const text = `${calls}${maxCalls ? ` of ${maxCalls}` : ''}${silent ? ', last known' : ''}`;
	const [label, meter] = cell.children.length ? [...cell.children] : [make('span'), make('meter', { ariaLabel: 'Calls of how many' })];
	if (!cell.children.length) cell.append(label, meter);
	write(label, text);
	if (meter instanceof HTMLMeterElement) [meter.hidden, meter.max, meter.value] = [!maxCalls || silent, maxCalls || 1, calls];
}

const table = new Table(b('hub'), /** @type {import('./page.js').Column<Gateway>[]} */ ([
	{ head: 'Gateway', text: g => g.self ? `${g.name}, asked here` : g.name, kind: 'key' },
	{ head: 'State', node: now => make('span', { className: `state ${stateOf(now())}`, textContent: stateOf(now()) }) },
	{ head: 'Calls', show: load },
	{ head: 'Running for', text: g => since(g.began) },
	{ head: 'Heard', text: g => g.self ? '' : g.silent ? `${moment(g.heard)}, ${since(g.heard)} ago` : `${since(g.heard)} ago` },
	{ head: 'Version', text: g => g.version },
	{ head: 'Clock', text: g => clock(g.skew) },
	{ head: 'Configuration', text: g => differs(g) ? 'differs' : '' },
	{ head: 'Fault', text: g => g.fault ?? '', kind: 'wide bad' },
	{ head: '', node: pick, kind: 'picks' },
]), g => `${g.instance} ${stateOf(g)}`, 'No gateway.');

/** @param {() => Gateway} now */
function pick(now) {
	const { name, silent } = now();
	return silent ? make('button', { textContent: 'Forget…', ariaLabel: `Forget ${name}`, className: 'does', onclick: () => forget(now()) })
		: make('button', { textContent: 'Show', ariaLabel: `Show ${name}`, onclick: () => choose(name) });
}

/** @param {Gateway} g */
const forget = ({ name, heard, calls }) => order({
	title: `Forget ${name}?`, text: `It was heard last at ${known({ since: heard, calls })}. Once it is back, it is listed again.`, does: 'Forget',
}, async () => {
	await ask('DELETE', `/gateways/${name}`);
	await loadHub();
	return `${name} is forgotten.`;
});

/** Has the page be about one gateway, or all. */
function choose(name = '') {
	which.value = name;
	hub.chosen = which.value;
	choice.made();
}
which.onchange = () => choose(which.value);

/** Keeps what can be chosen. Who is chosen and gone stays, until another is chosen. */
function offer() {
	const all = ['', ...new Set([...gateways.filter(g => !g.silent).map(g => g.name), ...hub.chosen ? [hub.chosen] : []])];
	if (all.join() === [...which.options].map(o => o.value).join()) return;
	which.replaceChildren(...all.map(value => make('option', { value, textContent: value || 'All gateways' })));
	which.value = hub.chosen;
}

/** Those that do not answer, each once. */
function missing(list = unanswered) {
	const there = new Set(names()), found = new Map(list.map(m => [m.gateway, m]));
	for (const { name, heard, calls } of gateways) if (!there.has(name)) found.set(name, { gateway: name, since: heard, calls }); // of which that is all
	return [...found.values()];
}

/** What was known last of a gateway. @param {{ since?: string, calls?: number }} m */
const known = ({ since: at, calls }) => `${moment(at)}${calls === undefined ? '' : `, with ${calls === 1 ? '1 call' : `${calls} calls`}`}`;

/** @param {Missing} m */
const tell = m => `${m.gateway} does not answer${m.why ? ` (${m.why})` : ''}.${m.since ? ` It was heard last at ${known(m)}.` : ''}`;

/** Why nothing is known of a gateway now, if so. @param {Missing[]} [list] */
export function silence(name = '', list) {
	const m = missing(list).find(m => m.gateway === name);
	return m && bus ? tell(m) : '';
}

/** How many troubles are told in full. */
const most = 5;

/** @param {Bus} bus */
function down({ at, since, why }) {
	const others = missing().map(m => `${m.gateway} was heard last at ${known(m)}`);
	return [`The bus between the gateways${at ? ` (${at})` : ''} is down since ${moment(since)}${why ? `: ${why}` : ''}. ${
		hub.own} goes on alone, and this page shows no other.`, ...others.length ? [`${others.slice(0, most).join('; ')}${others.length > most ? '; …' : '.'}`] : []].join(' ');
}

/** Says what is wrong with the hub, whatever is looked at. */
function warn() {
	const all = bus ? [
		...bus.up ? missing().map(tell) : [down(bus)],
		...gateways.filter(g => g.fault && !g.silent).map(g => `${g.name}: ${g.fault}`),
	] : [];
	const told = all.length > most ? [...all.slice(0, most - 1), `And ${all.length - most + 1} more, see Gateways.`] : all, list = b('trouble');
	list.hidden = !told.length;
	document.body.classList.toggle('troubled', !list.hidden);
	if (told.join('\n') !== [...list.children].map(e => e.textContent).join('\n')) list.replaceChildren(...told.map(textContent => make('li', { textContent })));
}

/** Takes who has not answered what is looked at. @param {Missing[]} [list] */
export function lacks(list = []) {
	unanswered = list;
	warn();
}

/** Looks at the gateways there are. */
export async function loadHub() {
	const told = /** @type {{ bus?: Bus, gateways: Gateway[] }} */ (await ask('GET', '/gateways'));
	({ bus, gateways } = told);
	hub.on = !!bus;
	hub.own = gateways.find(g => g.self)?.name ?? '';
	if (!hub.on) hub.chosen = '';
	document.body.classList.toggle('hub', hub.on);
	offer();
	warn();
	if (!bus) return;
	write(b('bus'), `The bus between them${bus.at ? `, ${bus.at},` : ''} is ${bus.up ? 'up' : 'down'} since ${moment(bus.since)}${bus.why ? `: ${bus.why}` : ''}.`);
	table.show(gateways);
}

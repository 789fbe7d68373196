// The operators' console.

import { ask, follow, has, hub, nameOf, of, reached } from './api.js';
import { draw, every, figures, take } from './charts.js';
import { choice, lacks, loadHub, names, total } from './hub.js';
import { refresh, watch, where } from './live.js';
import { locked, recognise } from './login.js';
import { buttons, messageAll } from './order.js';
import { Table, b, bytes, make, moment, since, write } from './page.js';
import { loadBans, loadGateway, loadHistory, loadServices } from './panels.js';

/** @typedef {import('./api.js').Call} Call */
/** @typedef {import('./api.js').Event} Event_ */

b('charts').append(...figures);

/** How often a thumbnail is asked for at the most, in milliseconds. */
const fresh = 2000;

/** The thumbnails that are seen, and what each shows. @type {Map<Element, { now: () => Call, out: number, at: number }>} */
const thumbs = new Map();

const sight = new IntersectionObserver(entries => {
	for (const { target, isIntersecting } of entries) {
		const t = thumbs.get(target);
		seen[isIntersecting ? 'add' : 'delete'](target);
		if (isIntersecting && t) look(target, t);
	}
});
const seen = new Set();

/** Asks for a thumbnail, if it has changed. @param {Element} e @param {{ now: () => Call, out: number, at: number }} t */
function look(e, t) {
	const call = t.now(), image = e.querySelector('img'), now = Date.now();
	if (!image || document.hidden || call.out === t.out || now - t.at < fresh) return;
	[t.out, t.at] = [call.out, now];
	image.src = `/api/v1/calls/${nameOf(call)}/screen?as=png&scale=1&out=${call.out}`; // out has the browser ask anew
}

/** @param {() => Call} now */
function thumb(now) {
	const image = make('img', { alt: '', width: 80, height: 62 });
	image.onerror = () => image.removeAttribute('src'); // the call has ended
	const e = make('button', { className: 'thumb', ariaLabel: `Watch call ${nameOf(now())}`, title: 'Watch', onclick: () => { watch(now()); } }, image);
	thumbs.set(e, { now, out: -1, at: 0 });
	sight.observe(e);
	return e;
}

const menu = b('menu');
/** Opens what can be done with a call, by the button for it. @param {() => Call} now */
function more(now, by = make('button')) {
	menu.replaceChildren(...buttons(now));
	menu.ariaLabel = `Call ${nameOf(now())}`;
	menu.showPopover();
	const at = by.getBoundingClientRect(), { offsetWidth, offsetHeight } = menu;
	menu.style.left = `${Math.max(8, Math.min(at.right - offsetWidth, innerWidth - offsetWidth - 8))}px`;
	menu.style.top = `${Math.max(8, at.bottom + offsetHeight + 8 > innerHeight ? at.top - offsetHeight - 4 : at.bottom + 4)}px`;
	menu.querySelector('button')?.focus();
}
menu.onclick = window.onresize = window.onscroll = () => menu.hidePopover();

/** @param {() => Call} now */
function actions(now) {
	const e = make('button', { textContent: 'Actions', ariaLabel: `Actions for call ${nameOf(now())}`, ariaHasPopup: 'true' });
	e.onclick = () => more(now, e);
	return e;
}

const calls = new Table(b('calls'), /** @type {import('./page.js').Column<Call>[]} */ ([
	{ head: 'Sees', node: thumb, kind: 'sees' },
	{ head: 'Call', text: c => `${c.id}`, kind: 'key' },
	{ head: 'Gateway', text: c => c.gateway ?? '', kind: 'hubs' },
	{ head: 'From', text: c => c.address, kind: 'from' },
	{ head: 'By', text: c => c.transport, kind: 'by' },
	{ head: 'For', text: c => since(c.began), kind: 'for' },
	{ head: 'Where', text: c => (c.recorded ? '● ' : '') + where(c), kind: 'where' },
	{ head: 'Terminal', text: c => c.terminal ?? '', kind: 'wide' },
	{ head: 'In, out', text: c => `${bytes(c.in)}, ${bytes(c.out)}` },
	{ head: '', node: actions, kind: 'does' },
]), c => `${nameOf(c)} ${c.began}`, 'Nobody is calling.');
b('message-all').onclick = messageAll;

async function loadCalls() {
	const { chosen } = hub;
	const { calls: told, missing } = /** @type {{ calls: Call[], missing?: import('./api.js').Missing[] }} */ (await ask('GET', of('/calls')));
	if (hub.chosen !== chosen) return; // another one is asked by now
	if (hub.on) told.sort((a, b) => a.began < b.began ? -1 : a.began > b.began ? 1 : 0);
	calls.show(told);
	for (const [e, t] of thumbs) {
		if (!e.isConnected) {
			sight.unobserve(e);
			seen.delete(e);
			thumbs.delete(e);
		} else if (seen.has(e)) look(e, t);
	}
	refresh(told, missing);
	return missing;
}

async function loadState() {
	const { state, ready, why, calls, version, since: began } = await ask('GET', '/state');
	if (began !== run && run) offer(); // an upgrade: it may be another gateway
	run = began;
	if (hub.on && Date.now() - gathered > 1900) await gather();
	const all = hub.on ? total() : calls, many = (n = 0) => `${n} ${n === 1 ? 'call' : 'calls'}`;
	write(b('state'), `${hub.on ? `${many(all)} in all, ${hub.own} ` : ''}${state}${ready ? '' : `: ${why}`}, ${many(calls)}, ${version}`);
	document.body.classList.toggle('unready', !ready);
	document.title = `${all} · MoIP`;
}
let run = '', gathered = 0;

/** Looks which gateways there are. One that is alone, or older than hubs, stays it. */
async function gather() {
	gathered = Date.now();
	try { await loadHub(); } catch { /* the banner says it */ }
	write(link('gateway') ?? b('gateway'), hub.on ? 'Gateways' : 'Gateway');
}

/** The panels: what each loads, which tells who of the hub has not answered, how often in seconds, when it was last loaded, and what it needs. */
const panels = [
	{ name: 'calls', load: loadCalls, every: 2, at: 0, needs: '' },
	{ name: 'history', load: loadHistory, every: 10, at: 0, needs: '/history?limit=1' },
	{ name: 'bans', load: loadBans, every: 10, at: 0, needs: '' },
	{ name: 'services', load: loadServices, every: 5, at: 0, needs: '/services' },
	{ name: 'gateway', load: loadGateway, every: 5, at: 0, needs: '' },
];
let current = panels[0];

async function load(panel = current) {
	panel.at = Date.now();
	if (locked()) return;
	try {
		const missing = await panel.load();
		if (panel === current) lacks(missing ?? undefined);
	} catch { /* if the gateway is away, the banner says it */ }
	took = Date.now() - panel.at;
}

/** How long the last look took, in milliseconds: what is slow is not asked for all the time. */
let took = 0;

const link = (name = '') => document.querySelector(`nav a[href="#${name}"]`);

/** Shows what this gateway has something for. */
async function offer() {
	gather();
	await Promise.all(panels.map(async ({ name, needs }) => link(name)?.toggleAttribute('hidden', !!needs && !await has(needs))));
	if (link(current.name)?.hasAttribute('hidden')) location.hash = '';
}

function turn() {
	current = panels.find(p => '#' + p.name === location.hash) ?? panels[0];
	for (const { name } of panels) {
		b(name).hidden = name !== current.name;
		document.body.classList.toggle(`at-${name}`, name === current.name);
		link(name)?.setAttribute('aria-current', name === current.name ? 'page' : 'false');
	}
	lacks();
	load();
}
window.onhashchange = turn;
choice.made = () => {
	turn();
	tellAll();
	draw();
};

let answers = true;
reached.tell = (now = true) => {
	b('away').hidden = now;
	const back = now && !answers;
	answers = now;
	if (back) offer(); // it may be another gateway
};

/** Something has happened: what is looked at may be different. */
let hurried = 0;
function hurry() {
	clearTimeout(hurried);
	hurried = setTimeout(() => { if (!document.hidden) load(); }, Math.max(300, current.at + Math.max(1000, 5 * took) - Date.now()));
}

/** How many events are shown, and how many are kept for when another gateway is chosen. */
const shown = 200, kept = 1000;
/** @type {Event_[]} */
const happened = [];

/** Whether the page is about whom an event is of. @param {Event_} e */
const wanted = e => !hub.chosen || e.gateway === hub.chosen;

const tellAll = () => b('events').replaceChildren(...happened.filter(wanted).slice(-shown).reverse().map(line));

/** @param {Event_} e */
function line(e) {
	const who = e.call ? `call ${nameOf({ ...e, id: e.call })}` : e.from ?? (hub.on && e.gateway || ''), many = (e.refused ?? 0) > 1 ? ` (${e.refused})` : '';
	const what = e.type === 'lost' ? e.lost ? `${e.lost} events are missing here` : 'the gateway was started anew' : e.type + many, at = hub.on && e.from && !e.call ? `at ${e.gateway}` : '';
	return make('li', { className: e.type },
		make('time', { dateTime: e.at, textContent: moment(e.at) }), ' ', make('strong', { textContent: who }),
		` ${[what, at, e.service, e.reason, e.type === 'began' ? `from ${e.from} by ${e.by}` : '', e.error].filter(Boolean).join(' · ')}`);
}

/** Follows what happens, and comes back to where it was. */
async function listen(place = '') {
	const last = await follow('/events', place, (/** @type {Event_} */ e) => {
		happened.push(e);
		if (happened.length > kept) happened.shift();
		if (wanted(e)) b('events').prepend(line(e));
		while (b('events').children.length > shown) b('events').lastElementChild?.remove();
		hurry();
	});
	if (!locked()) setTimeout(listen, 3000, last);
}

/** Of how many gateways the counters are looked at: of more, it is one. */
const most = 10;

/** Looks at the counters, whether or not somebody looks at this page. */
async function count() {
	if (locked()) return;
	const all = names();
	/** @type {[string, string][]} */
	const told = [];
	await Promise.all((hub.on ? all.length > most ? [hub.chosen || hub.own] : all : ['']).map(async name => {
		try {
			const answer = await fetch(name ? of('/api/v1/metrics', name) : '/metrics', { signal: AbortSignal.timeout(every) });
			if (answer.ok) told.push([name, await answer.text()]);
		} catch { /* the charts have a gap, and the banner says why */ }
	}));
	take(told);
}

let busy = false;
/** Asks for what is looked at, once a second at most. */
async function tick() {
	if (busy || document.hidden || locked()) return;
	busy = true;
	try {
		await loadState();
		if (answers && Date.now() - current.at >= Math.max(current.every * 1000 - 100, 5 * took)) await load();
	} catch { /* the banner says it */ }
	busy = false;
}

await recognise();
turn();
if (!locked()) {
	offer();
	listen();
	count();
	tick();
}
setInterval(tick, 1000);
setInterval(count, every);
document.addEventListener('visibilitychange', tick);

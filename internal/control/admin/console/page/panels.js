// What there is to see beside the calls: history, bans, services, the gateway itself.

import { ask, has, hub, of } from './api.js';
import { silence } from './hub.js';
import { Table, act, b, because, bytes, element, facts, make, moment, since, span, write } from './page.js';
import { ban, order } from './order.js';

/** @typedef {import('./api.js').Record_} Ended */
/** @typedef {import('./api.js').Visit} Visit */
/** @typedef {import('./api.js').Ban} Ban */
/** @typedef {import('./api.js').Service} Service */
/** @typedef {import('./api.js').Missing} Missing */

const price = (/** @type {Record<string, number>} */ cost) => Object.entries(cost ?? {}).filter(c => c[1]).map(([currency, n]) => `${n.toFixed(2)} ${currency}`).join(', ');

const visits = (/** @type {Visit[]} */ all) => all.map(v => `${v.service} ${span(v.seconds * 1000)}`).join(', ');

const key = (/** @type {Ended} */ r) => `${r.gateway} ${r.id}`;

const history = new Table(b('history'), /** @type {import('./page.js').Column<Ended>[]} */ ([
	{ head: 'Call', text: r => `${r.call}`, kind: 'key' },
	{ head: 'Gateway', text: r => r.gateway ?? '', kind: 'hubs' },
	{ head: 'From', text: r => r.address },
	{ head: 'By', text: r => r.transport },
	{ head: 'Began', text: r => moment(r.began) },
	{ head: 'Lasted', text: r => span(Date.parse(r.ended) - Date.parse(r.began)) },
	{ head: 'Visited', text: r => visits(r.visits), kind: 'wide' },
	{ head: 'Terminal', text: r => r.terminal ?? '', kind: 'wide' },
	{ head: 'Cost', text: r => price(r.cost) },
	{ head: 'In, out', text: r => `${bytes(r.in)}, ${bytes(r.out)}` },
	{ head: 'End', text: r => r.error ? `${r.reason}: ${r.error}` : r.reason, kind: 'wide' },
]), key, 'No call has ended in the last day.');

/** How many records are kept here. */
const most = 5000;
/** Of which gateway they are, "" for all. @type {string | undefined} */
let about;
/** When all were asked for: a call that was long has its place among old ones. */
let whole = 0;

/** The records of the last day. They do not change: mostly, only new ones are asked for. */
export async function loadHistory() {
	const now = Date.now(), day = now - 24 * 3600e3, { chosen } = hub, again = about !== chosen || now - whole > 60e3;
	const had = again ? [] : history.things, known = new Set(had.map(key));
	/** @type {Ended[]} */
	const found = [];
	/** @type {Missing[]} */
	let lacking = [];
	for (let before = ''; found.length < most;) {
		const { records, next, missing = [] } = await ask('GET', of(`/history?since=24h&limit=${known.size ? 50 : 500}${before}`));
		const fresh = records.filter((/** @type {Ended} */ r) => !known.has(key(r)));
		found.push(...fresh);
		lacking = missing;
		if (!next || fresh.length < records.length) break;
		before = `&before=${encodeURIComponent(next)}`;
	}
	const t = /** @type {import('./api.js').Totals} */ (await ask('GET', of('/history/totals?since=24h')));
	if (hub.chosen !== chosen) return; // another one is asked by now
	about = chosen;
	if (again) whole = now;
	const busiest = t.services.slice(0, 5).map(s => `${s.service} ${s.visits}`).join(', ');
	write(b('totals'), `${t.calls} calls of ${span(t.seconds * 1000)} in all, ${bytes(t.out)} out, ${bytes(t.in)} in.${busiest ? ` Visits: ${busiest}.` : ''}`);
	history.show([...found, ...had].filter(r => Date.parse(r.ended) > day).sort((a, b) => b.id - a.id).slice(0, most));
	return lacking;
}

const bans = new Table(b('bans'), /** @type {import('./page.js').Column<Ban>[]} */ ([
	{ head: 'Network', text: n => n.network, kind: 'key' },
	{ head: 'Reason', text: n => n.reason ?? '', kind: 'wide' },
	{ head: 'By', text: n => n.by },
	{ head: 'Since', text: n => moment(n.since) },
	{ head: 'Until', text: n => n.until ? moment(n.until) : 'ever' },
	{ head: '', node: now => make('button', { textContent: 'Lift…', onclick: () => lift(now()) }), kind: 'does' },
]), n => n.network, 'Nobody is kept out.');

export async function loadBans() {
	bans.show((await ask('GET', '/bans')).bans);
}

const lift = ({ network = '' }) => order({ title: `Let ${network} in again?`, does: 'Lift the ban' }, async () => {
	await ask('DELETE', `/bans/${network}`);
	await loadBans();
	return `${network} is let in again.`;
});

b('ban').onclick = () => ban();

const file = element('import-file', HTMLInputElement);
b('import').onclick = () => {
	file.value = ''; // it may be the same again
	file.click();
};
file.onchange = () => act(async () => {
	const list = JSON.parse(await file.files?.[0]?.text() ?? '');
	const { banned, expired, refused } = await ask('POST', '/bans/import', { bans: list.bans ?? list });
	await loadBans();
	return `Bans imported: ${banned}, run out: ${expired}, refused: ${refused.length}${refused.length ? `, as ${refused[0]}` : ''}.`;
});

const services = new Table(b('services'), /** @type {import('./page.js').Column<Service>[]} */ ([
	{ head: 'Code', text: s => s.code, kind: 'key' },
	{ head: 'State', node: now => make('span', { className: `state ${now().state}`, textContent: now().state }) },
	{ head: 'Title', text: s => s.title, kind: 'wide' },
	{ head: 'Category', text: s => s.category },
	{ head: 'Palier', text: s => s.palier ?? '' },
	{ head: 'Address', text: s => s.url, kind: 'wide' },
	{ head: 'Since', text: s => s.since ? since(s.since) : '' },
	{ head: 'Why', text: s => s.error ?? '', kind: 'wide' },
	{ head: 'Recorded', text: s => s.record ? 'yes' : '' },
]), s => `${s.code} ${s.state}`, 'No service.');

export async function loadServices() {
	services.show((await ask('GET', '/services')).services);
}

const level = element('level', HTMLSelectElement);

/** @typedef {{ state: string, ready: boolean, why?: string, version: string, since: string, calls: number, portal: string }} State */

/** The link to the portal, as far as there is one. */
const link = async () => {
	if (!await has(of('/link'))) return 'none';
	const { url, up, since: at } = await ask('GET', of('/link'));
	return `${url}, ${up ? 'up' : 'down'} for ${since(at)}`;
};

const mib = (/** @type {number} */ bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;

/** @typedef {{ of: string, calls: number }} Share @typedef {{ times: number, transport: string, reason: string }} Refused @typedef {{ most: number, taken: number, by?: string }} Memory */

/** Who has most calls, who was refused, and the memory. @param {{ busiest: Share[], refused: Refused[], memory: Memory }} limits @returns {[string, string][]} */
const crowd = ({ busiest, refused, memory }) => [
	['Memory', `${mib(memory.taken)} of ${memory.most ? `${mib(memory.most)}, by ${memory.by}` : 'any amount'}`],
	['Most calls', busiest.map(s => `${s.calls} of ${s.of}`).join(', ') || 'of nobody whom limits hold for'],
	['Refused', refused.map(r => `${r.times} by ${r.transport}, ${r.reason}`).join('; ') || 'nobody'],
];

export async function loadGateway() {
	const { chosen } = hub;
	write(b('gateway-title'), hub.on ? `Gateway ${chosen || hub.own}` : 'Gateway');
	try {
		const told = await Promise.all([ask('GET', of('/state')), ask('GET', of('/config')), ask('GET', of('/log-level')), link(), ask('GET', of('/limits'))]);
		if (hub.chosen === chosen) showGateway(...told);
	} catch (e) {
		if (!chosen || hub.chosen !== chosen) throw e;
		facts(b('house'), [['State', silence(chosen) || because(e)]]); // not what was there of another
		write(b('file'));
		write(b('settings'));
	}
}

function showGateway(/** @type {State} */ s, config = { file: '', settings: {} }, { level: now = '' }, portal = '', /** @type {Parameters<typeof crowd>[0] & { rules: { calls: number } }} */ limits) {
	facts(b('house'), [
		['State', s.ready ? `${s.state}, ready for calls` : `${s.state}, takes no calls: ${s.why}`], ['Portal', s.portal], ['Control link', portal],
		['Calls under way', `${s.calls} of ${limits.rules.calls || 'any number'}`],
		...crowd(limits), ['Version', s.version], ['Running for', `${since(s.since)}, since ${moment(s.since)}`],
	]);
	write(b('file'), config.file ? `From ${config.file}` : 'Without a file.');
	write(b('settings'), Object.entries(config.settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join('\n'));
	if (document.activeElement !== level) level.value = now;
}

level.onchange = () => act(async () => {
	await ask('PUT', of('/log-level'), { level: level.value });
	return `The log has ${level.value} and above, until the gateway ends.`;
});

const list = (keys = ['']) => keys.join(', ');

b('reload').onclick = () => act(async () => {
	const { changed, left } = await ask('POST', of('/reload'));
	await loadGateway();
	const news = changed.length ? `Changed: ${list(changed)}.` : 'Nothing has changed.';
	return left.length ? `${news} Different, but only after an upgrade: ${list(left)}.` : news;
});

const title = (does = '') => hub.on ? `${does} ${hub.chosen || hub.own}?` : `${does}?`;

b('upgrade').onclick = () => {
	const path = of('/upgrade');
	order({
		title: title('Upgrade'), text: 'Another process of the program takes all new calls, by the configuration as it is now. This one ends with its last call.', does: 'Upgrade',
	}, async () => `Process ${(await ask('POST', path)).process} takes the calls from now on.`);
};

b('drain').onclick = () => {
	const path = of('/drain');
	order({
		title: title('Drain'), text: 'No more calls are taken, and the gateway ends when the last one is over, or after this time.',
		fields: [{ name: 'for', label: 'Time for calls under way, as 5m or 1h', value: '5m', required: true }], does: 'Drain', danger: true,
	}, async values => {
		await ask('POST', path, values);
		return 'No more calls are taken.';
	});
};

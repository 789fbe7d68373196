// The API of the gateway: the only source of this page.

/**
 * What the API tells, as openapi.json has it.
 * What is of one gateway of a hub says of which.
 * @typedef {{ id: number, gateway?: string, transport: string, address: string, began: string, state: string, service?: string, terminal?: string,
 *   speed?: number, recorded: boolean, in: number, out: number, facts?: Record<string, string> }} Call
 * @typedef {{ id: string, gateway?: string, at: string, type: string, call?: number, from?: string, by?: string, service?: string, reason?: string,
 *   error?: string, refused?: number, lost?: number }} Event
 * @typedef {{ service: string, seconds: number, reason: string }} Visit
 * @typedef {{ id: number, gateway?: string, call: number, address: string, port?: number, transport: string, terminal?: string, began: string, ended: string,
 *   in: number, out: number, visits: Visit[], cost: Record<string, number>, reason: string, error?: string }} Record_
 * @typedef {{ calls: number, seconds: number, in: number, out: number, services: { service: string, visits: number }[] }} Totals
 * @typedef {{ network: string, reason?: string, by: string, since: string, until?: string }} Ban
 * @typedef {{ code: string, title: string, category: string, url: string, palier?: string, state: string, since?: string, error?: string,
 *   record?: boolean }} Service
 * @typedef {{ gateway: string, since?: string, why?: string, calls?: number }} Missing
 * @typedef {{ name: string, instance: string, self?: boolean, state: string, version: string, began: string, heard: string, silent?: boolean,
 *   skew?: number, calls: number, maxCalls: number, config?: string, fault?: string }} Gateway
 * @typedef {{ up: boolean, since: string, at?: string, why?: string }} Bus
 */

/** Told whether the gateway answers, each time that it is known. */
export const reached = { tell: (_answers = true) => {} };

/** Told when the gateway does not know who asks. */
export const known = { lost: () => {} };

/** How long an answer may take, in milliseconds: an upgrade waits for the process that comes. */
const patience = 60_000;

/**
 * Asks the API. What it answers is as above; what it refuses is thrown, in its own words.
 * @param {unknown} [body] @returns {Promise<any>}
 */
export async function ask(method = 'GET', path = '', body) {
	let answer, told;
	try {
		answer = await fetch('/api/v1' + path, {
			method, body: body === undefined ? null : JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
			signal: AbortSignal.timeout(method === 'GET' ? patience / 6 : patience),
		});
		told = answer.status === 204 ? null : answer.headers.get('Content-Type')?.includes('json') ? await answer.json() : await answer.text();
	} catch {
		reached.tell(false);
		throw new Error('The gateway does not answer.');
	}
	reached.tell(true);
	if (answer.ok) return told;
	if (answer.status === 401) known.lost();
	throw new Error(told?.error ?? `The gateway answers ${answer.status}.`);
}

/** Whether the gateway has something, as far as it can be known. */
export async function has(path = '') {
	try { return (await fetch('/api/v1' + path, { method: 'HEAD', signal: AbortSignal.timeout(patience / 6) })).status !== 404; } catch { return true; }
}

/**
 * Reads a stream of the API until it breaks off, and returns where that was: to read on there.
 * An EventSource forgets it when it is refused once, as by a proxy whose gateway is away.
 * @param {(data: any) => void} heard
 */
export async function follow(path = '', place = '', heard) {
	try {
		const answer = await fetch('/api/v1' + path, { headers: place ? { 'Last-Event-ID': place } : {} });
		if (!answer.ok || !answer.body) return place;
		const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
		let id = place, data = '', rest = '';
		for (let part = await text.read(); !part.done; part = await text.read()) {
			const lines = (rest + part.value).split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) {
				if (line.startsWith('id: ')) id = line.slice(4);
				if (line.startsWith('data: ')) data = line.slice(6);
				if (line) continue;
				place = id;
				if (data) heard(JSON.parse(data));
				data = '';
			}
		}
	} catch { /* as if it had ended */ }
	return place;
}

/** Which gateways there are: one that is alone has no names for its calls. */
export const hub = { on: false, own: '', chosen: '' };

/** What a call is called. */
export const nameOf = ({ id = 0, gateway = '' }) => hub.on && gateway ? `${gateway}-${id}` : `${id}`;

/** A path for a gateway of the hub, for all of them if that is "". */
export const of = (path = '', gateway = hub.chosen) => gateway ? `${path}${path.includes('?') ? '&' : '?'}gateway=${encodeURIComponent(gateway)}` : path;

/**
 * The path of a call, if it is still the one that is meant: a gateway that is started anew
 * counts from 1 again. @param {Call} call
 */
export async function pathOf(call) {
	const name = nameOf(call), path = `/calls/${name}`;
	if ((await ask('GET', path)).began !== call.began) throw new Error(`Call ${name} has ended, and another one has its number by now.`);
	return path;
}

// The API of the gateway: the only source of this page.

/**
 * What the API tells, as openapi.json has it.
 * @typedef {{ id: number, transport: string, address: string, began: string, state: string, service?: string, terminal?: string,
 *   speed?: number, recorded: boolean, in: number, out: number, facts?: Record<string, string> }} Call
 * @typedef {{ id: string, at: string, type: string, call?: number, from?: string, by?: string, service?: string, reason?: string,
 *   error?: string, refused?: number, lost?: number }} Event
 * @typedef {{ service: string, seconds: number, reason: string }} Visit
 * @typedef {{ id: number, call: number, address: string, port?: number, transport: string, terminal?: string, began: string, ended: string,
 *   in: number, out: number, visits: Visit[], cost: Record<string, number>, reason: string, error?: string }} Record_
 * @typedef {{ calls: number, seconds: number, in: number, out: number, services: { service: string, visits: number }[] }} Totals
 * @typedef {{ network: string, reason?: string, by: string, since: string, until?: string }} Ban
 * @typedef {{ code: string, title: string, category: string, url: string, palier?: string, state: string, since?: string, error?: string,
 *   record?: boolean }} Service
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
 * The path of a call, if it is still the one that is meant: a gateway that is started anew
 * counts from 1 again. @param {Call} call
 */
export async function pathOf({ id, began }) {
	const path = `/calls/${id}`;
	if ((await ask('GET', path)).began !== began) throw new Error(`Call ${id} has ended, and another one has its number by now.`);
	return path;
}

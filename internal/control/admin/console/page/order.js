// Orders: what is asked before, what is told to the gateway, and what came of it.

import { ask, hub, nameOf, of, pathOf } from './api.js';
import { act, b, because, element, make, say } from './page.js';

/** @typedef {import('./api.js').Call} Call */

/**
 * What an operator is asked for: a text, with choices that may be taken instead, one of
 * some options, or yes.
 * @typedef {{ name: string, label: string, value?: string, list?: string, options?: string[][], yes?: boolean, required?: boolean }} Field
 */

const dialog = element('order', HTMLDialogElement), yes = element('yes', HTMLButtonElement);
const form = dialog.querySelector('form') ?? new HTMLFormElement();

let asked = {};

/** @param {Field} f @returns {HTMLElement} */
function control({ name, value = '', list, options, yes, required = false }) {
	if (options) return make('select', { name }, ...options.map(([value, text]) => make('option', { value, textContent: text })));
	if (yes) return make('input', { name, type: 'checkbox' });
	const input = make('input', { name, value, required, autocomplete: 'off' });
	if (list) input.setAttribute('list', list);
	return input;
}

/**
 * Asks, and gives the order if that is what is wanted. The dialog stays open with what the
 * gateway has against it.
 * @param {{ title: string, text?: string, fields?: Field[], does: string, danger?: boolean }} question
 * @param {(values: Record<string, string>) => Promise<string>} run
 */
export function order({ title, text = '', fields = [], does, danger = false }, run) {
	b('order-title').textContent = title;
	b('order-text').textContent = text;
	b('refusal').textContent = '';
	b('fields').replaceChildren(...fields.map(f => {
		const label = make('label', { className: f.yes ? 'yes' : '' }, f.label);
		label[f.yes ? 'prepend' : 'append'](control(f));
		return label;
	}));
	yes.textContent = does;
	yes.className = danger ? 'danger' : 'main';
	yes.disabled = false;
	const mine = {}; // the dialog may be about something else when the answer comes
	asked = mine;
	form.onsubmit = async e => {
		e.preventDefault();
		yes.disabled = true;
		b('refusal').textContent = '';
		const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
		try {
			const news = await run(values);
			if (asked === mine) dialog.close();
			say(news);
		} catch (refusal) {
			if (asked === mine) b('refusal').textContent = because(refusal);
			else say(because(refusal), true);
		}
		if (asked === mine) yes.disabled = false;
	};
	dialog.showModal();
	if (!fields.length) b('no').focus(); // Enter alone ends nothing
}
b('no').onclick = () => dialog.close();
dialog.onclose = () => { if (!dialog.open) asked = {}; }; // else it is about the next question by now

/** The address in an address and port, or none. */
export const hostOf = (address = '') => /^\[?([0-9a-f.:]+?)(%.*)?\]?:\d+$/.exec(address)?.[1] ?? '';

const whose = (/** @type {Call} */ c) => `call ${nameOf(c)} from ${c.address}`;

/** Asks for a ban. */
export function ban(network = '') {
	order({
		title: 'Ban', text: 'Callers from there are not let in.', does: 'Ban', danger: true,
		fields: [
			{ name: 'network', label: 'Address or network', value: network, required: true },
			{ name: 'reason', label: 'Reason, for operators' },
			{ name: 'for', label: 'For', options: [['1h', 'an hour'], ['24h', 'a day'], ['168h', 'a week'], ['720h', '30 days'], ['', 'ever']] },
			{ name: 'hang_up', label: 'Hang up the calls from there', yes: true },
		],
	}, async values => {
		const told = await ask('POST', '/bans', { ...values, hang_up: 'hang_up' in values });
		return `${told.ban.network} is banned${told.hung_up ? `, calls hung up: ${told.hung_up}` : ''}.`;
	});
}

/** Asks for a text for all callers. */
export function messageAll() {
	const path = of('/calls/message');
	order({
		title: hub.chosen ? `Message to all of ${hub.chosen}` : 'Message to all',
		text: 'It is shown on row 00, which has 33 columns for it. Without a text, the one that is there is taken away.',
		fields: [{ name: 'text', label: 'Text' }], does: 'Send',
	}, async values => {
		const { told, missing = [] } = await ask('POST', path, values);
		const unheard = missing.map((/** @type {import('./api.js').Missing} */ m) => m.gateway).join(', ');
		return `Callers told: ${told}.${unheard && ` Not reached: those of ${unheard}.`}`;
	});
}

/** Has the codes of the directory beside the field for one. */
async function suggest(gateway = '') {
	try {
		const { services } = await ask('GET', of('/services', hub.on ? gateway : ''));
		b('codes').replaceChildren(...services.map((/** @type {import('./api.js').Service} */ s) => make('option', { value: s.code, label: s.title })));
	} catch { /* there is no directory here */ }
}

/** What can be done with a call. */
export const orders = [
	{
		name: () => 'Message…', danger: false, run: (/** @type {Call} */ c) => order({
			title: `Message to ${whose(c)}`, text: 'It is shown on row 00, which has 33 columns for it.',
			fields: [{ name: 'text', label: 'Text' }], does: 'Send',
		}, async values => {
			await ask('POST', `${await pathOf(c)}/message`, values);
			return `Call ${nameOf(c)} is told.`;
		}),
	}, {
		name: () => 'Redirect…', danger: false, run: (/** @type {Call} */ c) => {
			suggest(c.gateway);
			order({
				title: `Redirect ${whose(c)}`, fields: [{ name: 'to', label: 'Code of a service, or a URL', list: 'codes', required: true }], does: 'Redirect',
			}, async values => {
				await ask('POST', `${await pathOf(c)}/redirect`, values);
				return `Call ${nameOf(c)} is on its way to ${values.to}.`;
			});
		},
	}, {
		name: () => 'Recall', danger: false, run: (/** @type {Call} */ c) => act(async () => {
			await ask('POST', `${await pathOf(c)}/recall`);
			return `Call ${nameOf(c)} is taken back to the portal.`;
		}),
	}, {
		name: (/** @type {Call} */ c) => c.recorded ? 'Stop recording' : 'Record', danger: false, run: (/** @type {Call} */ c) => act(async () => {
			await ask('PUT', `${await pathOf(c)}/recording`, { on: !c.recorded });
			return `Call ${nameOf(c)} is ${c.recorded ? 'no longer' : 'being'} recorded.`;
		}),
	}, {
		name: () => 'Hang up…', danger: true, run: (/** @type {Call} */ c) => order({
			title: `Hang up ${whose(c)}?`, text: 'The caller gets a farewell, and the call ends.', does: 'Hang up', danger: true,
		}, async () => {
			await ask('DELETE', await pathOf(c));
			return `Call ${nameOf(c)} is hung up.`;
		}),
	}, {
		name: () => 'Ban…', danger: true, run: (/** @type {Call} */ c) => ban(hostOf(c.address)),
	},
];

/** Buttons for a call, as it is when they are pressed. @param {() => Call} now */
export const buttons = now => orders.map(o => make('button', {
	textContent: o.name(now()), className: o.danger ? 'danger' : '', onclick: () => { o.run(now()); },
}));

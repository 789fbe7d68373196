// What the page is made of. Whatever callers and services say goes in as text.

/** @template {HTMLElement} T @param {new () => T} kind */
export function element(id = '', kind) {
	const e = document.getElementById(id);
	if (e instanceof kind) return e;
	throw new Error(`no ${id}`);
}
export const b = (id = '') => element(id, HTMLElement);

/**
 * Makes an element, with properties of its own, and what is in it.
 * @template {keyof HTMLElementTagNameMap} K @param {K} tag
 * @param {(Node | string)[]} content
 */
export function make(tag, properties = {}, ...content) {
	const e = Object.assign(document.createElement(tag), properties);
	e.append(...content);
	return e;
}

/** Changes a text only where it is another, so that what is selected stays. @param {Element} e */
export function write(e, text = '') {
	if (e.textContent !== text) e.textContent = text;
}

/** Says what came of something, where whoever did it looks. */
export function say(text = '', failed = false) {
	const at = document.querySelector('dialog[open] .news') ?? b('news');
	hush(); // elsewhere, too, where nobody may look now
	at.classList.toggle('failed', failed);
	at.textContent = text;
	clearTimeout(saying);
	saying = setTimeout(hush, failed ? 12000 : 5000);
}
let saying = 0;
const hush = () => { for (const e of document.querySelectorAll('.news')) write(e); };

/** Does something, and says what came of it. @param {() => Promise<string>} run */
export async function act(run) {
	try { say(await run()); } catch (e) { say(because(e), true); }
}

/** @param {unknown} e */
export const because = e => e instanceof Error ? e.message : String(e);

const rtf = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dtf = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** A moment of today as a time, another with its date. */
export function moment(at = '') {
	const t = new Date(at);
	return !at ? '' : Math.abs(Date.now() - t.getTime()) < 12 * 3600e3 ? rtf.format(t) : dtf.format(t);
}

/** How long something took, in milliseconds, or takes until now. */
export function span(ms = 0) {
	const s = Math.max(Math.round(ms / 1000), 0), m = Math.floor(s / 60), h = Math.floor(m / 60);
	return h >= 48 ? `${Math.floor(h / 24)} d` : h ? `${h} h ${m % 60} min` : m ? `${m} min${s % 60 ? ` ${s % 60} s` : ''}` : `${s} s`;
}
export const since = (at = '') => span(Date.now() - new Date(at).getTime());

/** A number of bytes. */
export function bytes(n = 0) {
	const k = ['', 'k', 'M', 'G', 'T'].findIndex((_, i) => n < 1000 ** (i + 1));
	return k > 0 ? `${(n / 1000 ** k).toPrecision(3)} ${' kMGT'[k]}B` : `${Math.round(n)} B`;
}

/** All that is said in a thing, in small letters. @returns {string} @param {unknown} thing */
const words = thing => thing && typeof thing === 'object' ? Object.values(thing).map(words).join(' ') : `${thing}`.toLowerCase();

const has = (text = '', wanted = ['']) => wanted.every(word => text.includes(word));

/** Shows facts in pairs, without those that are empty. */
export function facts(list = b('facts'), pairs = [['', '']]) {
	const there = pairs.filter(pair => pair[1]);
	while (list.children.length > there.length) list.lastElementChild?.remove();
	there.forEach(([name, value], i) => {
		const row = list.children[i] ?? list.appendChild(make('div', {}, make('dt'), make('dd')));
		write(row.children[0], name);
		write(row.children[1], value);
	});
}

/** How many rows a table shows: more than that is for the search. */
const most = 500;

/**
 * A table of things, with a search. A row stays as long as its thing, so that nothing is
 * taken away from under a finger. A column is text, or made once for each row, or
 * shown by itself.
 * @template T
 * @typedef {{ head: string, text?: (thing: T) => string, node?: (now: () => T) => HTMLElement,
 *   show?: (cell: HTMLElement, thing: T) => void, kind?: string }} Column
 */
/** @template T */
export class Table {
	/** @type {Map<string | number, { row: HTMLTableRowElement, thing: T }>} */
	#rows = new Map();
	/** @type {T[]} */
	things = [];
	#body;
	#search;
	#count;

	/** @param {Column<T>[]} columns @param {(thing: T) => string | number} key */
	constructor(panel = b('calls'), columns, key, empty = 'None.') {
		const table = panel.querySelector('table'), search = panel.querySelector('input');
		if (!table || !search) throw new Error(`no table in ${panel.id}`);
		table.role = 'table'; // whatever a narrow page makes of it
		const heads = columns.map(c => make('th', { scope: 'col', role: 'columnheader', textContent: c.head, className: c.kind ?? '' }));
		table.append(make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' }, ...heads)));
		this.#body = table.appendChild(make('tbody', { role: 'rowgroup' }));
		this.columns = columns;
		this.key = key;
		this.#search = search;
		this.#count = panel.querySelector('output');
		this.none = make('p', { className: 'none', textContent: empty });
		table.after(this.none);
		search.oninput = () => this.show();
	}

	/** Shows these things from now on, as far as they are searched for. */
	show(things = this.things) {
		this.things = things;
		const wanted = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
		const all = wanted.length ? things.filter(thing => has(words(thing), wanted)) : things, shown = all.slice(0, most);
		const keys = new Set(shown.map(this.key));
		for (const [key, { row }] of this.#rows) if (!keys.has(key)) {
			row.remove();
			this.#rows.delete(key);
		}
		shown.forEach((thing, i) => {
			const { row } = this.#row(thing), at = this.#body.children[i];
			if (at !== row) this.#body.insertBefore(row, at ?? null);
			this.columns.forEach((c, x) => {
				if (c.text) write(row.cells[x], c.text(thing));
				c.show?.(row.cells[x], thing);
			});
		});
		const few = all.length < things.length, total = things.length;
		if (this.#count) write(this.#count, (few ? `${all.length} of ${total}` : `${total}`) + (all.length > most ? `, ${most} shown` : ''));
		this.none.hidden = shown.length > 0;
	}

	/** @param {T} thing */
	#row(thing) {
		const key = this.key(thing);
		let entry = this.#rows.get(key);
		if (!entry) {
			const made = { row: make('tr', { role: 'row' }), thing };
			made.row.append(...this.columns.map(c => {
				const cell = make('td', { role: 'cell', className: c.kind ?? '' }, ...(c.node ? [c.node(() => made.thing)] : []));
				cell.dataset.head = c.head;
				return cell;
			}));
			this.#rows.set(key, made);
			entry = made;
		}
		entry.thing = thing;
		return entry;
	}
}

// A Minitel in a page, which calls the gateway that the page came from, and no other.

import { characterKeys, connexionFin, envoi, functionKeys, pressed, typed } from './keyboard.js';
import { Minitel } from './minitel.js';
import { pageOf } from './page.js';
import { recorded } from './recording.js';
import { Tube } from './tube.js';
import { spoken, told } from './words.js';

/** @template {HTMLElement} T @param {new () => T} kind */
function element(id = '', kind) {
	const e = document.getElementById(id);
	if (e instanceof kind) return e;
	throw new Error(`no ${id}`);
}
const b = (id = '') => element(id, HTMLElement);
const make = (tag = '', properties = {}) => Object.assign(document.createElement(tag), properties);
const canvas = element('screen', HTMLCanvasElement), typing = element('typing', HTMLFormElement);
const question = element('hang-up', HTMLDialogElement), speed = element('speed', HTMLSelectElement);
const file = element('file', HTMLInputElement), text = b('text'), state = b('state'), characters = b('characters');

const query = new URLSearchParams(location.search);
/** What the user has chosen, or chooses now. What the address says stands above that, and is not kept. */
function kept(id = '', choice = '') {
	try {
		if (choice) localStorage['minitel-' + id] = choice;
		return localStorage['minitel-' + id];
	} catch { /* nothing is kept here */ }
}

const code = (new URLSearchParams(location.hash.slice(1)).get('code') ?? '').slice(0, 40);
const gateway = location.href.split(/[?#]/)[0].replace('http', 'ws');
const minitel = new Minitel(gateway + (query.has('record') ? '?news&record' : '?news'), code, {
	drawn: paint, still: read, rang: ring, told: tell, confirm: () => question.showModal(),
});
const tube = new Tube(canvas, new Uint8Array(await (await fetch('font')).arrayBuffer()));

/** Fills the room with the screen, by a whole number of pixels for a dot unless that leaves much. */
function fit({ clientWidth, clientHeight } = b('tube')) {
	const room = Math.min(clientWidth / 320, clientHeight / 250) * devicePixelRatio, whole = Math.floor(room);
	const width = 320 * (whole > 0.65 * room ? whole : room);
	canvas.style.width = `${width / devicePixelRatio}px`;
	canvas.style.imageRendering = width % canvas.width ? 'auto' : 'pixelated';
}

let painting = 0;
/** Paints the screen, once for all that changes until then. */
function paint() {
	cancelAnimationFrame(painting);
	painting = requestAnimationFrame(() => {
		characters.classList.toggle('small', small());
		tube.draw(minitel.screen);
		fit();
	});
}

/** Has new words on the screen read out. */
function read() {
	spoken(minitel.screen).forEach((words, row) => {
		const line = text.children[row] ?? text.appendChild(make('div'));
		if (line.textContent !== words) line.textContent = words;
	});
}

let saying = 0;
function tell() {
	if (minitel.line.state !== 'open') question.close(); // it has been answered
	if (!saying) state.textContent = told(minitel);
}

/** Says something for a moment. */
function say(words = '') {
	state.textContent = words;
	clearTimeout(saying);
	saying = setTimeout(() => { saying = 0; tell(); }, 3000);
}

let sound = false, ringing = false;
function ring() {
	if (!sound || ringing) return;
	ringing = true;
	const audio = new AudioContext(), tone = new OscillatorNode(audio, { frequency: 1000 });
	tone.connect(new GainNode(audio, { gain: 0.2 })).connect(audio.destination);
	tone.start();
	setTimeout(() => { ringing = false; audio.close(); }, 150);
}

let shifted = false; // the user wants the other letters than the host
function small() { return minitel.screen.keyboard.small !== shifted; }

const button = (textContent = '', onclick = () => {}) => make('button', { textContent, onclick });

/** Makes a button a switch that calls f, now as well. @param {(on: boolean) => void} f */
function turns(b = make(), on = false, f) {
	b.ariaPressed = `${on}`;
	b.onclick = () => {
		turns(b, !on, f);
		if (b.id) kept(b.id, `${!on}`);
	};
	f(on);
	paint();
}

b('functions').append(...functionKeys.map(key => {
	const b = button(key.name.replace('/', '/\u200B'), () => minitel.press(key)); // a line may end there
	b.id = key.name;
	b.append(make('small', { textContent: key.crib }));
	return b;
}));
const shift = button('Maj');
characters.append(...[...characterKeys, ' '].map(c =>
	button(c.replace(' ', 'Espace'), () => minitel.send(small() ? c.toLowerCase() : c))), shift);
turns(shift, false, on => { shifted = on; });

document.onkeydown = e => {
	const at = e.target instanceof Element ? e.target.localName : '';
	if (question.open) {
		if (e.key !== connexionFin.at[0] || e.repeat) return;
		question.close('yes');
	} else {
		if (/input|select/.test(at) && !/^F\d$/.test(e.key)) return;
		if (at === 'button' && /^( |Enter)$/.test(e.key)) return;
		const key = pressed(e, minitel.screen, small());
		if (!key) return;
		if (typeof key === 'string') minitel.send(key);
		else if (key !== connexionFin || !e.repeat) minitel.press(key);
	}
	e.preventDefault();
};

// Who clicks a button still types.
document.onmousedown = e => {
	if (e.target instanceof Element && e.target.closest('button')) e.preventDefault();
};

question.onclose = () => {
	if (question.returnValue === 'yes') minitel.hangUp();
	question.returnValue = '';
};

document.onpaste = e => {
	if (e.target instanceof HTMLInputElement) return;
	minitel.send(typed(e.clipboardData?.getData('text').slice(0, 2000).replace(/\s+/g, ' ')));
};

document.oncopy = e => {
	const at = e.target; // something else is meant
	if (getSelection()?.isCollapsed === false || at instanceof HTMLInputElement && at.selectionStart !== at.selectionEnd) return;
	e.clipboardData?.setData('text/plain', String(minitel.screen).replace(/ +$/gm, ''));
	e.preventDefault();
	say('Le texte de l’écran est copié.');
};

typing.onsubmit = e => {
	e.preventDefault();
	minitel.send(typed(String(new FormData(typing).get('words'))));
	minitel.press(envoi);
	typing.reset();
};

const pace = () => minitel.line.pace(+speed.value);
speed.value = query.get('speed') ?? kept('speed');
speed.value ||= '0';
let mouse = false;
speed.onmousedown = () => { mouse = true; };
speed.onkeydown = () => { mouse = false; };
speed.onchange = () => {
	pace();
	kept('speed', speed.value);
	if (mouse) speed.blur(); // its user types on
};
pace();

turns(b('color'), query.has('color') || !query.has('grey') && kept('color') !== 'false', on => { tube.grey = !on; });
turns(b('sound'), kept('sound') === 'true', on => { sound = on; });
turns(b('reader'), query.has('text') || kept('reader') === 'true', on => {
	document.body.classList.toggle('reader', on);
	typing.hidden = !on;
});
document.body.classList.toggle('bare', query.has('bare'));

b('copy').onclick = () => document.execCommand('copy'); // the other way needs https
b('png').onclick = () => canvas.toBlob(picture => picture && save(picture, 'png'));
b('vdt').onclick = () => save(new Blob([pageOf(minitel.screen)]), 'vdt');
b('play').onclick = () => {
	file.value = ''; // it may be the same again
	file.click();
};
file.onchange = () => play();
document.ondragover = e => e.preventDefault();
document.ondrop = e => {
	if (e.dataTransfer?.files.length) e.preventDefault();
	play(e.dataTransfer?.files ?? null);
};

async function play(files = file.files) {
	for (const f of files ?? []) try {
		minitel.line.play(f.name, recorded(await f.text()));
	} catch {
		say(`${f.name} n’est pas un enregistrement de Minitel.`);
	}
}

b('full').hidden = !document.fullscreenEnabled;
b('full').onclick = () => document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();

function save(content = new Blob(), ending = '') {
	const href = URL.createObjectURL(content), now = new Date().toISOString().slice(0, 19).replaceAll(':', '');
	make('a', { href, download: `minitel-${now}.${ending}` }).click();
	setTimeout(() => URL.revokeObjectURL(href), 10000);
}

new ResizeObserver(paint).observe(b('tube'));

const calm = matchMedia('(prefers-reduced-motion: reduce)');
setInterval(() => {
	tube.dark = !tube.dark && !calm.matches;
	paint();
}, 1000);

// A phone that slept has lost the line.
document.onvisibilitychange = () => document.hidden || minitel.line.retry();
window.ononline = () => minitel.line.retry();

window.onhashchange = () => location.reload(); // another code

minitel.line.call();
if (query.has('url')) say('Ce Minitel n’appelle que sa propre passerelle\xA0: «\xA0url\xA0» n’est pas suivi.');

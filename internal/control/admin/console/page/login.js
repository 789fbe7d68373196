// Who looks at this page. Where the gateway wants a token, it is asked for once, and kept
// nowhere: the session that it begins is in a cookie, which no script sees.

import { ask, known } from './api.js';
import { act, b, because, element } from './page.js';

const dialog = element('login', HTMLDialogElement), form = dialog.querySelector('form') ?? new HTMLFormElement();
const refusal = dialog.querySelector('[role=alert]') ?? form;

let welcome = false;
known.lost = () => {
	if (welcome) location.reload(); // what is shown is for nobody any more
	else if (!dialog.open) dialog.showModal();
};
dialog.oncancel = e => e.preventDefault(); // there is nothing behind it

form.onsubmit = async e => {
	e.preventDefault();
	try {
		await ask('POST', '/login', { token: String(new FormData(form).get('token')).trim() });
		location.reload();
	} catch (no) { refusal.textContent = because(no); }
};

b('logout').onclick = () => act(async () => {
	await ask('DELETE', '/login');
	location.reload();
	return '';
});

/** Whether the page is waiting for somebody to log in, who then sees it begin anew. */
export const locked = () => dialog.open;

/** Finds out who looks at it. */
export async function recognise() {
	try {
		const { role, by } = await ask('GET', '/login');
		welcome = true;
		document.body.classList.toggle('looks', role === 'look');
		b('logout').hidden = by !== 'session';
	} catch { /* the dialog or the banner says it */ }
}

/**
 * What a terminal was sent, and after how many ms, in a file as package recording writes it. Lines that
 * are none of it, as one that was cut off, are passed over. Throws something if it is no such file.
 */
export function recorded(text = '') {
	const [{ version }, ...events] = text.split('\n').flatMap(line => {
		try {
			return [JSON.parse(line)];
		} catch {
			return [];
		}
	});
	if (!/^[23]$/.test(version)) throw version;
	/** @type {[number, string][]} */ const sent = [];
	let now = 0;
	for (const [time, kind, data] of events) {
		now = Math.max(now, version < 3 ? time : now + time);
		if (!(now >= 0) || kind === 'o' && /[^\0-\xFF]/.test(data)) throw data;
		if (kind === 'o') sent.push([1000 * now, `${data}`]);
	}
	return sent;
}

import { BLANK, DELIMITER, DRCS0, DRCS1, FLASHING, G1, G2, INVERTED, LINED, MASKED, SEPARATED, TALL, WIDE, chars, shifts
	} from './cell.js';
import { Screen, choices, national, renditions } from './screen.js';

const alike = (a = BLANK, b = BLANK) => a === b || `${Object.values(a)}` === `${Object.values(b)}`;
const at = (row = 1, column = 1) => '\x1F' + chars(0x40 + row, 0x40 + column);

// What shows a cell, once its attributes are there.
function shows({ set, code } = BLANK) {
	if (set === G2) return '\x19' + shifts[code];
	return set === DELIMITER ? ' ' : chars(set === G1 ? 0x20 | code & 0x1F | code >> 5 << 6 : code);
}

/** A stream, of seven bits, that makes a terminal just switched on show what the screen shows. */
export function pageOf(screen = new Screen()) {
	const t = new Screen(), { pen } = t, { cells, cursor: { row, column, on } } = screen; // t is such a terminal
	let page = '';
	const send = (s = '') => {
		page += s;
		t.write(Array.from(s, c => c.charCodeAt(0)));
	};
	const esc = (needed = false, s = '') => { if (needed) send('\x1B' + s); };
	const turn = (attr = 0, wanted = 0, how = '') => esc(!(pen.attr & attr) !== !wanted, how[+!wanted]);
	const choose = (which = 0, on = false) => esc(t.chosen[which] !== on, choices[which * 2 + +on]);

	const define = (set = DRCS0, name = 'B') => {
		const used = new Set(cells.flat().filter(c => c.set === set).map(c => c.code));
		if (!used.size) return;
		send(`\x1F#   ${name}I`);
		for (const code of used) {
			const bits = Array.from(screen.glyph(set, code), row => row.toString(2).padStart(8, '0')).join('') + '0000';
			send(`\x1F#${chars(code)}0${bits.replace(/.{6}/g, six => chars(0x40 + parseInt(six, 2)))}`);
		}
		send(at());
	};

	const dress = ({ set, ink, paper, attr } = BLANK, char = '') => {
		const zone = set === DELIMITER, mosaics = set === G1 || set === DRCS1;
		if (pen.mosaics !== mosaics) send(mosaics ? '\x0E' : '\x0F');
		if (!/^[ \x7F]/.test(char)) choose(+mosaics, set === DRCS0 || set === DRCS1);
		esc(pen.ink !== ink && !(zone && ink === paper), chars(0x40 + ink));
		if (!zone) turn(FLASHING, attr & FLASHING, 'HI');
		if (!mosaics) turn(INVERTED, zone ? +(ink !== paper) : attr & INVERTED, ']\\');
		if (!mosaics) esc(((pen.attr ^ attr) & (TALL | WIDE)) > 0, 'LNMO'[attr >> 5 & 3]);
		if (mosaics || zone) turn(LINED, attr & (LINED | SEPARATED), 'ZY');
		if (zone) turn(MASKED, attr & MASKED, 'X_');
		if (mosaics || zone) esc(pen.paper !== paper || zone && !pen.zone, chars(0x50 + paper));
	};

	// Draws a cell, and those like it on its right. A large character goes into its lower left cell.
	const draw = (row = 1, x = 0) => {
		const line = cells[row], c = line[x], char = shows(c), wide = c.attr & WIDE ? 2 : 1;
		const y = c.attr & TALL ? Math.min(row + 1, 24) : row, left = Math.min(x + 1, 41 - wide);
		if (alike(t.cells[row][x], c)) return;
		if (y !== pen.row || left !== pen.column) send(at(y, left));
		dress(c, char);
		let n = 1;
		while (x + n < 40 && alike(line[x + n], c)) n++;
		const more = c.set === DELIMITER ? 0 : (n / wide | 0) - 1;
		send(char + (more * char.length > 2 ? '\x12' + chars(0x40 + more) : ''));
	};

	if (screen.mode) {
		const ascii = Array.from({ length: 96 }, (_, i) => chars(0x20 + i));
		send('\x1B:2}');
		for (const [y, line] of cells.entries()) for (const [x, c] of line.entries()) {
			if (!y || alike(c)) continue;
			if (pen.row !== y || pen.column !== x + 1) send(`\x1B[${y};${x + 1}H`);
			for (const [begin, end, attr] of renditions) esc(((pen.attr ^ c.attr) & attr) > 0, `[${c.attr & attr ? begin : end}m`);
			const coded = () => ascii.find(char => national(char, pen.french) === chars(c.code));
			if (!coded()) send(pen.french ? '\x0F' : '\x0E');
			send(coded());
		}
		send(at(0) + cells[0].map(shows).join('').trimEnd() + '\n');
	} else {
		send('\f');
		define(DRCS0, 'B');
		define(DRCS1, 'C');
		// Halves at the end of the page, or of a row, come before what is over the other halves.
		for (const [x, { attr }] of cells[24].entries()) if (attr & TALL) draw(24, x);
		for (const [row, line] of cells.entries()) {
			if (line[39].attr & WIDE) draw(row, 39);
			for (const x of line.keys()) draw(row, x);
		}
		choose(0);
		choose(1);
	}
	send(row && t.mode ? `\x1B[${row};${column}H` : at(row, Math.min(column, 63)) + '\t'.repeat(Math.max(column - 63, 0)));
	if (on) send('\x11');
	choose(2, screen.revealed);
	return page;
}

package videotex

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The pages in testdata show between them all that the terminal can do, and are
// for any decoder to be held against: NAME.vdt is the stream, bit 7 clear, from
// power-on; NAME.cells.json is what Screen.JSON tells of it, with the answers of
// a Minitel 1B, and with a cell for each place. A decoder agrees if it
// tells the same, compared as JSON.
//
// Some things are not in the cells: what a redefined character looks like (see
// TestGlyph), the bell, and damaged bytes (TestParity).
//
// The streams are made by the table below, but for the welcome page
// accueil.vdt. After a change that is meant,
//
//	go test ./videotex -run TestPages -update
//
// rewrites both files of each; look at the difference before it goes in.
var update = flag.Bool("update", false, "rewrite the pages in testdata, and what they show")

// at goes to a row and column, and resets all attributes.
func at(row, column int) string { return string(Page{}.At(row, column)) }

// rows returns lines below each other, from a row and column on.
func rows(row, column int, lines ...string) string {
	var b strings.Builder
	for i, line := range lines {
		b.WriteString(at(row+i, column) + line)
	}
	return b.String()
}

// codes returns the codes first to last, each after what is before it.
func codes(before string, first, last byte) string {
	var b strings.Builder
	for c := int(first); c <= int(last); c++ {
		b.WriteString(before + string(rune(c)))
	}
	return b.String()
}

const (
	mixte     = "\x1B:2}"
	videotex  = "\x1B:2~"
	scrolling = "\x1B:iC"
	// A check, then a small square of four dots, as definitions of 14 bytes.
	check  = "\x6A\x65\x56\x6A\x65\x56\x6A\x65\x56\x6A\x65\x56\x6A\x40"
	square = "\x40\x40\x40\x40\x43\x4C\x43\x4C\x40\x40\x40\x40\x40\x40"
)

var drawings = map[string]string{
	"text-sets": "\x0C" + rows(2, 1,
		codes("", 0x20, 0x3F), codes("", 0x40, 0x5F), codes("", 0x60, 0x7F), // G0
		codes("\x19", 0x20, 0x3F), codes("\x19", 0x50, 0x6F), codes("\x16", 0x70, 0x7F), // G2, SYN too
		"\x19Aa\x19Ae\x19Ai\x19Au\x19AA\x19Ba\x19Be\x19BE", // accents, some of which there are not
		"\x19Ca\x19Ce\x19Ci\x19Co\x19Cu\x19Cy", "\x19Ha\x19He\x19Hi\x19Ho\x19Hu\x19Hn", "\x19Kc\x19Kg",
		"\x19@e\x19De\x19Ee\x19Fe\x19Ge\x19Ie\x19Je\x19Le\x19Me\x19Ne\x19Oe",
		"\xC1\xE2\xA0\xE3", // bit 7 is none of theirs
	),

	"character-attributes": "\x0C" + rows(2, 3,
		"\x1B@noir\x1BArouge\x1BBvert\x1BCjaune\x1BDbleu\x1BEmagenta\x1BFcyan\x1BGblanc",
		"\x1BHclignote\x1BI fixe \x1B]inverse\x1B\\ positif",
		"\x1BA\x1BH\x1B]tout \x1BL\x1BBa \x1BC la\x1BI\x1B\\ fois",
		"\x1B]\x1B@\x1BQ noir \x1BG\x1BP\x1B\\ suite",
		"\x1BJ\x1BK\x1B^\x1B`\x1Bprien") + // no attributes
		at(8, 1) + "\x1BA\x1BH\x1B]porte\r\n\n\x09\x09\x0B\x08les attributs" + // moves keep them
		at(11, 1) + "\x1BA\x1BH\x1B]x\x1Eici", // articles do not

	"zones": "\x0C" + rows(2, 1,
		"\x1BPa\x1BQ b\x1BR c\x1BS d\x1BT e\x1BU f\x1BV g\x1BW h\x1BP fin", // each paper, from its space on
		"\x1BQattend un espace",
		"\x1BQ  deux espaces \x1BQ \x1BR \x1BR ",
		"\x1BZ souligne\x1BY plus \x1BT\x1BZ les deux\x1BP fond\x1BY fin",
		"\x1B]\x1BA\x1BT inverse \x1B\\\x1BH\x1BR clignote ",
		"\x1BQ rouge\x1BR\x0E!\x0Fapres mosaique",
		"\x1BZ souligne\x0E!\x0Fplus",
		"\x1BQ ABCDEF"+at(9, 4)+"xx",     // written into a zone
		"\x1BQ AB\x1BR CD"+at(10, 4)+"x", // over a delimiter
		"\x1BQ ABCDEF"+at(11, 4)+" y",    // a space that starts nothing
		"\x1BQ"+at(12, 1)+" z",           // dropped by US
		"\x1BQ AB"+at(13, 9)+"apres un vide",
		"\x1BQ\x12C \x12E", // REP of a delimiter
		"\x1BQ\x18 A\x1BZ\x18B",
		"\x1BA\x1BR \x1B]\x18A") +
		at(18, 35) + "\x1BQ fin de rangee" +
		at(20, 1) + "\x1BMx" + at(21, 3) + "\x1BQ\x1BO haut" + at(22, 3) + "\x1BS\x1BN large",

	"masking": "\x0C" + maskedPage,

	"masking-revealed": "\x0C" + maskedPage + "\x1B\x23\x20\x5F",

	"masking-restored": "\x0C\x1B\x23\x20\x5F" + maskedPage + "\x1B\x23\x20\x58",

	"mosaics": "\x0C" + rows(2, 1,
		"\x0E"+codes("", 0x20, 0x3F), "\x0E"+codes("", 0x60, 0x7F), "\x0E"+codes("", 0x40, 0x5F),
		"\x0E\x1BZ"+codes("", 0x20, 0x3F), "\x0E\x1BZ"+codes("", 0x60, 0x7F),
		"\x0E\x1BQ\x1BC!\x1BR\x1BH\x1BZ*\x1BP\x1BI\x1BYj\x0Fa b",
		"\x0E\x19!\x16*\x19Be\x0F\x19Be",             // SS2 is nothing here
		"\x1B]\x1BNA\x0E*\x0FA",                      // size and inversion end for good
		"\x0E\x1B]\x1BN*\x0FA",                       // and are not to be had
		"\x1B]\x1BNA\x0FA",                           // nor after SI
		"\x0E\x1BZ*\x0Fa b\x0E*",                     // separation ends with SI
		"\x1BA\x1BH\x0E*\x0FA\x0E\x1BB*\x0FB",        // ink and flash go on
		"\x0E*\x12E\x1A\x7F\x1BQ\x12B\x18"+at(15, 1), // REP, SUB, DEL, CAN
	),

	"sizes": "\x0C\x1BMen rangee 1\x1BO non plus" + rows(3, 1,
		"\x1BMhauteur", "", "\x1BNlargeur", "", "\x1BOtaille", "",
		"normal\x1BNl\x1BMh\x1BOt\x1BLn") +
		at(11, 1) + "\x1BA\x1BH\x1B]\x1BOetc. \x1BT \x1BZ a b" +
		at(13, 39) + "\x1BNab" + // no width in column 40
		at(16, 40) + "\x1BOab" + // down by two rows after it
		at(19, 1) + "\x1BM\x19Be\x19z\x7F~" +
		at(22, 39) + "\x1BMabcd" +
		at(23, 39) + "\x1BMef" + // to row 2 from row 23
		at(9, 30) + "\x1BNA\x08\x08B\x08\x08\x08\x08C",

	"sizes-overwritten": "\x0C" + rows(3, 1,
		"\x1BNABC"+at(3, 2)+"x",           // a right half
		"\x1BNABC"+at(4, 1)+"x",           // a left half
		"\x1BNABC"+at(5, 2)+"\x1BA\x1BNx", // both, of two
		"\x1BNABC"+at(6, 2)+"\x0E!",       // by a mosaic
		"\x1BNABC"+at(7, 2)+"\x1BQ x",     // by a delimiter
		"\x1BNABC"+at(8, 2)+"\x1B[3P",     // shifted
		"\x1BNABC"+at(9, 2)+"\x1B[4hyz\x1B[4l") +
		at(12, 1) + "\x1BMABCD" + at(12, 1) + "x" + at(11, 2) + "y" + at(12, 3) + "\x1BMz" + at(11, 4) + "\x1BMt" +
		at(15, 1) + "\x1BOABCD" + at(15, 2) + "x" + at(14, 4) + "y" + at(15, 5) + "\x1BNz" + at(14, 7) + "\x1BMt" +
		at(18, 1) + "\x1BMABC" + at(17, 1) + "\x1B[L" + // torn apart
		at(22, 1) + "\x1BMABC" + at(23, 1) + "\x1BMDEF" + at(24, 1) + "\x1BMGHI", // one over another

	"repetition": "\x0C" + rows(2, 1,
		"a\x12Cb\x12@c\x12Ed\x12AA\x12A",
		"\x19Be\x12E\x19z\x12A\x19\x30\x12B",
		"\x1BA*\x12C\x1BB\x1B]\x12C\x1BN\x12B",
		"!\x0E\x12C\x1BA\x12C\x0F\x12C", // in the set of the moment
		"\x19Be\x0E\x12B\x0F\x19BE\x0E\x12B",
		"a\x12\x33b\x12\rc\x12\x00Bd\x12\x12Ce",
		"\x1BQ \x12Ca \x12B",
		"\x7F\x12B\x1A\x12B",
	) + at(10, 38) + "a\x12E" + at(13, 39) + "\x1BMb\x12C" + // over the end of the row
		at(16, 1) + "c" + at(17, 1) + "\x12C" + "\r\n\x12A" + "\x1E\x12B" + // the same character still
		at(20, 1) + "\x1BOt\x12C" + at(22, 1) + "\x12\x7F",

	"moves": "\x0C" + at(1, 1) + "\x08A" + at(24, 40) + "\x09B" + at(24, 3) + "\nC" + at(1, 5) + "\x0BD" +
		at(24, 40) + "EF" + at(5, 40) + "\x09G" + at(5, 1) + "\x08H" +
		at(7, 10) + "\x1BMI\x0BJ\n\nK\x08\x08L" + // one row, whatever the size
		at(10, 10) + "abc\rd\x09e\nf\x0Bg" +
		"\x1F15h\x1F00i\x1F\x00B\x00Aj" + // obsolete, and padded
		at(20, 1) + "k\x1FYAl\x1FBim\x1FaAn\x1FA@o\x1F25p" + // to nowhere
		at(24, 39) + "\x1BOqr" + at(12, 20) + "\x1BAs\x1Et\x11",

	"scrolling": "\x0C" + scrolling + at(0, 1) + "rangee 0\n" + at(3, 1) + "trois" + at(24, 1) +
		"a\r\nb\r\nc\r\nd" + at(24, 39) + "efg" + // up by one
		at(24, 39) + "\x1BMhijk" + // by two
		at(24, 40) + "\x09l" + at(1, 7) + "\x0Bm" + at(1, 1) + "\x08n", // down, and on

	"scrolling-ended": "\x0C" + scrolling + at(24, 1) + "a\nb\x1B:jCc\nd" + at(1, 9) + "\x0Be" + "\x1B9\x7F" + "\nf",

	"csi-moves": "\x0C\x1B[5;5HA\x1B[HB\x1B[;9HC\x1B[9HD\x1B[0;3HE\x1B[25;1HF\x1B[3;41HG" +
		"\x1B[10;10H\x1B[2AH\x1B[3BI\x1B[CJ\x1B[4DK\x1B[0CL" + // none is one
		"\x1B[10;10H\x1B[99Am\x1B[99Cn\x1B[99Bo\x1B[99Dp" + // they stop at the edges
		at(15, 1) + "\x1BA\x1BM\x0E\x1B[17;1H!\x0F\x1B[18;5Hq" + // and keep attributes
		"\x1B[3;3fr\x1B[?5Cs\x1B[31mt\x1B[5!Cu\x1B[1;2;3Cv\x1B[20;\x1B[3\x00;\x006Hw",

	"csi-editing": "\x0C" + rows(2, 1, "ABCDEF"+at(2, 3)+"\x1B[2P", "ABCDEF"+at(3, 3)+"\x1B[2@", "ABCDEF"+at(4, 3)+"\x1B[4hxy\x1B[4lz") +
		at(5, 36) + "ABCDE" + at(5, 36) + "\x1B[4hxyz\x1B[4l" + // what runs over is gone
		rows(6, 1, "\x1BQ AB"+at(6, 3)+"\x1B[P", "\x1BQ AB"+at(7, 1)+"\x1B[@") + // with their zones
		rows(9, 1, "un", "deux", "trois", "quatre", "cinq") +
		at(10, 3) + "\x1B[2L\x1BAx" + at(13, 5) + "\x1B[My" +
		at(23, 1) + "z" + at(20, 1) + "\x1B[99M" + at(22, 1) + "t\x1B[99L" +
		at(0, 1) + "rangee 0\x1B[2J\x1B[P\x1B[L\n",

	"csi-erasing": "\x0C" + at(0, 1) + "rangee 0\n" + strings.Repeat("Rangee pleine de quarante caracteres....", 24) +
		at(3, 9) + "\x1B[K" + at(4, 9) + "\x1B[1K" + at(5, 9) + "\x1B[2Kici" + at(6, 9) + "\x1B[3K\x1B[0K" +
		at(2, 5) + "\x1B[1J" + at(22, 9) + "\x1B[J" + at(9, 1) + "\x1BQ rouge" + at(9, 4) + "\x1B[K\x1B[6Cx",

	"csi-erased-all": "page\x1BA\x1BHx" + at(0, 3) + "zero\n\x1B[2Jy",

	"row-00": "\x0C" + at(4, 10) + "\x1BA\x1B]\x1BH\x1BNab" + at(0, 1) + "message\x18\ncd" + // all comes back
		at(6, 1) + "\x0E\x1BQ!" + at(0, 10) + "encore\n!" + // mosaics, too
		at(8, 1) + "\x1BQ" + at(0, 18) + "\x1BA\x1BR vert\n x" + // and a zone that waits
		at(10, 1) + "a" + at(0, 30) + "b\n\x12C" + // but REP has another character
		at(12, 1) + "c" + at(0, 31) + "d" + at(0, 32) + "e\nf", // once there, there

	"row-00-limits": "\x0C" + at(0, 1) + "\x08a\x0B\x1B[2Bb\x1BMc\x1BOd\x1BNe\x1BL\x1B]f\x1B\\\rg" +
		"\x1F@J\x0E!\x1BQ*\x0F h\x1BZ i" + at(0, 38) + "jklmn\x09o" + "\x0C" + "page" + at(0, 20) + "\x1BAp\x1Eq",

	"row-00-unfinished": "\x0C" + at(3, 3) + "page" + at(0, 5) + "\x1BBici\x11",

	"row-00-cleared": at(0, 1) + strings.Repeat("x", 36) + at(0, 11) + "\x18\n" + "\x0C" + at(0, 5) + "\x0E\x1BR\x18\x0E!\n",

	"redefined-characters": "\x0C\x1F\x23\x20\x20\x20\x42\x49\x1F\x23A0" + check + "0" + square + "0" +
		"\x1F\x23a0\x7F\x7F0" + // a short one
		at(2, 1) + "A\x1B(\x20BAB a!\x7F\x1B(@A" +
		at(4, 1) + "\x1B(\x20B\x1BA\x1B]\x1BH\x1BMA\x1BNA\x1BOA" +
		at(6, 1) + "\x19BeA\x12B\x19\x30\x0FA\x0E!\x0FA" + at(7, 1) + "A\x1B(@A" + // US, SI keep the set
		"\x1F\x23\x20\x20\x20\x43\x49\x1F\x23!0" + check + "\x1F\x23\x22\x30" + square +
		at(9, 1) + "\x1B)\x20C\x0E\x1BQ\x1BC!\"#\x7F\x20\x1BZ!\x1B)c!\x1B)\x20C\x0F!" +
		at(0, 1) + "\x1B(\x20BA\x0E!\n" + at(10, 1) + "A\x0E!\x0F\x1B)c" + at(11, 1) + "B\x1B(@B" +
		at(12, 1) + "\x1F\x23A0\x60\x00\x1B9{\x44\x0D\x60" + at(13, 1) + "suite" + // padding, an order, a stray character
		at(14, 1) + "\x1F\x23A0" + square + "\x1F@Aperdu\nperdu\x1FOAretour",

	"interruptions": "\x0C" + rows(2, 1,
		"\x1B\rA", "\x1B\x1BAB", "\x1F\rC", "\x1FB\rD", "\x19\x1BAE", "\x19B\x1BAe\x19\x19Bf", "\x19B\x09g\x12\x09h\x13\x09i\x19\x09j\x1B\x09k\x1FB\x09l",
		"\x1D\x09m\x1B[3\x09n\x1B[3;\x1BAo\x1B5\x09p\x1B$\x09q\x1B(\x20\x09r\x1B[\x1Fs\x09t",
		"a\x1FJ\x00\x00Bb\x00c\x19\x00B\x00ed\x1B\x00Ae\x12\x00Bf",       // padding
		"\x13AaSEP\x13\x59b\x1DXc\x1B5Xd\x1B6Ye\x1B7Zf\x1B\x20\x20\x31g", // not for the screen
		"\x1B4a\x1B8b\x1B=c\x1Bpd\x1B!\"#$%0e\x1B#1f\x1B#!Wg",
		"\x01a\x02b\x03c\x04d\x05e\x06f\x07g\x10h\x15i\x17j\x1Ck",
	) + at(16, 1) + "a\x1B%perdu\x0C\x1FAA\x1B/8perdu\x1B/?b\x1B%perdu\x1B%@c\x1B%\x1B9{\x1B%@d" +
		at(17, 1) + "\x1FQ\x1B9{Eb\x19\x1B9{B\x1Bae\x1B[\x1B9{3C\x1B9\rc\x1B:\x00\x1B\x1B;\x0C\x0C\x0Cd\x12\x1B:AAB" + // orders
		at(18, 1) + "\x1F<ABCD\ra\x1F>ABCD\rb\x1B:f\x03\x1B9{c\x1AA" +
		at(19, 1) + "\x1B%perdu\x1B9\x7Fa" + // a reset
		at(20, 1) + "fin\x1B[",

	"answers": "\x0C\x1B9{\x1B9p\x1B9r\x1B9t\x1B9v\x05\x1B:rY\x1B:rZ\x1B:rX" + at(7, 33) + "\x1Ba" + at(0, 3) + "\x1Ba\n" +
		"\x1B:iE\x1B:iC\x1B9r\x1B:jC\x1B:iD\x1B:jD\x1B:iF\x1B;iYA\x1B;iYC\x1B;jYC\x1B:bX\x1B:bQ\x1B;aXQ\x1B;`XQ\x1B;`XP\x1B;aXP" +
		"\x1B:dZ\x1B:eZ\x1B:eZ\x1B:dR\x1B;aXQ\x1B:iD\x1B:jD\x1B:eR\x1B:kd\x1B:AA\x1B9\x00\x1B9\x7F\x1B9r\x1B:rY",

	"columns-80": mixte + strings.Repeat("0123456789", 9) + "\x1BE" + codes("", 0x20, 0x7F) + "\x1BE\x0E" + codes("", 0x20, 0x7F) + "\x0F\x1BE" +
		"\x1B[1mvif\x1B[4m souligne\x1B[5m clignote\x1B[7m inverse\x1B[22;24m moins\x1B[25m\x1B[27m rien \x1B[7m\x1B[m\x1BE" +
		"a\x09b\x09\x09c\x1B[6;76Hd\x09ef\r\x08g" +
		"\x1B[8;1HABCDEF\r\x1B[C\x1B[2P\x1B[C\x1B[2@x\x1B[4hyz\x1B[4l" +
		"\x1B[10;1Hdix\x1BEonze\x1BEdouze\x1B[A\x1B[L\x1B[14;1H\x1B[Mquatorze" +
		"\x1B[16;1Habcdef\x1B[3D\x1B[K\x1B[17;1Habcdef\x1B[3D\x1B[1K" +
		"\x1B[18;5H\x1B[4m\x0E\x1B7@\x1B[m\x0F\x1B[19;1H@\x1B8@\x1B[m\x0F" +
		"\x1B[20;1H\x18\x1Aa\x1BAb\x1BQ c\x12Cd\x19Bef\x14g\x1FAAh\x1B[ii\x1B[2hj\x1B[2lk\x1B\x18l" +
		"\x1F@A\x19Ben rangee 0 \x1BA\x1B]\x1BN\x0Esans attributs\x0F\x12B\x1F@\x7Fcolonne 63\n*",

	"columns-80-scrolling": mixte + "un\x1BEdeux\x1B[24;1Hbas\nplus\x0Bbas\x0Cencore\x1BDun\x1BEautre\x1B[H\x1BMhaut\x1B:jC\x1BMen bas\x1B[24;9H\nen haut\x1B9r",

	"columns-80-started-again": mixte + "\x1F@Azero\npage\x0E\x1B[4m\x1B[4h\x1B7\x1Bc@\x1B8#",

	"columns-80-and-back": "avant" + at(0, 1) + "zero\n\x1BA\x1BH" + scrolling + mixte + "perdu" + at(0, 1) + "aussi\n\x1B[4m\x1B9r\x1B:rY" + videotex + "apres" + at(24, 1) + "x\ny\x1B9r\x1B:rY",

	"columns-80-reset": "avant" + mixte + "perdu\x1B9\x7Fapres\x1B9r",

	"teleinformatique": "avant\x1B:1}\x1B9{a\x1Bab\x1B:2~\x13c\x1BEe\x09\x0E@\x0F@\x1B[7mf\x1F@Azero\x1B9p\n\x1B[5;5Hg",

	"teleinformatique-and-back": "avant\x1B:iE\x1B:1}perdu\x1B[?{apres\x1B9r",
}

const maskedPage = "\x1FBA\x1BX cache\x1B_ visible\x1BX\x1BR cache en vert\x1B_ non" +
	"\x1FDA\x1BX cache\x0E!*j\x1BQ \x0Fencore" +
	"\x1FFA\x1BX\x0E!\x0Fpas encore mais" +
	"\x1FHA\x1BX\x1B] inverse \x1BHclignote\x1B\\ fixe\x12E" +
	"\x1FKA\x1BX\x1BO grand"

// TestPages compares what each page in testdata shows with what is on file, and
// those of the table with their streams.
func TestPages(t *testing.T) {
	for name, stream := range drawings {
		path := filepath.Join("testdata", name+".vdt")
		if *update {
			write(t, path, []byte(stream))
		}
		if onFile, err := os.ReadFile(path); err != nil || string(onFile) != stream {
			t.Errorf("%s is not what the table has (error %v; -update writes it)", path, err)
		}
	}
	files, _ := filepath.Glob("testdata/*.vdt")
	if len(files) <= len(drawings) {
		t.Errorf("%d pages on file, %d in the table", len(files), len(drawings))
	}
	for _, file := range files {
		stream, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := screenOf(string(stream))
		path := strings.TrimSuffix(file, ".vdt") + ".cells.json"
		if *update {
			write(t, path, s.JSON())
		}
		var want dumped
		readJSON(t, path, &want)
		if d := differences(s.dump(), want); len(d) > 0 {
			t.Errorf("%s: %d differences\n%s\n%s", file, len(d), strings.Join(d[:min(5, len(d))], "\n"), look(s)+s.String())
		}
	}
}

func write(t *testing.T, path string, p []byte) {
	t.Helper()
	if err := os.WriteFile(path, p, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestJSON checks the form of the whole, and of cells of each kind.
func TestJSON(t *testing.T) {
	s := screenOf("\x11\x1BA\"\\\x19Be\x1BQ \x0E\x1BZ!\x0F\x1BX \x1BNA\x1B9{")
	p := string(s.JSON())
	for _, want := range []string{
		`{"cols":40,"cursor":[1,9],"cursor_on":true,"mask_enabled":true,"rows":[[` +
			`{"set":"G0","idx":32,"ch":" ","sep":0,"fg":7,"bg":0,"flash":0,"inv":0,"mask":0,"under":0,"part":"-"},`,
		"],\n" + `[{"set":"G0","idx":34,"ch":"\"","sep":0,"fg":1,"bg":0,"flash":0,"inv":0,"mask":0,"under":0,"part":"-"},` +
			`{"set":"G0","idx":92,"ch":"\\","sep":0,"fg":1,"bg":0,"flash":0,"inv":0,"mask":0,"under":0,"part":"-"},` +
			`{"set":"G0","idx":18,"ch":"é","sep":0,"fg":1,"bg":0,"flash":0,"inv":0,"mask":0,"under":0,"part":"-"},` +
			`{"set":"DELIM","idx":0,"ch":"","sep":0,"fg":1,"bg":1,"flash":0,"inv":1,"mask":0,"under":0,"part":"-"},` +
			`{"set":"G1","idx":1,"ch":"","sep":1,"fg":1,"bg":1,"flash":0,"inv":0,"mask":0,"under":0,"part":"-"},` +
			`{"set":"DELIM","idx":0,"ch":"","sep":0,"fg":1,"bg":1,"flash":0,"inv":1,"mask":1,"under":0,"part":"-"},` +
			`{"set":"G0","idx":65,"ch":"A","sep":0,"fg":1,"bg":1,"flash":0,"inv":0,"mask":1,"under":0,"part":"sl"},` +
			`{"set":"G0","idx":65,"ch":"A","sep":0,"fg":1,"bg":1,"flash":0,"inv":0,"mask":1,"under":0,"part":"sr"},`,
		`"part":"-"}]],"replies":"0143753c04"}` + "\n",
	} {
		if !strings.Contains(p, want) {
			t.Errorf("%s\nis not in\n%s", want, p)
		}
	}
	const bold = `[{"set":"G0","idx":65,"ch":"A","sep":0,"fg":7,"bg":0,"flash":0,"inv":0,"mask":0,"under":0,"bold":1,"part":"-"},`
	if p := screenOf(mixte + "\x1B[1mA").JSON(); !bytes.Contains(p, []byte(bold)) {
		t.Errorf("%s\nis not in\n%s", bold, p)
	}
	if lines := strings.Count(p, "\n"); lines != 25 {
		t.Errorf("%d lines", lines)
	}
}

package history

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What marks a database as ours, and as one that we understand.
const (
	applicationID = 0x4d6f4950 // MoIP
	version       = 1
)

// The schema. A run is a gateway from its start to its end. The key of a call is the
// moment at which it began, in microseconds since 1970, as all moments are; if another
// has that already, the next that is free. So keys are also the order, and where a page
// of records ends. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d: a network is a range.
//
// Costs are in ten-thousandths of their currency, which is empty where nobody has
// counted. Whatever has no end is under way.
const schema = `
CREATE TABLE runs (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	node  TEXT NOT NULL,
	began INTEGER NOT NULL,
	seen  INTEGER NOT NULL -- when it is known to have been alive
) STRICT;

CREATE TABLE calls (
	id        INTEGER PRIMARY KEY,
	run       INTEGER NOT NULL,
	call      INTEGER NOT NULL, -- its number in the run
	address   BLOB,
	port      INTEGER,
	transport TEXT NOT NULL,
	terminal  TEXT NOT NULL,
	bytes_in  INTEGER NOT NULL,
	bytes_out INTEGER NOT NULL,
	ended     INTEGER,
	reason    TEXT NOT NULL,
	error     TEXT NOT NULL
) STRICT;
CREATE INDEX calls_address ON calls (address);
CREATE INDEX calls_open ON calls (id) WHERE ended IS NULL;

CREATE TABLE visits (
	call      INTEGER NOT NULL, -- id in calls
	n         INTEGER NOT NULL, -- from 0
	service   TEXT NOT NULL COLLATE NOCASE,
	began     INTEGER NOT NULL,
	ended     INTEGER,
	seconds   INTEGER NOT NULL, -- charged for
	palier    TEXT NOT NULL,
	cost      INTEGER NOT NULL,
	currency  TEXT NOT NULL,
	bytes_in  INTEGER NOT NULL,
	bytes_out INTEGER NOT NULL,
	reason    TEXT NOT NULL,
	PRIMARY KEY (call, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX visits_service ON visits (service, call, currency, began, ended, cost); -- has all that totals need
CREATE INDEX visits_open ON visits (call) WHERE ended IS NULL;
`

// A store is the database, open.
type store struct {
	path    string
	o       Options
	info    fs.FileInfo // of the file
	lock    *os.File    // that this run goes on
	damaged atomic.Bool // somebody has seen that it is

	readers *sql.DB
	ctx     context.Context // done when readers have to stop
	stop    context.CancelFunc

	// Owned by whoever writes.
	writer                  *sql.DB
	seen, putCall, putVisit *sql.Stmt
	run                     int64
	count                   int   // rows of calls
	missed                  int   // records that went before they were shipped
	counted                 int64 // the state of the database, by others' changes, in which count was right
}

// openStore opens or creates the database. One that is damaged is set aside.
func openStore(path string, o Options) (*store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s, err := tryStore(path, o)
	if isDamage(err) {
		o.Log.Error("history is damaged", "error", err)
		if err = s.setAside(); err == nil {
			s, err = tryStore(path, o)
		}
	}
	return s, err
}

// tryStore is openStore, and fails if the database is damaged. The store is then closed.
func tryStore(path string, o Options) (*store, error) {
	if err := touch(path); errors.Is(err, errForeign) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w (name a file that can be written, in a directory that is there)", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s := &store{path: path, o: o, info: info}
	s.ctx, s.stop = context.WithCancel(context.Background())
	// A transaction that will write says so at once, and no commit waits for the disk:
	// the system writes it soon, and what it has, a killed process does not lose.
	s.writer, err = openDB(path, "_txlock=immediate", "journal_mode(wal)", "synchronous(normal)", "busy_timeout(2000)", "journal_size_limit(16777216)")
	if err == nil {
		s.writer.SetMaxOpenConns(1)
		err = s.prepare()
	}
	if err == nil {
		s.readers, err = openDB(path, "mode=ro", "query_only(1)", "busy_timeout(2000)")
	}
	if err == nil {
		s.readers.SetMaxOpenConns(4)
		s.readers.SetMaxIdleConns(1)
		s.readers.SetConnMaxIdleTime(time.Minute)
	}
	if err != nil {
		s.close()
		if isLocked(err) {
			err = fmt.Errorf("%w (see which program has it locked, or name another file)", err)
		}
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// touch creates the file, which is not for all to read, as its companions then are not
// either. An open database must not be opened and closed like this: with the file the
// system forgets the locks.
func touch(path string) error {
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file", path)
		}
		return untouched(path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	return f.Close()
}

// untouched returns errForeign for a database that was never one of ours, which would be
// changed by opening it as such: ours have a write-ahead log from the first byte on, and
// are known by a number afterwards (https://www.sqlite.org/fileformat.html, section 1.3).
func untouched(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [72]byte
	_, err = io.ReadFull(f, head[:])
	rollback, id := head[18] == 1, binary.BigEndian.Uint32(head[68:])
	if err == nil && strings.HasPrefix(string(head[:]), "SQLite format 3\x00") && rollback && id != applicationID {
		return fmt.Errorf("%s %w", path, errForeign)
	}
	return nil // or opening it will tell
}

var errForeign = errors.New("is a database of something else (name another file)")

func openDB(path, option string, pragmas ...string) (*sql.DB, error) {
	path = filepath.ToSlash(path)
	if path[0] != '/' { // C:/
		path = "/" + path
	}
	name := (&url.URL{Scheme: "file", Path: path}).String() + "?" + option
	for _, p := range pragmas {
		name += "&_pragma=" + p
	}
	return sql.Open("sqlite", name)
}

// prepare makes or checks the tables, and ends what a killed run has left.
func (s *store) prepare() error {
	err := s.transaction(tables)
	if err == nil {
		err = s.begin()
	}
	if err != nil {
		return err
	}
	for stmt, text := range map[**sql.Stmt]string{
		&s.seen: `UPDATE runs SET seen = ? WHERE id = ?`,
		// Changes nothing if the row is another call's.
		&s.putCall: `INSERT INTO calls (id, run, call, address, port, transport, terminal, bytes_in, bytes_out, ended, reason, error)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET terminal = excluded.terminal, bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out,
				ended = excluded.ended, reason = excluded.reason, error = excluded.error
			WHERE run = excluded.run AND call = excluded.call`,
		&s.putVisit: `INSERT OR REPLACE INTO visits (call, n, service, began, ended, seconds, palier, cost, currency, bytes_in, bytes_out, reason)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	} {
		if *stmt, err = s.writer.Prepare(text); err != nil {
			return err
		}
	}
	return s.recount()
}

// recount counts the calls if others, who have this history too, have changed something.
func (s *store) recount() error {
	var now int64
	if err := s.writer.QueryRow("PRAGMA data_version").Scan(&now); err != nil || now == s.counted {
		return err
	}
	s.counted = now
	return s.writer.QueryRow("SELECT count(*) FROM calls").Scan(&s.count)
}

// tables makes or checks them. Another gateway may want to make them just now.
func tables(tx *sql.Tx) error {
	var id, number, there int
	err := errors.Join(
		tx.QueryRow("PRAGMA application_id").Scan(&id),
		tx.QueryRow("PRAGMA user_version").Scan(&number),
		tx.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&there))
	switch {
	case err != nil:
		return err
	case there == 0:
		_, err = tx.Exec(schema + outbox + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version))
		return err
	case id != applicationID:
		return errForeign
	case number != version:
		return fmt.Errorf("is of version %d, and this program understands %d (name another file, or use a newer program)", number, version)
	}
	_, err = tx.Exec(outbox) // which older ones have not
	return err
}

// begin begins a run. Whatever is under way by the tables, in a run that does not go on,
// was so when that was killed. One that goes on is of a gateway that this one replaces.
func (s *store) begin() error {
	return s.transaction(func(tx *sql.Tx) error {
		killed, err := s.killed(tx)
		if err != nil {
			return err
		}
		for _, run := range killed {
			if s.o.Ship {
				if _, err := tx.Exec("INSERT OR IGNORE INTO outbox SELECT id FROM calls WHERE ended IS NULL AND run = ?", run); err != nil {
					return err
				}
			}
			for _, text := range []string{
				`UPDATE visits SET reason = ?1, ended = max(began, ifnull((SELECT seen FROM runs WHERE id = ?2), 0)), bytes_in = 0, bytes_out = 0
					WHERE ended IS NULL AND call IN (SELECT id FROM calls WHERE ended IS NULL AND run = ?2)`,
				`UPDATE calls SET reason = ?1, ended = max(id, ifnull((SELECT seen FROM runs WHERE id = ?2), 0)) WHERE ended IS NULL AND run = ?2`,
			} {
				if _, err := tx.Exec(text, string(ReasonKilled), run); err != nil {
					return err
				}
			}
		}
		now := micro(time.Now())
		result, err := tx.Exec("INSERT INTO runs (node, began, seen) VALUES (?, ?, ?)", s.o.Node, now, now)
		if err != nil {
			return err
		}
		if s.run, err = result.LastInsertId(); err != nil {
			return err
		}
		s.lock, err = lockRun(s.path, s.run)
		return err
	})
}

// killed returns the runs that do not go on. Most have ended in good order, and have no
// calls under way.
func (s *store) killed(tx *sql.Tx) (runs []int64, err error) {
	rows, err := tx.Query("SELECT id FROM runs UNION SELECT run FROM calls WHERE ended IS NULL")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var run int64
		if err := rows.Scan(&run); err != nil {
			return nil, err
		}
		if !goesOn(s.path, run) {
			runs = append(runs, run)
		}
	}
	return runs, rows.Err()
}

// runFile is the file that is locked for as long as a run goes on.
func runFile(path string, run int64) string { return fmt.Sprintf("%s-run%d", path, run) }

func (s *store) transaction(do func(*sql.Tx) error) error {
	tx, err := s.writer.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// inPlace reports whether the file is open, and still the one at its path.
func (s *store) inPlace() bool { return s.ctx.Err() == nil && s.isAt() }

// isAt reports whether the file at the path is the one that was opened.
func (s *store) isAt() bool {
	info, err := os.Stat(s.path)
	return err == nil && os.SameFile(info, s.info)
}

// close may be called again.
func (s *store) close() error {
	s.stop()
	var all []error
	for _, db := range []*sql.DB{s.readers, s.writer} {
		if db != nil {
			all = append(all, db.Close())
		}
	}
	if s.lock != nil {
		os.Remove(s.lock.Name())
		s.lock.Close()
		s.lock = nil
	}
	return errors.Join(all...)
}

// save writes changes, all of them or none.
func (s *store) save(batch []change) error {
	err := s.transaction(func(tx *sql.Tx) error {
		for i := range batch {
			if err := s.put(tx, &batch[i]); err != nil {
				return err
			}
		}
		_, err := tx.Stmt(s.seen).Exec(micro(time.Now()), s.run)
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range batch {
		if !c.of.kept {
			c.of.kept = true
			s.count++
		}
	}
	return nil
}

func (s *store) put(tx *sql.Tx, c *change) error {
	address, port := c.address()
	put := tx.Stmt(s.putCall)
	for {
		result, err := put.Exec(c.of.key, s.run, int64(c.number), address, port, c.caller.Transport, c.terminal(),
			int64(c.in), int64(c.out), orNull(c.ended), string(c.reason), c.err)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); n == 1 || err != nil {
			break
		}
		c.of.key++ // the moment is another's
	}
	for i, v := range c.visits {
		in, out := v.in, v.out
		if v.ended == 0 { // not counted yet
			in, out = 0, 0
		}
		if _, err := tx.Stmt(s.putVisit).Exec(c.of.key, c.before+i, v.service, v.began, orNull(v.ended), v.seconds, v.palier, int64(v.cost),
			v.currency, int64(in), int64(out), string(v.reason)); err != nil {
			return err
		}
	}
	if c.ended != 0 && s.o.Ship {
		_, err := tx.Exec("INSERT OR IGNORE INTO outbox VALUES (?)", c.of.key)
		return err
	}
	return nil
}

func orNull(moment int64) any {
	if moment == 0 {
		return nil
	}
	return moment
}

// pruned is how many records are deleted at once, so that others can be written.
const pruned = 2000

// prune deletes some of what is too old or too much, and reports whether there may be
// more.
func (s *store) prune() (more bool, err error) {
	var bound sql.NullInt64 // records before it go
	if s.o.Keep > 0 {
		if err := s.writer.QueryRow("SELECT max(id) + 1 FROM (SELECT id FROM calls WHERE id < ? ORDER BY id LIMIT ?)",
			micro(s.o.clock.Now().Add(-s.o.Keep)), pruned).Scan(&bound); err != nil {
			return false, err
		}
	}
	if s.o.Calls > 0 && !bound.Valid {
		if err := s.recount(); err != nil {
			return false, err
		}
	}
	if over := s.count - s.o.Calls; s.o.Calls > 0 && over > 0 && !bound.Valid {
		if err := s.writer.QueryRow("SELECT max(id) + 1 FROM (SELECT id FROM calls ORDER BY id LIMIT ?)", min(over, pruned)).Scan(&bound); err != nil {
			return false, err
		}
	}
	if !bound.Valid {
		return false, nil
	}
	var gone, waited int64
	err = s.transaction(func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM visits WHERE call < ?", bound); err != nil {
			return err
		}
		if waited, err = forget(tx, bound.Int64); err != nil {
			return err
		}
		result, err := tx.Exec("DELETE FROM calls WHERE id < ?", bound)
		if err != nil {
			return err
		}
		if gone, err = result.RowsAffected(); err != nil {
			return err
		}
		// Runs that were over before the oldest call that is left.
		_, err = tx.Exec("DELETE FROM runs WHERE id <> ? AND seen < (SELECT min(id) FROM calls)", s.run)
		return err
	})
	if err != nil {
		return false, err
	}
	s.count -= int(gone)
	s.missed += int(waited)
	return true, nil
}

// isDamage reports whether an error says that a database is damaged, or none.
func isDamage(err error) bool { return isCode(err, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) }

// isLocked reports whether an error says that others have a database locked.
func isLocked(err error) bool { return isCode(err, sqlite3.SQLITE_BUSY) }

func isCode(err error, codes ...int) bool {
	failed, ok := errors.AsType[*sqlite.Error](err)
	return ok && slices.Contains(codes, failed.Code()&0xff)
}

// setAside renames a damaged database, and before that its companions: those that are
// there later are of another. If another is there already, somebody else has done so.
func (s *store) setAside() error {
	if !s.isAt() {
		return nil
	}
	aside := s.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000")
	for _, companion := range []string{"-wal", "-shm", ""} {
		err := os.Rename(s.path+companion, aside+companion)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	s.o.Log.Error("the damaged history is set aside; the sqlite3 program's .recover may save what is in it", "as", aside)
	return nil
}

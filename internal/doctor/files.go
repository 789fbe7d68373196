package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"moip/internal/policy/ban"
	"moip/internal/smallfile"
)

const (
	megabyte  = 1 << 20
	noSpace   = 20 * megabyte
	fewSpace  = 500 * megabyte
	maxPEM    = megabyte
	maxCounts = 100_000 // files of a folder that are counted
)

// folderChecks are those of what the gateway reads and writes.
func (o Options) folderChecks() (checks []check) {
	add := func(name string, look func() Finding) {
		checks = append(checks, check{name, func(context.Context) []Finding { return []Finding{look()} }})
	}
	c := o.Config
	if c.Portal.CA != "" {
		add("certificates", func() Finding { return checkCA(c.Portal.CA, time.Now()) })
	}
	if c.Pages != "" {
		add("pages", func() Finding { return checkPages(c.Pages) })
	}
	if file := c.LogFile(); file != "" {
		add("log", func() Finding { return o.checkLog(file) })
	}
	if file := c.RecordsFile(); file != "" && c.Builtin() {
		add("records", func() Finding { return checkFile("records", "name another with --records FILE, or none", file) })
	}
	if file, asked := c.HistoryFile(); file != "" {
		add("history", func() Finding { return checkHistory(file, asked) })
	}
	if file := c.Bans.Options().File; file != "" {
		add("bans", func() Finding { return checkBans(file) })
	}
	if folder := c.Recordings.Folder; folder != "" {
		add("recordings", func() Finding { return checkRecordings(folder, uint64(c.Recordings.Size)*megabyte) })
	}
	if o.Cache != "" && c.Builtin() {
		add("cache", func() Finding { return checkCache(o.Cache) })
	}
	return checks
}

func (o Options) checkLog(file string) Finding {
	f := checkFile("log", "name another with --log FILE, or none", file)
	if f.Level == Problem && !o.LogAsked {
		f.Level = Warning
		f.Found += "; the gateway does without"
	}
	return f
}

// checkFile looks at a file that is written to, and made if it is missing.
func checkFile(name, advice, file string) Finding {
	if err := canWrite(file); err != nil {
		return problem(name, advice, "%s cannot be written: %v", file, bare(err))
	}
	return withSpace(name, file+" can be written", filepath.Dir(file), fewSpace)
}

// checkHistory looks at a database, which SQLite has other files beside.
func checkHistory(file string, asked bool) Finding {
	const name, advice = "history", "name another with --history FILE, or none"
	f := checkFile(name, advice, file)
	if err := canMake(filepath.Dir(file)); err != nil && f.Level != Problem {
		f = problem(name, advice, "no files can be made beside %s: %v", file, bare(err))
	}
	if f.Level == Problem && !asked {
		f.Level = Warning
		f.Found += "; the gateway does without"
	}
	return f
}

// checkBans reads who is kept out. The file is replaced as a whole when that changes.
func checkBans(file string) Finding {
	const name = "bans"
	if _, err := ban.Load(file); err != nil {
		return problem(name, "name another with --bans FILE, or none, until then", "%v", err)
	}
	if err := canMake(filepath.Dir(file)); err != nil {
		return problem(name, "name another with --bans FILE, or none", "%s cannot be written: %v", file, bare(err))
	}
	return withSpace(name, file+" can be read and written", filepath.Dir(file), noSpace)
}

// checkRecordings looks at the folder of recordings, of which there may be as many
// bytes, 0 for no bound.
func checkRecordings(folder string, most uint64) Finding {
	const name = "recordings"
	there, err := canFill(folder)
	if err != nil {
		return problem(name, "name another with --recordings FOLDER, or give this one to who runs the gateway", "%s cannot be written: %v", folder, bare(err))
	}
	f := withSpace(name, folder+" can be written", there, fewSpace)
	used := size(folder)
	if free, known := space(there); known && f.Level == OK && most > free+used {
		return warning(name, "lower size in [recordings], or give it another disk",
			"%s may take %s, but the disk has room for no more than %s", folder, amount(most), amount(free+used))
	}
	return f
}

func checkCache(folder string) Finding {
	there, err := canFill(folder)
	if err != nil {
		return warning("cache", `name another in the configuration, cache = "..."`, "%s cannot be written: %v; imported directories are gone when their source is down", folder, bare(err))
	}
	return withSpace("cache", folder+" can be written", there, noSpace)
}

func checkPages(folder string) Finding {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return problem("pages", "name a folder of .vdt files", "%s cannot be read: %v", folder, bare(err))
	}
	n := 0
	for _, e := range entries {
		if strings.EqualFold(filepath.Ext(e.Name()), ".vdt") {
			n++
		}
	}
	if n == 0 {
		return warning("pages", "put some there, or name another folder", "there is no .vdt file in %s", folder)
	}
	return good("pages", "%s in %s", count(n, ".vdt file"), folder)
}

// checkCA looks at a file of certificates to trust.
func checkCA(file string, now time.Time) Finding {
	const name = "certificates"
	data, err := smallfile.Read(file, maxPEM)
	if err != nil {
		return problem(name, "name another (ca)", "%s cannot be read: %v", file, bare(err))
	}
	all, err := certificates(data)
	if err != nil {
		return problem(name, "write it anew, as PEM", "%s: %v", file, err)
	}
	for _, c := range all {
		if now.After(c.NotAfter) {
			return problem(name, "get the new one", "%s: that of %q expired on %s", file, c.Subject.CommonName, c.NotAfter.Format(time.DateOnly))
		}
	}
	return good(name, "%s in %s", count(len(all), "certificate"), file)
}

// certificates reads PEM.
func certificates(data []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("there are no certificates in it")
	}
	return all, nil
}

// withSpace is good, unless the disk of folder is short of space.
func withSpace(name, found, folder string, few uint64) Finding {
	const advice = "make room, or name a place on another disk"
	free, known := space(folder)
	switch {
	case !known:
		return good(name, "%s", found)
	case free < noSpace:
		return problem(name, advice, "%s, but the disk is full: %s are free", found, amount(free))
	case free < few:
		return warning(name, advice, "%s, but little is free: %s", found, amount(free))
	}
	return good(name, "%s, %s are free", found, amount(free))
}

// canWrite returns why a file cannot be written to, which if it is missing is then
// still missing.
func canWrite(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return canMake(filepath.Dir(file))
	}
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a folder")
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// canFill returns why files cannot be made in a folder that is made if it is missing,
// and the folder above it that is there.
func canFill(folder string) (there string, err error) {
	folder, err = filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(folder)
		if err == nil && !info.IsDir() {
			return folder, fmt.Errorf("%s is no folder", folder)
		}
		if err == nil {
			return folder, canMake(folder)
		}
		above := filepath.Dir(folder)
		if !errors.Is(err, fs.ErrNotExist) || above == folder {
			return folder, err
		}
		folder = above
	}
}

// canMake returns why no file can be made in a folder. There is no surer way to know
// than to make one.
func canMake(folder string) error {
	f, err := os.CreateTemp(folder, ".moip-doctor-*")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// size returns how many bytes the files of a folder have.
func size(folder string) (n uint64) {
	left := maxCounts
	filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if left--; err != nil || left < 0 {
			return filepath.SkipAll
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += uint64(info.Size())
		}
		return nil
	})
	return n
}

// amount returns a number of bytes as people say it.
func amount(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d KB", n>>10)
}

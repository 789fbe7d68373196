package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"moip/internal/config"
	"moip/internal/directory"
	"moip/internal/policy/limit"
)

// Options say what the gateway is that is looked at.
type Options struct {
	Config *config.Config // as it was read and found to be well-formed
	File   string         // that the configuration is from, "" for none
	// LogAsked says that somebody asked for the log file; otherwise a gateway does
	// without one that cannot be written.
	LogAsked bool
	Inside   []string // the names of the services inside
	Cache    string   // folder for copies of imported directories, "" for none
}

// Gateway looks at all that a gateway needs and uses. It opens the listeners for a
// moment, dials the portal, the control link and the services, and hangs up at once.
func Gateway(ctx context.Context, o Options) Report {
	return Report{Findings: run(ctx, o.checks(), patience)}
}

// Unreadable is the report on a gateway whose configuration cannot be read, or says
// what it must not, for at least one reason.
func Unreadable(faults []error) Report {
	var r Report
	for _, err := range faults {
		r.Findings = append(r.Findings, problem("configuration", "", "%s", line(err.Error())))
	}
	r.Findings[len(r.Findings)-1].Advice = "mend that; doc/moip.example.toml shows every key"
	return r
}

// checks returns what to look at, in the order in which it is told.
func (o Options) checks() []check {
	checks := []check{o.checkFile(), checkClock(time.Now()), o.checkDescriptors()}
	for _, uri := range o.Config.Listen {
		checks = append(checks, checkListen(uri))
	}
	checks = append(checks, o.certificateChecks()...)
	checks = append(checks, o.checkAdmin(), o.checkPortal(), o.checkLink())
	checks = append(checks, o.clusterChecks()...)
	checks = append(checks, o.tokenChecks()...)
	if ways := o.checkWays(); len(ways) > 0 {
		checks = append(checks, always(ways...))
	}
	checks = append(checks, o.directoryChecks()...)
	return append(checks, o.folderChecks()...)
}

func (o Options) checkFile() check {
	if o.File == "" {
		return always(good("configuration", "no file is named: what no flag says is at its default"))
	}
	return always(good("configuration", "%s is good", o.File))
}

// The clock of a machine without a battery starts in the past; certificates are then
// not valid yet, and records are dated wrong.
func checkClock(now time.Time) check {
	const name, advice = "clock", "set it, and keep it right: timedatectl set-ntp true"
	if year := now.Year(); year < 2025 || year > 2100 {
		return always(problem(name, advice, "says it is %s", now.Format(time.DateTime)))
	}
	return always(good(name, "%s", now.Format("2006-01-02 15:04:05 MST")))
}

// fewCalls is how many a gateway should be able to have.
const fewCalls = 250

func (o Options) checkDescriptors() check {
	return always(o.judgeDescriptors(limit.Descriptors()))
}

// judgeDescriptors says how many calls fit into a number of descriptors, 0 for any.
func (o Options) judgeDescriptors(files int) Finding {
	const name = "descriptors"
	each := o.Config.FilesOfCall()
	calls, _ := limit.Fitting(files, each)
	switch {
	case files == 0:
		return good(name, "the system has no limit of open files")
	case calls < 1:
		return problem(name, moreDescriptors, "%d files may be open: not one call fits, at %d for each", files, each)
	case int(o.Config.Limits.MaxCalls) > calls:
		return warning(name, moreDescriptors+", or lower limits.max_calls", "limits.max_calls is %d, and %d files may be open: %d calls fit, at %d for each",
			int(o.Config.Limits.MaxCalls), files, calls, each)
	case calls < fewCalls:
		return warning(name, moreDescriptors, "%d files may be open: %d calls fit, at %d for each", files, calls, each)
	}
	return good(name, "%d files may be open: %d calls fit, at %d for each", files, calls, each)
}

const moreDescriptors = "raise the limit: ulimit -Hn 65536, or LimitNOFILE=65536 in the unit of systemd"

// directoryChecks are those of the directory, its imports and its services.
func (o Options) directoryChecks() []check {
	const name = "directory"
	if !o.Config.Builtin() {
		return nil // it is the portal's that is inside
	}
	from := o.Config.Directory
	d, err := directory.Load(from, o.Inside...)
	if err != nil {
		var faults []Finding
		for _, err := range flat(err) {
			faults = append(faults, problem(name, "", "%v", err))
		}
		faults[len(faults)-1].Advice = "mend that; until then the gateway does not start, and one that runs goes by what was there before"
		return []check{always(faults...)}
	}
	if from == "" {
		from = "the one inside"
	}
	checks := []check{always(good(name, "%s: services %d, imports %d", from, len(d.Services()), len(d.Imports())))}
	for _, i := range d.Imports() {
		checks = append(checks, checkImport(d, i))
	}
	trusted := map[string]bool{} // files of certificates
	for _, s := range d.Services() {
		if s.CA != "" && !trusted[s.CA] {
			trusted[s.CA] = true
			checks = append(checks, check{"certificates", func(context.Context) []Finding {
				return []Finding{checkCA(s.CA, time.Now())}
			}})
		}
	}
	return append(checks, checkServices(d))
}

// flat returns the errors that err joins.
func flat(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, err := range joined.Unwrap() {
		all = append(all, flat(err)...)
	}
	return all
}

// bare returns err without the words of the system that repeat the path.
func bare(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return failed.Err
	}
	return err
}

func count(n int, one string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return fmt.Sprintf("%d %ss", n, one)
}

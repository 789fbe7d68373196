// Package browsertest opens tabs of a real browser, for tests of pages. A
// package that uses it says so in its TestMain, see Tests.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// names are what Chromium is called here and there.
var names = []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"}

// patience is how long a test may use its tab.
const patience = 2 * time.Minute

// browser is what all tabs are tabs of. The first one starts it.
var browser struct {
	sync.Mutex
	context.Context
	stop func() error
}

// Tests are the tests of a package; after them, the browser is closed:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(browsertest.Tests{M: m}) }
type Tests struct{ *testing.M }

// Run runs the tests.
func (t Tests) Run() int {
	code := t.M.Run()
	if browser.stop != nil && browser.stop() != nil && code == 0 {
		return 1
	}
	return code
}

// Open opens an empty tab with a profile of its own, where chromedp.Run and the
// like take place until the test ends. The test fails if the page has anything
// to complain of: an exception that nothing caught, an error on the console, a
// resource that could not be loaded or was refused by the security policy, a
// request to another machine. Complaints that contain one of the texts expected
// are passed over.
//
// What serves the page is to be there first, so that it is there until the tab
// is closed.
func Open(t *testing.T, expected ...string) context.Context {
	t.Helper()
	tab, finish, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		complaints, err := finish()
		if err != nil {
			t.Errorf("the tab does not answer any more: %v", err)
		}
		for _, complaint := range complaints {
			if !slices.ContainsFunc(expected, func(text string) bool { return strings.Contains(complaint, text) }) {
				t.Errorf("the browser complains: %s", complaint)
			}
		}
	})
	return tab
}

// open opens a tab. What finish returns are the complaints until then.
func open() (tab context.Context, finish func() ([]string, error), err error) {
	root, err := start()
	if err != nil {
		return nil, nil, err
	}
	var w watch
	timed, cancel := context.WithTimeout(root, patience)
	tab, closeTab := chromedp.NewContext(timed, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.hear))
	finish = func() ([]string, error) {
		defer cancel()
		defer closeTab()
		_, err := chromedp.Run(tab, chromedp.Evaluate[int]("0")) // all that was before the answer has been heard by then
		return w.all(), err
	}
	if err := chromedp.Do(tab); err != nil {
		finish()
		return nil, nil, fmt.Errorf("open a tab: %w", err)
	}
	return tab, finish, nil
}

// start returns the browser, running.
func start() (context.Context, error) {
	browser.Lock()
	defer browser.Unlock()
	if browser.Context != nil {
		return browser.Context, browser.Err()
	}
	path, err := find()
	if err != nil {
		return nil, err
	}
	ctx, free := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)...)
	ctx, closed := chromedp.NewContext(ctx)
	browser.Context, browser.stop = ctx, func() error {
		defer free()
		defer closed()
		return chromedp.Cancel(ctx)
	}
	return ctx, chromedp.Do(ctx)
}

func find() (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("this test needs a browser: install Chromium (Debian: apt-get install chromium)")
}

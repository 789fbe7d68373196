package tunnel

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Of an answer that ends with its gateway, nobody takes what has come for all there is; nor
// is one broken of which nothing is missing.
func TestClosing(t *testing.T) {
	done := func(r *http.Request) {
		<-r.Context().Done()
		time.Sleep(time.Second) // all are left by then
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"nothing yet": {func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, ErrBroken},
		"not told": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			done(r)
		}, ErrBroken},
		"not written": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
			done(r)
			io.WriteString(w, ", and the rest")
		}, ErrBroken},
		"all told": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "event")
			http.NewResponseController(w).Flush()
			done(r)
		}, nil},
		"done": {func(w http.ResponseWriter, r *http.Request) {
			done(r)
			w.WriteHeader(http.StatusNoContent)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(test.answer)
				told := make(chan error, 1)
				go func() {
					w, err := l.get(t.Context(), "/")
					if err == nil {
						_, err = io.ReadAll(w.Body)
						w.Body.Close()
					}
					told <- err
				}()
				synctest.Wait()
				l.stop()
				if err := <-told; !errors.Is(err, test.want) {
					t.Errorf("%v, not %v", err, test.want)
				}
			})
		})
	}
}

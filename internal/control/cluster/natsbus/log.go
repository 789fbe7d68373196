package natsbus

import (
	"fmt"
	"log/slog"
)

// A serverLog is where the server inside writes: to our log, what an operator needs.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(text(format, v)) }
func (l serverLog) Debugf(string, ...any)           {}
func (l serverLog) Tracef(string, ...any)           {}
func (l serverLog) Warnf(format string, v ...any)   { l.log.Warn(text(format, v)) }
func (l serverLog) Errorf(format string, v ...any)  { l.log.Warn(text(format, v)) }

// Fatalf tells why the server does not start. It is not the end of this process.
func (l serverLog) Fatalf(format string, v ...any) { l.log.Error(text(format, v)) }

func text(format string, v []any) string { return "bus: " + fmt.Sprintf(format, v...) }

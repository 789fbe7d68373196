package certificate

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quietly returns a logger for certmagic: what it says is for whoever looks closely.
// What matters, we say ourselves, and once.
func quietly(log *slog.Logger) *zap.Logger { return zap.New(core{to: log}) }

// A core is where zap writes.
type core struct {
	to *slog.Logger
}

func (c core) Enabled(zapcore.Level) bool {
	return c.to.Enabled(context.Background(), slog.LevelDebug)
}

func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.to.With(args(fields)...)}
}

func (c core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	c.to.Debug("ACME: "+e.Message, args(fields)...)
	return nil
}

func (core) Sync() error { return nil }

// args are fields as slog takes them.
func args(fields []zapcore.Field) (all []any) {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(m)
	}
	for _, f := range fields {
		if v, ok := m.Fields[f.Key]; ok {
			all = append(all, f.Key, v)
		}
	}
	return all
}

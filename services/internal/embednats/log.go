package embednats

import (
	"fmt"
	"sync/atomic"

	"go.uber.org/zap"
)

// logger passes the server's messages on, and keeps the reason for which it could not start: the server itself only logs that.
type logger struct {
	zap    *zap.SugaredLogger
	failed atomic.Pointer[string]
}

func (l *logger) Noticef(format string, v ...any) { l.zap.Debugf("nats: "+format, v...) }
func (l *logger) Debugf(format string, v ...any)  { l.zap.Debugf("nats: "+format, v...) }
func (l *logger) Tracef(format string, v ...any)  { l.zap.Debugf("nats: "+format, v...) }
func (l *logger) Warnf(format string, v ...any)   { l.zap.Warnf("nats: "+format, v...) }
func (l *logger) Errorf(format string, v ...any)  { l.zap.Errorf("nats: "+format, v...) }

func (l *logger) Fatalf(format string, v ...any) {
	reason := fmt.Sprintf(format, v...)
	l.failed.CompareAndSwap(nil, &reason)
}

func (l *logger) reason() string {
	if r := l.failed.Load(); r != nil {
		return *r
	}
	return "not ready within " + readyWaitMax.String()
}

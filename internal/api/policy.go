package api

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Policy bounds the repetitions of one call.
type Policy struct {
	MaxAttempts        int // the first one included
	MinDelay, MaxDelay time.Duration
}

// delay is the wait after failed attempt n (from 1): what the service asked
// for, or exponential back-off with full jitter. It is false if the service
// asks for more than the policy allows.
func (p Policy) delay(n int, retryAfter time.Duration) (time.Duration, bool) {
	if retryAfter > 0 {
		return retryAfter, retryAfter <= p.MaxDelay
	}
	ceiling := p.MaxDelay
	if doublings := min(n-1, 62); p.MinDelay <= p.MaxDelay>>doublings {
		ceiling = p.MinDelay << doublings
	}
	if ceiling <= 0 {
		return 0, true
	}
	return rand.N(ceiling) + 1, true
}

// Wait waits as after failed attempt n (from 1), or returns why the context
// ended.
func (p Policy) Wait(ctx context.Context, n int) error {
	delay, _ := p.delay(n, 0)
	return Sleep(ctx, delay)
}

// retryAfter reads the header Retry-After: seconds or an HTTP date. Zero is
// "not said", also for a value that is malformed or lies in the past.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0 // as nearly always: each try below would make an error
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		if seconds > math.MaxInt64/uint64(time.Second) {
			return math.MaxInt64
		}
		return time.Duration(seconds) * time.Second
	}
	if isDigits(value) { // more digits than fit
		return math.MaxInt64
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func pastDeadline(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && d >= time.Until(deadline)
}

// Sleep waits, or returns why the context ended.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

package api

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/minapp-go/minapp/internal/pace"
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
	return pace.Sleep(ctx, delay)
}

package pace

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Gate makes every call of a client wait after a 429: the limit belongs to the
// application, not to the goroutine that met it. Those that it held leave one
// after the other: all at once they would only meet the next 429, and the first
// one can still close the gate for those behind it.
type Gate struct {
	mu    sync.Mutex
	until time.Time     // closed up to here
	next  time.Time     // when the next one that was held may leave…
	step  time.Duration // …and how long after it the next
}

// MaxStep bounds the distance between calls that leave the gate, in that after
// a long wait many of them are there.
const MaxStep = 20 * time.Millisecond

// Hold closes the gate for a while, or for longer if it is closed already.
func (g *Gate) Hold(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until, g.next, g.step = until, until, min(d/100, MaxStep)
	}
}

func (g *Gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !time.Now().Before(g.until)
}

// left is how long the gate stays closed, and in what time one leaves that
// comes now, behind others.
func (g *Gate) left(now time.Time, others int) (opens, leaves time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	opens = g.until.Sub(now)
	if opens <= 0 {
		return 0, 0
	}
	return opens, opens + time.Duration(others)*g.step
}

// inTime refuses a wait that would outlast the deadline.
func (g *Gate) inTime(ctx context.Context, left time.Duration) error {
	if left <= 0 || !PastDeadline(ctx, left) {
		return nil
	}
	reason := "for the limiter"
	if !g.open() {
		reason = "after a 429"
	}
	return fmt.Errorf("waiting %s: the turn comes in %s: %w", reason, left.Round(time.Millisecond), context.DeadlineExceeded)
}

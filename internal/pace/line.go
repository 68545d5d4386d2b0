// Package pace says when a request may leave: in a line of those that wait
// (line.go), when the gate that a 429 closed is open (gate.go), as a share of a
// minute's requests allows (share.go). Turns are the same for work that pauses
// after its end, such as exports (turns.go).
package pace

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Limiter paces attempts: Wait returns when the next one may be sent.
type Limiter interface {
	Wait(ctx context.Context) error
}

// Line is the line in which attempts wait, and what they wait for: the gate
// that a 429 closes, and a limit. First come, first served: only the one in
// front waits for more than its turn, and it takes what the limit allows when it
// leaves and not before. So nobody is overtaken, whatever an attempt counts as,
// and who gives up takes nothing along. An attempt that repeats another comes
// anew. The zero value is a line without a limit.
type Line struct {
	limiter Limiter // asked by the one in front; nil is none
	share   *share  // nil is none

	mu      sync.Mutex
	front   chan struct{} // full while somebody is in front; the others wait to fill it, in their order
	waiting int           // attempts in the line
}

// LimitedBy is the pace of a limiter of the caller's.
func LimitedBy(l Limiter) *Line { return &Line{limiter: l} }

// PerMinute is the pace at which at most so many requests leave in any minute.
func PerMinute(requests float64) *Line { return &Line{share: newShare(requests)} }

// Admits says why an attempt that counts as n requests can never be sent; nil
// is that it can.
func (l *Line) Admits(n int) error {
	if l.share == nil || float64(n) <= l.share.requests {
		return nil
	}
	return fmt.Errorf("the call counts as %d requests, and the limiter allows %v in a minute", n, l.share.requests)
}

// Wait returns when an attempt that counts as n requests may be sent, or at
// once if that is known to be after the deadline.
func (l *Line) Wait(ctx context.Context, g *Gate, n int) error {
	arrived := time.Now()
	front, err := l.join(ctx, g, n)
	if err != nil {
		return err
	}
	select {
	case front <- struct{}{}:
		defer func() { <-front }()
	case <-ctx.Done():
		l.count(-1, n)
		return context.Cause(ctx)
	}
	for {
		if err := l.pass(ctx, g, arrived, n); err != nil {
			l.count(-1, n)
			return err
		}
		if l.limiter == nil {
			return nil
		}
		for range n {
			if err := l.limiter.Wait(ctx); err != nil {
				return fmt.Errorf("waiting for the limiter: %w", err)
			}
		}
		if g.open() {
			return context.Cause(ctx)
		}
		l.count(+1, n) // what the limiter allowed before a 429 would come on top of what it allows after it
	}
}

// join enters the line unless the turn would come too late.
func (l *Line) join(ctx context.Context, g *Gate, n int) (front chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := g.inTime(ctx, l.left(g, n)); err != nil {
		return nil, err
	}
	if l.front == nil {
		l.front = make(chan struct{}, 1)
	}
	l.counted(+1, n)
	return l.front, nil
}

// left is how long the next one to join has to wait if nobody gives up.
func (l *Line) left(g *Gate, n int) time.Duration {
	now := time.Now()
	opens, left := g.left(now, l.waiting)
	if l.share == nil {
		return left
	}
	if l.waiting == 0 {
		l.share.front = n
	}
	return max(left, opens+l.share.left(now.Add(opens), l.share.due+n))
}

// pass waits in front until gate and share let an attempt leave.
func (l *Line) pass(ctx context.Context, g *Gate, arrived time.Time, n int) error {
	for ctx.Err() == nil {
		left := l.leave(g, arrived, n)
		if left <= 0 {
			return nil
		}
		if err := g.inTime(ctx, left); err != nil {
			return err
		}
		_ = Sleep(ctx, left) // the loop sees the end of the context
	}
	return context.Cause(ctx)
}

// leave takes the one in front out of the line, or says how long that cannot be.
func (l *Line) leave(g *Gate, arrived time.Time, n int) (left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if l.share != nil {
		l.share.front = n
	}
	held := arrived.Before(g.until)
	if left := g.next.Sub(now); held && left > 0 {
		return left
	}
	if l.share != nil {
		if left := l.share.take(now); left > 0 {
			return left
		}
	}
	if held {
		g.next = now.Add(g.step)
	}
	l.counted(-1, n)
	return 0
}

func (l *Line) count(attempts, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counted(attempts, n)
}

func (l *Line) counted(attempts, n int) {
	l.waiting += attempts
	if l.share != nil {
		l.share.due += attempts * l.share.cost(n)
	}
}

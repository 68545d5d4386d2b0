package api

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// Limiter paces attempts: Wait returns when the next one may be sent.
type Limiter interface {
	Wait(ctx context.Context) error
}

// Pace is the line in which attempts wait, and what they wait for: the gate
// that a 429 closes, and a limit. First come, first served: only the one in
// front waits for more than its turn, and it takes what the limit allows when it
// leaves and not before. So nobody is overtaken, whatever an attempt counts as,
// and who gives up takes nothing along. An attempt that repeats another comes
// anew. The zero value is a line without a limit.
type Pace struct {
	limiter Limiter // asked by the one in front; nil is none
	share   *share  // nil is none

	mu      sync.Mutex
	front   chan struct{} // full while somebody is in front; the others wait to fill it, in their order
	waiting int           // attempts in the line
}

// LimitedBy is the pace of a limiter of the caller's.
func LimitedBy(l Limiter) *Pace { return &Pace{limiter: l} }

// PerMinute is the pace at which at most so many requests leave in any minute.
func PerMinute(requests float64) *Pace { return &Pace{share: newShare(requests)} }

// wait returns when an attempt that counts as n requests may be sent, or at
// once if that is known to be after the deadline.
func (p *Pace) wait(ctx context.Context, g *gate, n int) error {
	arrived := time.Now()
	front, err := p.join(ctx, g, n)
	if err != nil {
		return err
	}
	select {
	case front <- struct{}{}:
		defer func() { <-front }()
	case <-ctx.Done():
		p.count(-1, n)
		return context.Cause(ctx)
	}
	for {
		if err := p.pass(ctx, g, arrived, n); err != nil {
			p.count(-1, n)
			return err
		}
		if p.limiter == nil {
			return nil
		}
		for range n {
			if err := p.limiter.Wait(ctx); err != nil {
				return fmt.Errorf("waiting for the limiter: %w", err)
			}
		}
		if g.open() {
			return context.Cause(ctx)
		}
		p.count(+1, n) // what the limiter allowed before a 429 would come on top of what it allows after it
	}
}

// join enters the line unless the turn would come too late.
func (p *Pace) join(ctx context.Context, g *gate, n int) (front chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.share != nil && float64(n) > p.share.requests {
		return nil, fmt.Errorf("%w: the call counts as %d requests, and the limiter allows %v in a minute", ErrInvalid, n, p.share.requests)
	}
	if err := g.inTime(ctx, p.left(g, n)); err != nil {
		return nil, err
	}
	if p.front == nil {
		p.front = make(chan struct{}, 1)
	}
	p.counted(+1, n)
	return p.front, nil
}

// left is how long the next one to join has to wait if nobody gives up.
func (p *Pace) left(g *gate, n int) time.Duration {
	now := time.Now()
	opens, left := g.left(now, p.waiting)
	if p.share == nil {
		return left
	}
	if p.waiting == 0 {
		p.share.front = n
	}
	return max(left, opens+p.share.left(now.Add(opens), p.share.due+n))
}

// pass waits in front until gate and share let an attempt leave.
func (p *Pace) pass(ctx context.Context, g *gate, arrived time.Time, n int) error {
	for ctx.Err() == nil {
		left := p.leave(g, arrived, n)
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
func (p *Pace) leave(g *gate, arrived time.Time, n int) (left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if p.share != nil {
		p.share.front = n
	}
	held := arrived.Before(g.until)
	if left := g.next.Sub(now); held && left > 0 {
		return left
	}
	if p.share != nil {
		if left := p.share.take(now); left > 0 {
			return left
		}
	}
	if held {
		g.next = now.Add(g.step)
	}
	p.counted(-1, n)
	return 0
}

func (p *Pace) count(attempts, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counted(attempts, n)
}

func (p *Pace) counted(attempts, n int) {
	p.waiting += attempts
	if p.share != nil {
		p.share.due += attempts * p.share.cost(n)
	}
}

// gate makes every call of a client wait after a 429: the limit belongs to the
// application, not to the goroutine that met it. Those that it held leave one
// after the other: all at once they would only meet the next 429, and the first
// one can still close the gate for those behind it.
type gate struct {
	mu    sync.Mutex
	until time.Time     // closed up to here
	next  time.Time     // when the next one that was held may leave…
	step  time.Duration // …and how long after it the next
}

// maxStep bounds the distance between calls that leave the gate, in that after
// a long wait many of them are there.
const maxStep = 20 * time.Millisecond

func (g *gate) hold(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until, g.next, g.step = until, until, min(d/100, maxStep)
	}
}

func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !time.Now().Before(g.until)
}

// left is how long the gate stays closed, and in what time one leaves that
// comes now, behind others.
func (g *gate) left(now time.Time, others int) (opens, leaves time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	opens = g.until.Sub(now)
	if opens <= 0 {
		return 0, 0
	}
	return opens, opens + time.Duration(others)*g.step
}

// inTime refuses a wait that would outlast the deadline.
func (g *gate) inTime(ctx context.Context, left time.Duration) error {
	if left <= 0 || !pastDeadline(ctx, left) {
		return nil
	}
	reason := "for the limiter"
	if !g.open() {
		reason = "after a 429"
	}
	return fmt.Errorf("waiting %s: the turn comes in %s: %w", reason, left.Round(time.Millisecond), context.DeadlineExceeded)
}

// share is how many requests a minute may have. It is a bucket: a full one and
// what flows in during a minute make the share. For an attempt that counts as
// more than a full one, more is let in. What is above the bucket is charged
// twice then: it was saved up, and comes on top of what flows in afterwards.
type share struct {
	requests float64
	size     int     // of the bucket
	rate     float64 // what flows in, per nanosecond

	level float64
	at    time.Time // when it was that
	front int       // what the attempt in front counts as
	due   int       // what the attempts in the line cost
}

func newShare(requests float64) *share {
	size := max(1, int(requests/60))
	// The millisecond is for what is rounded: it must not add up to a request.
	rate := (requests - float64(size)) / float64(time.Minute+time.Millisecond)
	return &share{requests: requests, size: size, rate: rate, level: float64(size)}
}

// cost is what is charged for an attempt that counts as n requests.
func (s *share) cost(n int) int { return n + max(0, n-s.size) }

// fill is the level at a moment.
func (s *share) fill(at time.Time) float64 {
	flown := s.rate * float64(at.Sub(s.at))
	return min(s.level+flown, float64(max(s.size, s.front)))
}

// left is how long after a moment n have flown in.
func (s *share) left(at time.Time, n int) time.Duration {
	return time.Duration(math.Ceil((float64(n) - s.fill(at)) / s.rate))
}

// take charges the attempt in front, or says how long that cannot be.
func (s *share) take(now time.Time) (left time.Duration) {
	if left := s.left(now, s.front); left > 0 {
		return left
	}
	s.level, s.at = s.fill(now)-float64(s.cost(s.front)), now
	return 0
}

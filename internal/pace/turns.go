package pace

import (
	"context"
	"sync"
	"time"
)

// Turns lets callers through one after another, with a pause between the end
// of one and the begin of the next. The zero value is ready for use.
type Turns struct {
	mu    sync.Mutex
	queue int // callers that wait or are at work
	busy  chan struct{}
	free  time.Time // when the next one may begin
}

// Wait returns when it is the caller's turn, or with the time left if that is
// after the deadline of the context, which is known at once. The caller says
// with done when it has finished, and whether the others must pause.
func (t *Turns) Wait(ctx context.Context, pause time.Duration) (done func(pausing bool), left time.Duration, err error) {
	busy, left, err := t.join(ctx, pause)
	if err != nil {
		return nil, left, err
	}
	select {
	case busy <- struct{}{}:
	case <-ctx.Done():
		t.leave()
		return nil, 0, context.Cause(ctx)
	}
	done = func(pausing bool) {
		if pausing {
			t.Hold(time.Now().Add(pause))
		}
		t.leave()
		<-busy
	}
	if left := t.left(); left > 0 {
		if err := Sleep(ctx, left); err != nil {
			done(false)
			return nil, 0, err
		}
	}
	return done, 0, nil
}

// Hold keeps everybody waiting until a moment, if that is later than now known.
func (t *Turns) Hold(until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until.After(t.free) {
		t.free = until
	}
}

// join enters the queue unless the turn would come too late.
func (t *Turns) join(ctx context.Context, pause time.Duration) (busy chan struct{}, left time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy == nil {
		t.busy = make(chan struct{}, 1)
	}
	left = max(0, time.Until(t.free)) + time.Duration(t.queue)*pause
	if left > 0 && PastDeadline(ctx, left) {
		return nil, left, context.DeadlineExceeded
	}
	t.queue++
	return t.busy, left, nil
}

func (t *Turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue--
}

func (t *Turns) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.free)
}

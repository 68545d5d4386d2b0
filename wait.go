package minapp

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/minapp-go/minapp/internal/pace"
)

// WaitOptions paces a wait for something that runs on the service. The context
// bounds it: some jobs have no state that says they failed.
type WaitOptions struct {
	Interval    time.Duration       // first pause between two looks; 0 is 3 s
	MaxInterval time.Duration       // pauses grow by half up to this; 0 is 30 s
	OnPoll      func(status string) // sees what each look found, before the pause
}

func (o WaitOptions) check() error {
	if o.Interval < 0 || o.MaxInterval < 0 {
		return fmt.Errorf("WaitOptions intervals %s and %s are negative", o.Interval, o.MaxInterval)
	}
	return nil
}

// first is the first pause.
func (o WaitOptions) first() time.Duration { return cmp.Or(o.Interval, 3*time.Second) }

// WaitError is a wait that ended before what it waited for. Last is the last
// snapshot that was read, of the type that the wait returns; nil if none was.
type WaitError struct {
	Op     string // such as "exports.wait"
	Last   any
	Waited time.Duration
	Err    error // the context's, or that of the last look

	what   string // what was waited for
	status string // of the last snapshot
}

// Error names the operation, what was waited for and how it was last seen, the
// time and the cause. Only the wait has ended: what it waited for may go on.
func (e *WaitError) Error() string {
	text := fmt.Sprintf("%s: stopped waiting after %s", e.Op, e.Waited.Round(time.Millisecond))
	if e.what != "" {
		text += " for " + e.what
	}
	if e.status != "" {
		text += ", last seen as " + e.status
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the cause: the context's, or the error of the last look.
func (e *WaitError) Unwrap() error { return e.Err }

// poll looks until done says so. It returns the last snapshot, also with an
// error: that of done as it is, any other in a *[WaitError].
func poll[S any](ctx context.Context, op, what string, o WaitOptions, look func(context.Context) (*S, error), done func(*S) (status string, ok bool, err error)) (*S, error) {
	start := time.Now()
	pause := o.first()
	longest := max(pause, cmp.Or(o.MaxInterval, 30*time.Second))
	var last *S
	var seen string
	give := func(err error) (*S, error) {
		e := &WaitError{Op: op, Waited: time.Since(start), Err: err, what: what, status: seen}
		if last != nil {
			e.Last = last
		}
		return last, e
	}
	for {
		snapshot, err := look(ctx)
		if err != nil {
			return give(err)
		}
		last = snapshot
		var ok bool
		seen, ok, err = done(snapshot)
		if o.OnPoll != nil {
			o.OnPoll(seen)
		}
		if err != nil || ok {
			return last, err
		}
		// A little jitter, so that many waits do not look in step.
		if err := pace.Sleep(ctx, pause+rand.N(pause/5+1)); err != nil {
			return give(err)
		}
		pause = min(longest, pause+pause/2)
	}
}

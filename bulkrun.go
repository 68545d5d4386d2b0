package minapp

import (
	"context"
	"errors"
)

// batchRun delivers batches in the order of the input while several are on
// their way.
type batchRun struct {
	ctx     context.Context
	options BatchOptions
	yield   func(*Batch, error) bool
	queue   []chan *Batch // on their way, the oldest first
	totals  Totals
	left    bool // the loop was left
	told    bool // a batch has told that the context ended
}

// ship sends a batch on its way, delivers what is back, and reports whether to
// read on. It returns when another batch may follow.
func (r *batchRun) ship(send func() *Batch) bool {
	back := make(chan *Batch, 1)
	go func() { back <- send() }()
	r.queue = append(r.queue, back)
	for len(r.queue) > 0 {
		if len(r.queue) < max(1, r.options.Parallel) {
			select {
			case batch := <-r.queue[0]:
				r.deliver(batch)
				continue
			default:
			}
			break
		}
		r.deliver(<-r.queue[0])
	}
	return !r.left && !r.told
}

// deliver hands the oldest batch to whoever wants it.
func (r *batchRun) deliver(batch *Batch) {
	r.queue = r.queue[1:]
	r.totals.join(batch.Totals)
	batch.Totals = r.totals
	if r.options.OnBatch != nil {
		r.options.OnBatch(batch)
	}
	err := batch.Err()
	if !r.left {
		r.left = !r.yield(batch, err)
	}
	r.told = r.told || r.ctx.Err() != nil && errors.Is(err, context.Cause(r.ctx))
}

// finish waits for what is on its way. Once the loop was left, only OnBatch
// sees it. The end of the run, if there is one, is told last, unless a batch
// has told it already.
func (r *batchRun) finish(end error) {
	for len(r.queue) > 0 {
		r.deliver(<-r.queue[0])
	}
	if end != nil && !r.left && (!r.told || !errors.Is(end, context.Cause(r.ctx))) {
		r.yield(nil, end)
	}
}

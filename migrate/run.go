package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// grace is how long chunks on their way may take to end after a run was
// cancelled, so that their outcome is known.
const grace = 30 * time.Second

// Run carries out a plan, from its checkpoint on if there is one. It returns
// nil when nothing is left to do. The report counts what was done, also when
// the error is not nil.
//
// A cancelled context ends the reading at once; chunks that are being written
// may take another 30 seconds, so that their outcome is known. The error is
// then the context's cause, and the next run goes on. It also ends with the
// first error of the source, the sink or the checkpoint, with a
// *[RejectedError] where [Plan].Rejected is empty, with a *[DoubtError], and
// with [ErrCheckpoint]. A plan whose checkpoint says that nothing is left
// reads and writes nothing.
//
// Reading is repeated automatically. Rows that may have been written are looked
// up by [Plan].Key and sent again only if they are not there; without a key they
// are not repeated.
func Run[S, D any](ctx context.Context, p Plan[S, D]) (Report, error) {
	if err := p.check(); err != nil {
		return Report{}, err
	}
	r := &runner[S, D]{Plan: p, start: time.Now(), rejects: rejects{path: p.Rejected}}
	if p.DryRun {
		r.Checkpoint, r.rejects.path = nil, ""
	}
	err := r.run(ctx)
	return r.report(), errors.Join(err, r.rejects.close())
}

// runner is a plan on its way.
type runner[S, D any] struct {
	Plan[S, D]
	start   time.Time
	resumed int64 // rows that earlier runs dealt with

	writing sync.Mutex // held from write to settle if the sink only appends
	mu      sync.Mutex // of what follows
	state   *state
	next    int // part that nobody has taken
	rejects rejects

	requests int64 // that a dry run would make
}

func (r *runner[S, D]) run(ctx context.Context) error {
	resumed, err := r.load(ctx)
	if err != nil {
		return err
	}
	if resumed && r.state.finished() {
		return nil
	}
	known := resumed && r.state.File == r.rejects.path
	if !known { // a file of its own begins, and what is there is not touched
		r.state.File, r.state.Rejected = r.rejects.path, 0
	}
	if err := r.rejects.open(r.state.Rejected, known); err != nil {
		return err
	}
	if err := r.settleDoubts(ctx); err != nil {
		return err
	}
	setup := Setup{Key: r.Key, DryRun: r.DryRun, Resumed: resumed, Planned: r.planned, Warn: r.warn}
	if err := r.Sink.Begin(ctx, setup); err != nil {
		return fmt.Errorf("%s: %w", r.Sink, err)
	}
	if a, ok := r.Sink.(Appender); ok && resumed && !r.DryRun {
		if err := a.Truncate(ctx, r.state.End); err != nil {
			return fmt.Errorf("%s: %w", r.Sink, err)
		}
	}
	if !resumed {
		if err := r.survey(ctx); err != nil {
			return err
		}
	}
	return r.goesOn(r.work(ctx))
}

// goesOn tells whoever reads the error alone how far the run is and that it may
// be started again, unless the error itself says what must be done before.
func (r *runner[S, D]) goesOn(err error) error {
	_, doubt := errors.AsType[*DoubtError](err)
	_, rejected := errors.AsType[*RejectedError](err)
	if err == nil || r.Checkpoint == nil || doubt || rejected {
		return err
	}
	return fmt.Errorf("%w (%d of %d rows are done; started again, the run goes on)", err, r.state.Totals.Read, max(r.state.Total, r.state.Totals.Read))
}

// load reads the checkpoint, or begins a new one.
func (r *runner[S, D]) load(ctx context.Context) (resumed bool, err error) {
	plan := r.identity()
	r.state = &state{Plan: plan}
	if r.Digest {
		r.state.Digest = newDigest()
	}
	if r.Checkpoint == nil {
		return false, nil
	}
	data, err := r.Checkpoint.Load(ctx)
	if err != nil || data == nil {
		return false, wrap("reading the checkpoint", err)
	}
	s, err := decodeState(data)
	if err != nil {
		return false, err
	}
	if err := s.Plan.belongs(plan); err != nil {
		return false, err
	}
	if !r.Digest {
		s.Digest = nil // it would not be of all rows
	}
	r.state, r.resumed = s, s.Totals.Read
	return true, nil
}

// settleDoubts asks what became of the rows that an earlier run left in doubt.
func (r *runner[S, D]) settleDoubts(ctx context.Context) error {
	doubts := r.state.doubts()
	if len(doubts) == 0 {
		return nil
	}
	if r.InDoubt == nil {
		return &DoubtError{Sink: r.Sink.String(), Rows: doubts}
	}
	for i := range r.state.Parts {
		p := &r.state.Parts[i]
		for _, at := range p.Doubt {
			written, err := r.InDoubt(ctx, at)
			if err != nil {
				return fmt.Errorf("Plan.InDoubt of %s: %w", at, err)
			}
			if written {
				p.Settled = append(p.Settled, at)
				r.state.Totals.Read++
				r.state.Totals.Moved++
				r.state.Totals.Written++ // at least
				r.state.Digest = nil     // it would not be of all rows
			}
		}
		p.Doubt = nil
	}
	return r.save(ctx)
}

// survey cuts the source into parts.
func (r *runner[S, D]) survey(ctx context.Context) error {
	if e, ok := r.Source.(SourceEstimator); ok {
		cost, err := e.Estimate(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Source, err)
		}
		r.state.Total = cost.Rows
	}
	parts, err := r.Source.Parts(ctx, r.pieces())
	if err != nil {
		return fmt.Errorf("%s: %w", r.Source, err)
	}
	for i, p := range parts {
		if len(p) == 0 {
			return fmt.Errorf("%s: part %d is empty, which is one of which nothing is left", r.Source, i)
		}
		r.state.Parts = append(r.state.Parts, part{Rest: p})
	}
	if a, ok := r.Sink.(Appender); ok {
		r.state.End = a.End()
	}
	return r.save(ctx)
}

// work reads and writes until nothing is left or something fails.
func (r *runner[S, D]) work(ctx context.Context) error {
	reads, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	writes, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			abort(context.Cause(ctx))
		case <-writes.Done():
		}
	})()
	errs := make([]error, r.Parallel)
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			if errs[i] = r.parts(reads, writes); errs[i] != nil {
				stop(errStopped)
			}
		})
	}
	workers.Wait()
	return firstCause(errs)
}

// errStopped ends the other workers when one has failed.
var errStopped = errors.New("another part failed")

// firstCause leaves out the workers that were only stopped.
func firstCause(errs []error) error {
	var causes []error
	seen := make(map[string]bool)
	for _, err := range errs {
		if err != nil && !errors.Is(err, errStopped) && !seen[err.Error()] {
			seen[err.Error()] = true
			causes = append(causes, err)
		}
	}
	if len(causes) == 1 {
		return causes[0]
	}
	return errors.Join(causes...)
}

// parts takes one part after the other.
func (r *runner[S, D]) parts(reads, writes context.Context) error {
	for {
		i, ok := r.take()
		if !ok {
			return nil
		}
		if err := r.part(reads, writes, i); err != nil {
			return err
		}
	}
}

func (r *runner[S, D]) take() (i int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ; r.next < len(r.state.Parts); r.next++ {
		if len(r.state.Parts[r.next].Rest) > 0 {
			r.next++
			return r.next - 1, true
		}
	}
	return 0, false
}

// part deals with what is left of a part.
func (r *runner[S, D]) part(reads, writes context.Context, i int) error {
	p := &r.state.Parts[i] // only this worker changes it
	for chunk, err := range r.Source.Chunks(reads, p.Rest) {
		if reads.Err() != nil && (err == nil || errors.Is(err, reads.Err())) {
			err = context.Cause(reads)
		}
		if err != nil {
			return wrap(r.Source.String(), err)
		}
		if err := r.chunk(writes, p, chunk); err != nil {
			return err
		}
	}
	switch {
	case reads.Err() != nil:
		return context.Cause(reads)
	case len(p.Rest) == 0:
		return nil
	}
	return r.update(writes, func() error { *p = part{}; return nil })
}

// chunk moves one chunk.
func (r *runner[S, D]) chunk(ctx context.Context, p *part, c Chunk[S]) error {
	if err := toldApart(c.Rows); err != nil {
		return wrap(r.Source.String(), err)
	}
	b := newBatch[S, D](withoutSettled(c.Rows, p.Settled))
	if err := b.transform(r.Transform); err != nil {
		return err
	}
	if _, appends := r.Sink.(Appender); appends {
		r.writing.Lock()
		defer r.writing.Unlock()
	}
	var failure error
	if len(b.out) > 0 {
		if err := r.intend(ctx, p, b); err != nil {
			return err
		}
		outcomes, err := r.Sink.Write(ctx, b.out)
		failure = wrap(r.Sink.String(), err)
		b.judge(outcomes)
	}
	return r.settle(ctx, p, c.Rest, b, failure)
}

// forgetful reports a sink in which rows cannot be found again: what is about
// to be sent there is stored before.
func (r *runner[S, D]) forgetful() bool {
	_, appends := r.Sink.(Appender)
	return r.Key == "" && !appends
}

// intend stores what is about to be sent.
func (r *runner[S, D]) intend(ctx context.Context, p *part, b *batch[S, D]) error {
	if !r.forgetful() {
		return nil
	}
	return r.update(ctx, func() error { p.Doubt = b.sent(); return nil })
}

// settle stores what became of a chunk. Where that is not known of every row,
// the part stays where it was, without the rows that were dealt with.
func (r *runner[S, D]) settle(ctx context.Context, p *part, rest Part, b *batch[S, D], failure error) error {
	if rejected := b.firstRejection(); rejected != nil && r.rejects.path == "" && !r.DryRun {
		failure = errors.Join(failure, rejected)
		b.keepRejected()
	}
	if a, ok := r.Sink.(Appender); ok && len(b.doubtful()) > 0 && !r.DryRun {
		// A row is there in part, and would be once more.
		return errors.Join(failure, b.firstCause(), a.Truncate(ctx, r.state.End))
	}
	taken, err := r.digest(b)
	if err != nil {
		r.warn("there is no digest for Verify: " + err.Error())
	}
	err = r.update(ctx, func() error {
		if err := r.rejects.add(b.rejections()); err != nil {
			return err
		}
		if taken == nil {
			r.state.Digest = nil
		} else if r.state.Digest != nil {
			r.state.Digest.join(taken)
		}
		r.state.Rejected = r.rejects.size
		if a, ok := r.Sink.(Appender); ok {
			r.state.End = a.End()
		}
		b.count(&r.state.Totals)
		p.Doubt = nil
		settled, unsettled := b.split()
		if len(unsettled) == 0 && len(rest) == 0 {
			*p = part{}
			return nil
		}
		if len(unsettled) == 0 {
			p.Rest = rest
			return nil
		}
		p.Settled = append(p.Settled, settled...)
		if r.forgetful() {
			p.Doubt = b.doubtful()
		}
		return nil
	})
	switch doubtful := b.doubtful(); {
	case len(doubtful) > 0 && r.forgetful():
		failure = errors.Join(&DoubtError{Sink: r.Sink.String(), Rows: doubtful, Err: b.firstCause()}, failure)
	case failure == nil:
		failure = wrap(r.Sink.String(), b.firstCause())
	}
	return errors.Join(failure, err)
}

// digest takes the digest of the rows that are written; nil if none is wanted.
func (r *runner[S, D]) digest(b *batch[S, D]) (*digest, error) {
	if !r.Digest {
		return nil, nil
	}
	d := newDigest()
	for i, v := range b.out {
		if b.fates[b.from[i]].end != moved {
			continue
		}
		row, err := plainOf(v, r.Key, d.columns)
		if err != nil {
			return nil, fmt.Errorf("digest of row %s: %w", b.rows[b.from[i]].At, err)
		}
		d.add(row)
	}
	return d, nil
}

// update changes the state, stores it, and tells of it.
func (r *runner[S, D]) update(ctx context.Context, change func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := change(); err != nil {
		return err
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	if r.OnProgress != nil {
		r.OnProgress(Progress{r.state.Totals, r.state.Total, r.resumed, time.Since(r.start)})
	}
	return nil
}

// save stores the state, also when the run was cancelled. r.mu is held, or
// nobody else is there yet.
func (r *runner[S, D]) save(ctx context.Context) error {
	if r.Checkpoint == nil {
		return nil
	}
	data, err := r.state.encode()
	if err != nil {
		return err
	}
	return wrap("saving the checkpoint", r.Checkpoint.Save(context.WithoutCancel(ctx), data))
}

func (r *runner[S, D]) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.state.Warnings, text) {
		r.state.Warnings = append(r.state.Warnings, text)
	}
}

func (r *runner[S, D]) planned(requests int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests += requests
}

func (r *runner[S, D]) report() Report {
	return Report{
		Totals: r.state.Totals, Resumed: r.resumed,
		Elapsed: time.Since(r.start), Warnings: r.state.Warnings, Requests: r.requests,
	}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

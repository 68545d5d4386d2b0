package migrate

import (
	"errors"
	"fmt"

	"github.com/minapp-go/minapp"
)

// batch is a chunk on its way through a plan: what its rows become, and what
// becomes of that.
type batch[S, D any] struct {
	rows  []Row[S]
	fates []fate // of the rows
	out   []D
	from  []int // the row of each element of out
}

// fate is how a row of the source ended.
type fate struct {
	end   ending
	stage Stage // of one that was rejected
	err   error
	// Of the rows of the sink that it became:
	out, written, notSent, unknown int
}

type ending int

const (
	unsent   ending = iota // nothing of it was written
	inDoubt                // nobody knows, or a part of it was written
	moved                  // all that it became is written
	dropped                // by Transform
	rejected               // could not be read, transformed or written
)

func (e ending) settled() bool { return e >= moved }

func newBatch[S, D any](rows []Row[S]) *batch[S, D] {
	return &batch[S, D]{rows: rows, fates: make([]fate, len(rows)), out: make([]D, 0, len(rows)), from: make([]int, 0, len(rows))}
}

// planError is a mistake of the plan that a row shows. It ends the run instead of
// rejecting the row.
type planError struct{ error }

// transform makes rows of the sink.
func (b *batch[S, D]) transform(f func(S) ([]D, error)) error {
	for i, row := range b.rows {
		if row.Err != nil {
			b.fates[i] = fate{end: rejected, stage: Reading, err: row.Err}
			continue
		}
		out, err := f(row.Value)
		if mistake, ok := errors.AsType[planError](err); ok {
			return fmt.Errorf("row %s: %w", row.At, mistake)
		}
		switch {
		case err != nil:
			b.fates[i] = fate{end: rejected, stage: Transforming, err: err}
		case len(out) == 0:
			b.fates[i].end = dropped
		}
		if err != nil {
			continue
		}
		b.fates[i].out = len(out)
		for _, v := range out {
			b.out, b.from = append(b.out, v), append(b.from, i)
		}
	}
	return nil
}

// judge takes the outcomes of what was written over to the rows.
func (b *batch[S, D]) judge(outcomes []minapp.Outcome) {
	if len(outcomes) != len(b.out) {
		err := fmt.Errorf("the sink gave %d outcomes for %d rows", len(outcomes), len(b.out))
		outcomes = make([]minapp.Outcome, len(b.out)) // unknown
		for i := range outcomes {
			outcomes[i].Err = err
		}
	}
	for i, o := range outcomes {
		b.fates[b.from[i]].add(o)
	}
	for i := range b.fates {
		if f := &b.fates[i]; f.out > 0 {
			f.conclude()
		}
	}
}

// add takes over the outcome of one row of the sink.
func (f *fate) add(o minapp.Outcome) {
	switch o.State {
	case minapp.Written:
		f.written++
		return
	case minapp.Rejected:
	case minapp.NotSent:
		f.notSent++
	default:
		f.unknown++
	}
	if f.err == nil || o.State == minapp.Unknown {
		f.err = o.Err
	}
}

// conclude says how a row ended by what became of its parts.
func (f *fate) conclude() {
	switch {
	case f.written == f.out:
		f.end = moved
	case f.unknown > 0, f.notSent > 0 && f.notSent < f.out:
		f.end = inDoubt
	case f.notSent > 0:
		f.end = unsent
	default:
		f.end, f.stage = rejected, Writing
	}
	if f.end != moved && f.err == nil {
		f.err = errors.New("the sink gave no reason")
	}
}

// sent lists the rows of which something is about to be written.
func (b *batch[S, D]) sent() []string {
	return b.named(func(f fate) bool { return f.out > 0 })
}

// doubtful lists the rows of which nobody knows.
func (b *batch[S, D]) doubtful() []string {
	return b.named(func(f fate) bool { return f.end == inDoubt })
}

// split lists the rows that were dealt with, and those that were not.
func (b *batch[S, D]) split() (settled, open []string) {
	return b.named(func(f fate) bool { return f.end.settled() }), b.named(func(f fate) bool { return !f.end.settled() })
}

func (b *batch[S, D]) named(which func(fate) bool) []string {
	var names []string
	for i, f := range b.fates {
		if which(f) {
			names = append(names, b.rows[i].At)
		}
	}
	return names
}

// firstCause is why the first row that was not dealt with was not.
func (b *batch[S, D]) firstCause() error {
	for i, f := range b.fates {
		if !f.end.settled() {
			return fmt.Errorf("row %s: %w", b.rows[i].At, f.err)
		}
	}
	return nil
}

func (b *batch[S, D]) rejections() []Rejection {
	var list []Rejection
	for i, f := range b.fates {
		if f.end == rejected {
			list = append(list, b.rejection(i))
		}
	}
	return list
}

func (b *batch[S, D]) rejection(i int) Rejection {
	return Rejection{At: b.rows[i].At, Stage: b.fates[i].stage, Reason: b.fates[i].err.Error(), Row: rawOf(b.rows[i])}
}

func (b *batch[S, D]) firstRejection() error {
	for i, f := range b.fates {
		if f.end == rejected {
			return &RejectedError{b.rejection(i), f.err}
		}
	}
	return nil
}

// keepRejected leaves rejected rows to the next run. Of one that was split a
// part may be written.
func (b *batch[S, D]) keepRejected() {
	for i := range b.fates {
		switch f := &b.fates[i]; {
		case f.end == rejected && f.written > 0:
			f.end = inDoubt
		case f.end == rejected:
			f.end = unsent
		}
	}
}

// count adds the rows that were dealt with.
func (b *batch[S, D]) count(t *Totals) {
	for _, f := range b.fates {
		switch f.end {
		case moved:
			t.Moved++
		case dropped:
			t.Dropped++
		case rejected:
			t.Rejected++
		default:
			continue
		}
		t.Read++
		t.Written += int64(f.written)
	}
}

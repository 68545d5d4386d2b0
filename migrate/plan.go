package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
)

// Plan is a migration: from where, to where, and how.
type Plan[S, D any] struct {
	Source Source[S]
	// Transform makes the rows of the sink out of one of the source: none to
	// drop it, several to split it. An error rejects the row. It is called from
	// several goroutines. It may be nil where S is D.
	Transform func(S) ([]D, error)
	Sink      Sink[D]

	// Key is a column of the sink in which no two rows have the same value. With
	// it rows whose outcome is unknown are looked up instead of ending the run.
	Key string
	// Checkpoint keeps how far the run is; nil keeps nothing.
	Checkpoint CheckpointStore
	// Version stands for whatever else decides what a row becomes, such as
	// Transform. A checkpoint of another version is refused.
	Version string
	// Parallel is how many parts are read and written at a time; 0 is 4.
	Parallel int
	// Rejected is the path of a JSON Lines file of [Rejection] for the rows that
	// cannot be read, transformed or written. Without it the first of them ends
	// the run.
	Rejected string
	// InDoubt tells, without a key, whether a row was written that an earlier run
	// left in doubt; at is its Row.At. nil refuses to go on ([DoubtError]).
	InDoubt func(ctx context.Context, at string) (written bool, err error)
	// OnProgress sees the state of the run after every chunk. Calls do not
	// overlap; the run waits for them.
	OnProgress func(Progress)
	// Digest takes a digest of every row that is written and keeps it in the
	// checkpoint, 22 KiB, so that [Verify] need not read the source again.
	Digest bool
	// DryRun reads, transforms and checks everything and writes nothing: no row,
	// no checkpoint, no file.
	DryRun bool
}

// Totals counts rows of the source: Read is always the sum of Moved, Dropped
// and Rejected. Written counts rows of the sink.
type Totals struct {
	Read     int64 `json:"read"`
	Moved    int64 `json:"moved"`    // all that they became is in the sink
	Dropped  int64 `json:"dropped"`  // by Transform
	Rejected int64 `json:"rejected"` // could not be read, transformed or written
	Written  int64 `json:"written"`  // rows of the sink, those included that were there as they should be
}

// Report is what a run did, together with the runs that it went on from.
type Report struct {
	Totals
	Resumed  int64         // of Read: by earlier runs
	Elapsed  time.Duration // of this run
	Warnings []string      // what a person should know, such as that triggers run
	Requests int64         // after a dry run: to the sink, those that would write
}

// String is one line for people, without the warnings.
func (r Report) String() string {
	return fmt.Sprintf("%d rows read (%d by earlier runs), %d written, %d dropped, %d rejected in %s",
		r.Read, r.Resumed, r.Written, r.Dropped, r.Rejected, r.Elapsed.Round(time.Millisecond))
}

// Progress is how far a run is.
type Progress struct {
	Totals
	Total   int64         // rows of the source as estimated at the start; 0 if it cannot tell
	Resumed int64         // of Read: by earlier runs
	Elapsed time.Duration // of this run
}

// Rate is the number of rows of the source that this run deals with in a
// second.
func (p Progress) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.Read-p.Resumed) / p.Elapsed.Seconds()
}

// Left is how long the rest takes at the rate so far; false if nothing can be
// said.
func (p Progress) Left() (time.Duration, bool) {
	rate := p.Rate()
	if rate == 0 || p.Total == 0 {
		return 0, false
	}
	return time.Duration(float64(max(0, p.Total-p.Read)) / rate * float64(time.Second)), true
}

// DoubtError names rows of which nobody knows whether they were written: the
// answer was lost, or the process was killed, and there is no [Plan].Key to
// look them up by.
type DoubtError struct {
	Sink string
	Rows []string // their Row.At
	Err  error    // why; nil after a run that was killed
}

// Error names the first rows.
func (e *DoubtError) Error() string {
	const shown = 5
	names, more := e.Rows, ""
	if len(names) > shown {
		names, more = names[:shown], ", …"
	}
	text := fmt.Sprintf("%s: %d rows may or may not be written (%s%s): without Plan.Key only Plan.InDoubt can tell",
		e.Sink, len(e.Rows), strings.Join(names, ", "), more)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns why the outcome is unknown.
func (e *DoubtError) Unwrap() error { return e.Err }

// Is reports whether target is [minapp.ErrOutcomeUnknown].
func (e *DoubtError) Is(target error) bool { return target == minapp.ErrOutcomeUnknown }

// RejectedError is a row that was rejected in a run without [Plan].Rejected.
type RejectedError struct {
	Rejection
	Err error
}

// Error says where the row is from and why it was rejected.
func (e *RejectedError) Error() string {
	return fmt.Sprintf("%s: row rejected in %s: %v (Plan.Rejected collects such rows, and the run goes on)", e.At, e.Stage, e.Err)
}

// Unwrap returns why.
func (e *RejectedError) Unwrap() error { return e.Err }

// check refuses a plan that cannot be run, and completes it.
func (p *Plan[S, D]) check() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf("migrate: "+format, args...)) }
	if p.Source == nil {
		refuse("Plan.Source is nil")
	}
	if p.Sink == nil {
		refuse("Plan.Sink is nil")
	}
	if p.Transform == nil {
		if _, same := any(*new(S)).(D); !same && !sameType[S, D]() {
			refuse("Plan.Transform is nil, and %T is not %T", *new(S), *new(D))
		}
		p.Transform = func(v S) ([]D, error) { return []D{any(v).(D)}, nil }
	}
	if p.Parallel < 0 {
		refuse("Plan.Parallel is %d", p.Parallel)
	}
	if p.Parallel == 0 {
		p.Parallel = 4
	}
	return errors.Join(errs...)
}

func (p *Plan[S, D]) identity() identity {
	return identity{p.Source.String(), p.Sink.String(), p.Key, p.Version}
}

// pieces is how many parts a source is asked for: more than are read at a time,
// so that the last ones are short.
func (p *Plan[S, D]) pieces() int {
	if p.Parallel == 1 {
		return 1
	}
	return p.Parallel * 4
}

// sameType also holds for interfaces, whose zero value has no type.
func sameType[S, D any]() bool {
	_, same := any((*S)(nil)).(*D)
	return same
}

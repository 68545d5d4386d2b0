package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Source is where rows come from. It can be read in parts, each of them from
// any place where a chunk ended: that is what a run that was interrupted goes
// on with. Its methods are called from several goroutines.
type Source[S any] interface {
	// String names the source and what is read of it, without secrets. A
	// checkpoint belongs to the source of this name.
	String() string
	// Parts cuts what is to be read into about n pieces, which do not overlap
	// and can be read at the same time. No rows may be no parts.
	Parts(ctx context.Context, n int) ([]Part, error)
	// Chunks reads a part, or what is left of it. An error is the last element;
	// a row that cannot be read is an element of its chunk, with Row.Err.
	Chunks(ctx context.Context, p Part) iter.Seq2[Chunk[S], error]
}

// Part says what is left to read of a piece of a source, as JSON that only the
// source understands. Checkpoints hold it.
type Part = json.RawMessage

// Chunk is some rows of a part, and what is left of the part after them.
type Chunk[S any] struct {
	Rows []Row[S]
	Rest Part // empty if nothing is left
}

// Row is one row of a source.
type Row[S any] struct {
	Value S
	At    string          // where it is from: an id, or file and line; no two rows of a source have the same
	Raw   json.RawMessage // as it was read; nil if Value encodes to it
	Err   error           // why it could not be read; such a row is rejected
}

// Cost is what reading a source or writing to a sink takes, as far as it can be
// known without doing it.
type Cost struct {
	Rows     int64
	Requests int64
	Bytes    int64 // of the rows, encoded; 0 if it is not known
}

// SourceEstimator is a source that knows what reading it takes. A run counts
// its progress against it.
type SourceEstimator interface {
	Estimate(ctx context.Context) (Cost, error)
}

// seqSource is a source in the memory of the program.
type seqSource[S any] struct {
	name string
	seq  iter.Seq2[S, error]
}

// chunkRows is the number of rows of a chunk where the source does not set it.
const chunkRows = 1000

// FromSeq reads an iterator, such as a loop of one's own or
// [github.com/minapp-go/minapp.Table.All]. To resume, the iterator must yield
// the same values again: those that were dealt with are skipped by counting.
// The name stands for what is iterated over.
func FromSeq[S any](name string, seq iter.Seq2[S, error]) Source[S] { return seqSource[S]{name, seq} }

// FromSlice reads values.
func FromSlice[S any](name string, values []S) Source[S] {
	return sliceSource[S]{seqSource[S]{name, func(yield func(S, error) bool) {
		for _, v := range values {
			if !yield(v, nil) {
				return
			}
		}
	}}, int64(len(values))}
}

type sliceSource[S any] struct {
	seqSource[S]
	n int64
}

func (s sliceSource[S]) Estimate(context.Context) (Cost, error) { return Cost{Rows: s.n}, nil }

func (s seqSource[S]) String() string { return s.name }

// place is how many values lie before the rest of a sequence.
type place struct {
	Skip int `json:"skip"`
}

func (s seqSource[S]) Parts(context.Context, int) ([]Part, error) {
	return []Part{encodePart(place{})}, nil
}

// encodePart encodes what is left of a part; a type of this package always can.
func encodePart(v any) Part {
	p, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("migrate: %T is no part: %v", v, err))
	}
	return p
}

func (s seqSource[S]) Chunks(ctx context.Context, p Part) iter.Seq2[Chunk[S], error] {
	return func(yield func(Chunk[S], error) bool) {
		var from place
		if err := json.Unmarshal(p, &from); err != nil {
			yield(Chunk[S]{}, fmt.Errorf("%s: part %s: %w", s.name, p, err))
			return
		}
		n := 0
		var rows []Row[S]
		for v, err := range s.seq {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				if len(rows) == 0 || yield(Chunk[S]{Rows: rows, Rest: encodePart(place{n})}, nil) {
					yield(Chunk[S]{}, fmt.Errorf("%s: value %d: %w", s.name, n, err))
				}
				return
			}
			if n++; n <= from.Skip {
				continue
			}
			rows = append(rows, Row[S]{Value: v, At: fmt.Sprintf("#%d", n-1)})
			if len(rows) < chunkRows {
				continue
			}
			if !yield(Chunk[S]{Rows: rows, Rest: encodePart(place{n})}, nil) {
				return
			}
			rows = nil
		}
		if len(rows) > 0 {
			yield(Chunk[S]{Rows: rows}, nil)
		}
	}
}

// withoutSettled leaves out the rows that an earlier run dealt with.
func withoutSettled[S any](rows []Row[S], settled []string) []Row[S] {
	if len(settled) == 0 {
		return rows
	}
	done := make(map[string]bool, len(settled))
	for _, at := range settled {
		done[at] = true
	}
	var left []Row[S]
	for _, r := range rows { // which are the source's
		if !done[r.At] {
			left = append(left, r)
		}
	}
	return left
}

// toldApart refuses rows that say the same of where they are from, or nothing:
// a run that goes on would take one for the other.
func toldApart[S any](rows []Row[S]) error {
	seen := make(map[string]bool, len(rows))
	for _, r := range rows {
		if r.At == "" || seen[r.At] {
			return fmt.Errorf("Row.At %q does not tell a row from others", r.At)
		}
		seen[r.At] = true
	}
	return nil
}

package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/where"
)

// FromTableOptions steers [FromTable]. The zero value reads the whole table.
type FromTableOptions struct {
	Where    where.Cond // the zero value is every row
	By       string     // minapp.ByCreatedAt (default) or minapp.ByUpdatedAt
	Keys     []string   // columns to read, as in minapp.Query
	Expand   []string   // pointers to replace by their rows, as in minapp.Query; each is billed as one more request
	PageSize int        // rows per request and chunk, 1 to 1000; 0 is 1000
}

// FromTable reads a table in pieces of its time of creation ([minapp.ScanRange]):
// in parallel, without offsets, with memory that does not grow with the table.
// Rows that exist unchanged all the while are read exactly once; a row that T
// cannot hold is rejected. Reading is repeated automatically. Source:
// open-api/data/record.md.
func FromTable[T any](t *minapp.Table[T], o FromTableOptions) Source[*minapp.Record[T]] {
	return &tableSource[T]{t, o}
}

type tableSource[T any] struct {
	table   *minapp.Table[T]
	options FromTableOptions
}

// String names the table and everything that decides what is read of it.
func (s *tableSource[T]) String() string {
	name := fmt.Sprintf("minapp table %d", s.table.ID())
	if !s.options.Where.IsZero() && !s.options.Where.IsEverything() {
		name += " where " + s.options.Where.String()
	}
	if len(s.options.Keys) > 0 {
		name += fmt.Sprint(" keys ", s.options.Keys)
	}
	if len(s.options.Expand) > 0 {
		name += fmt.Sprint(" expand ", s.options.Expand)
	}
	return name
}

func (s *tableSource[T]) Parts(ctx context.Context, n int) ([]Part, error) {
	ranges, err := s.table.Split(ctx, minapp.ScanOptions{
		Where: s.options.Where, By: s.options.By, Keys: s.options.Keys, Expand: s.options.Expand, PageSize: s.options.PageSize,
	}, n)
	parts := make([]Part, len(ranges))
	for i, r := range ranges {
		parts[i] = encodePart(r)
	}
	return parts, err
}

func (s *tableSource[T]) Chunks(ctx context.Context, p Part) iter.Seq2[Chunk[*minapp.Record[T]], error] {
	return func(yield func(Chunk[*minapp.Record[T]], error) bool) {
		var from minapp.ScanRange
		if err := json.Unmarshal(p, &from); err != nil {
			yield(Chunk[*minapp.Record[T]]{}, fmt.Errorf("part %s: %w", p, err))
			return
		}
		for chunk, err := range s.table.Chunks(ctx, from) {
			if chunk == nil {
				yield(Chunk[*minapp.Record[T]]{}, err)
				return
			}
			if !yield(rowsOf(chunk, err), nil) {
				return
			}
		}
	}
}

// rowsOf takes the errors of single rows, which are about what the type cannot
// hold, over to them.
func rowsOf[T any](c *minapp.Chunk[T], err error) Chunk[*minapp.Record[T]] {
	undecoded := make(map[string]error)
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range list.Unwrap() {
			if e, ok := errors.AsType[*minapp.DecodeError](err); ok {
				undecoded[e.ID] = err
			}
		}
	}
	out := Chunk[*minapp.Record[T]]{Rows: make([]Row[*minapp.Record[T]], len(c.Rows))}
	for i, r := range c.Rows {
		id := r.ID()
		out.Rows[i] = Row[*minapp.Record[T]]{Value: r, At: id, Raw: r.Raw, Err: undecoded[id]}
	}
	if !c.Rest.Done() {
		out.Rest = encodePart(c.Rest)
	}
	return out
}

// Estimate counts the rows, and weighs a few.
func (s *tableSource[T]) Estimate(ctx context.Context) (Cost, error) {
	cond := s.options.Where
	if cond.IsZero() {
		cond = where.Everything()
	}
	n, err := s.table.Count(ctx, cond)
	if err != nil || n == 0 {
		return Cost{}, err
	}
	raw := minapp.TableOf[json.RawMessage](s.table.Client(), s.table.ID())
	page, err := raw.Page(ctx, minapp.Query{Where: s.options.Where, Keys: s.options.Keys, Expand: s.options.Expand, PageSize: 20})
	if err != nil {
		return Cost{}, err
	}
	cost := Cost{Rows: n, Requests: requestsFor(n, s.options.PageSize) * int64(1+len(s.options.Expand))}
	bytes := int64(0)
	for _, r := range page.Records {
		bytes += int64(len(r.Raw))
	}
	if len(page.Records) > 0 {
		cost.Bytes = bytes / int64(len(page.Records)) * n
	}
	return cost, nil
}

// requestsFor is the number of requests for so many rows: a scan reads a few
// per cent of the rows twice, at the ends of its pages.
func requestsFor(rows int64, size int) int64 {
	if size == 0 {
		size = 1000
	}
	return (rows+rows/20)/int64(size) + 1
}

// Value is a Transform that keeps rows as they are, for copies between tables
// of one type.
func Value[T any](r *minapp.Record[T]) ([]T, error) { return []T{r.Value}, nil }

// rawTable is a table whose rows are read back as they are.
type rawTable struct{ *tableSource[json.RawMessage] }

func (s rawTable) Chunks(ctx context.Context, p Part) iter.Seq2[Chunk[json.RawMessage], error] {
	return func(yield func(Chunk[json.RawMessage], error) bool) {
		for c, err := range s.tableSource.Chunks(ctx, p) {
			raw := Chunk[json.RawMessage]{Rest: c.Rest, Rows: make([]Row[json.RawMessage], len(c.Rows))}
			for i, r := range c.Rows {
				raw.Rows[i] = Row[json.RawMessage]{Value: r.Raw, At: r.At, Raw: r.Raw, Err: r.Err}
			}
			if !yield(raw, err) {
				return
			}
		}
	}
}

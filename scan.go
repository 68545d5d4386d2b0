package minapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/where"
)

// A column of timestamps that a scan can walk.
const (
	ByCreatedAt = "created_at"
	ByUpdatedAt = "updated_at"
)

// ScanOptions steers [Table.Scan] and [Table.Split]. The zero value reads the
// whole table.
type ScanOptions struct {
	Where      where.Cond // the zero value is every row
	By         string     // the column to walk: ByCreatedAt (default) or ByUpdatedAt
	Keys       []string   // columns to return, the walked one is added; or with "-" to leave out, but not it and not id
	Expand     []string   // as in Query
	PageSize   int        // rows per request, 1 to 1000; 0 is 1000, and 1 is read as 2
	Parallel   int        // requests at a time; 0 is 4
	OnProgress func(ScanProgress)
}

// ScanProgress is how far a scan is. It is reported on the caller's goroutine,
// after each page has been yielded.
type ScanProgress struct {
	Rows   int64 // yielded
	Total  int64 // counted when the scan began
	Ranges int   // still being read
}

// ScanRange is a piece of a table as plain data: it can be stored, sent to
// another machine, and read there by [Table.Chunks]. Pieces of one
// [Table.Split] do not overlap.
type ScanRange struct {
	By       string          `json:"by"`                  // ByCreatedAt or ByUpdatedAt
	From     int64           `json:"from"`                // first second, in Unix time
	To       int64           `json:"to"`                  // the second after the last one
	Where    json.RawMessage `json:"where,omitempty"`     // rows of the piece that count
	Missing  bool            `json:"missing,omitempty"`   // the rows that have no value in By, instead of those from From to To
	Keys     []string        `json:"keys,omitempty"`      // as in Query
	Expand   []string        `json:"expand,omitempty"`    // as in Query
	PageSize int             `json:"page_size,omitempty"` // rows per request; 0 is 1000

	// A piece is read in one of two orders. The usual one is that of By. Where
	// seconds hold about as many rows as a page or more, By hardly tells how far
	// the reading is: ByID then says that a few seconds, Window of them from From
	// on, are read as a whole, ordered by id. Missing is read so, too. The rest
	// of the state is of that order: the rows up to the id After have been read,
	// and those from the id Before on (if any) are not wanted. Skip is how many
	// rows lay before: no more than a hint where to look.
	ByID   bool   `json:"by_id,omitempty"`
	Window int64  `json:"window,omitempty"` // not ByID: the last one
	After  string `json:"after,omitempty"`
	Before string `json:"before,omitempty"`
	Skip   int    `json:"skip,omitempty"`
}

// Done reports whether nothing of the piece is left.
func (r ScanRange) Done() bool {
	if r.walksIDs() && r.Before != "" && compareIDs(r.After, r.Before) >= 0 {
		return true
	}
	return !r.Missing && r.From >= r.To
}

// Chunk is a page of a piece, and what is left of the piece after it: the
// checkpoint to go on from.
type Chunk[T any] struct {
	Rows []*Record[T]
	Rest ScanRange

	rowErrs []error
}

// ErrScanDrift says that a scan did not yield as many rows as the table had, or
// could not find the place to go on from: rows were moved in time, or removed
// and added, while it ran.
var ErrScanDrift = errors.New("the table changed during the scan")

func (r ScanRange) check() error {
	switch {
	case r.By != ByCreatedAt && r.By != ByUpdatedAt:
		return fmt.Errorf("ScanRange.By is %q, not %s or %s", r.By, ByCreatedAt, ByUpdatedAt)
	case r.Skip < 0 || r.Window < 0:
		return fmt.Errorf("ScanRange.Skip is %d, Window %d", r.Skip, r.Window)
	case r.ByID && !r.Missing && (r.Window == 0 || r.Window > r.To-r.From):
		return fmt.Errorf("ScanRange.Window is %d, between %d and %d", r.Window, r.From, r.To)
	case slices.Contains(r.Keys, "-"+r.By) || slices.Contains(r.Keys, "-id"):
		return fmt.Errorf("Keys leave out id or %s, which the scan walks", r.By)
	}
	_, _, err := r.query().params()
	return err
}

// plan turns options into the range of everything.
func (o ScanOptions) plan() (ScanRange, error) {
	all := ScanRange{By: cmp.Or(o.By, ByCreatedAt), From: minStamp, To: maxStamp, Expand: o.Expand, PageSize: o.PageSize}
	all.Keys = withKey(o.Keys, all.By)
	if err := o.Where.Err(); err != nil {
		return all, fmt.Errorf("ScanOptions.Where: %w", err)
	}
	if !o.Where.IsZero() && !o.Where.IsEverything() {
		all.Where = json.RawMessage(o.Where.String())
	}
	if o.Parallel < 0 {
		return all, fmt.Errorf("ScanOptions.Parallel is %d", o.Parallel)
	}
	return all, all.check()
}

// What counts as a timestamp: any integer that every JSON reader takes exactly.
const (
	minStamp = -1 << 53
	maxStamp = 1 << 53
)

func withKey(keys []string, key string) []string {
	if len(keys) == 0 || strings.HasPrefix(keys[0], "-") || slices.Contains(keys, key) {
		return keys
	}
	return append(slices.Clone(keys), key)
}

// query is the request for the next page of the piece. Only documented
// operators and single sort keys are used.
func (r ScanRange) query() Query {
	q := Query{OrderBy: []string{r.By}, Keys: r.Keys, Expand: r.Expand, PageSize: r.PageSize}
	end := r.To
	if r.walksIDs() {
		q.OrderBy, end = []string{"id"}, r.From+r.Window
	}
	if q.PageSize == 1 {
		q.PageSize = leastPage
	}
	at := where.Gte(r.By, r.From).And(where.Lt(r.By, end))
	if r.Missing {
		at = where.IsNull(r.By)
	}
	q.Where = at
	if len(r.Where) > 0 {
		q.Where = where.Raw(r.Where).And(at)
	}
	return q
}

func (r ScanRange) walksIDs() bool { return r.Missing || r.ByID }

// leastPage is one row that has been read and a new one.
const leastPage = 2

func (r ScanRange) page() int { return max(leastPage, cmp.Or(r.PageSize, maxPage)) }

// grown is the piece with pages on their way back to the size that those of
// the whole one have.
func (r ScanRange) grown(whole ScanRange) ScanRange {
	if r.PageSize = grown(r.page(), whole.page()); r.PageSize == whole.page() {
		r.PageSize = whole.PageSize
	}
	return r
}

// Chunks reads one piece, page after page, in the order of its timestamps
// except where seconds hold many rows. The piece after each page is in the
// chunk: stored, it resumes the reading here or elsewhere.
//
// What others add, change or remove meanwhile, also between one run and the
// next, is as in [Table.Scan]: rows that exist from the first chunk to the last
// and keep their timestamps are yielded exactly once. Nothing is counted, so
// that a row whose timestamp changes is missed or doubled without a word. If so
// much changes that the place to go on from is not found, the last element is
// [ErrScanDrift]; a service that does not move forward is that or [ErrProtocol].
//
// A row that T cannot hold is in the chunk with its Raw, and the error is then a
// joined list of *[DecodeError]; a nil chunk is the last element. Pages that are
// too much shrink and grow again as those of [Table.All]; a chunk's Rest goes on
// with the size of its page. Each request is repeated
// automatically. Source: open-api/data/record.md.
func (t *Table[T]) Chunks(ctx context.Context, r ScanRange, opts ...CallOption) iter.Seq2[*Chunk[T], error] {
	return func(yield func(*Chunk[T], error) bool) {
		if err := r.check(); err != nil {
			yield(nil, invalid(operation.RecordsList, "%w", err))
			return
		}
		w := t.walker(opts)
		for rest := r; !rest.Done(); {
			p, err := w.step(ctx, rest)
			if err != nil {
				yield(nil, err)
				return
			}
			rest = p.rest.grown(r)
			if len(p.rows) == 0 && !rest.Done() {
				continue
			}
			if c := t.chunk(p); !yield(c, errors.Join(c.rowErrs...)) {
				return
			}
		}
	}
}

func (t *Table[T]) walker(opts []CallOption) walker {
	return walker{func(q Query) pageReader { return t.list(q, opts).pageReader }}
}

// chunk decodes the rows of a portion.
func (t *Table[T]) chunk(p *portion) *Chunk[T] {
	c := &Chunk[T]{Rest: p.rest}
	if n := len(p.rows); n > 0 {
		end := p.skipped + n
		records, errs := t.decode(p.page.Page)
		c.Rows, c.rowErrs = records[p.skipped:end:end], errs[p.skipped:end:end]
	}
	return c
}

// survey counts the rows and narrows the range down to them, at the cost of
// three small requests at a time.
func (t *Table[T]) survey(ctx context.Context, all ScanRange, cond where.Cond, opts []CallOption) (_ ScanRange, total int64, _ error) {
	end := func(order string) (int64, error) {
		row, err := t.first(ctx, all, order, 0, opts)
		if row == nil {
			return 0, err
		}
		return stampOf(row, all.By)
	}
	var errs [3]error
	var from, last int64
	var answers sync.WaitGroup
	answers.Go(func() { total, errs[0] = t.Count(ctx, cond, opts...) }) // also what has no timestamp
	answers.Go(func() { from, errs[1] = end(all.By) })
	answers.Go(func() { last, errs[2] = end("-" + all.By) })
	answers.Wait()
	all.From, all.To = from, last+1
	return all, total, cmp.Or(errs[:]...) // one is enough: they mostly fail together
}

// first is the row at an offset, nil if there is none.
func (t *Table[T]) first(ctx context.Context, all ScanRange, order string, offset int, opts []CallOption) (json.RawMessage, error) {
	q := Query{Where: all.query().Where, OrderBy: []string{order}, Keys: []string{all.By}, PageSize: 1, Offset: offset}
	page, err := t.walker(opts).list(q).get(ctx)
	if err != nil || len(page.Rows) == 0 {
		return nil, err
	}
	return page.Rows[0], nil
}

// Split cuts a table into at most n pieces of about as many rows each, and one
// of the rows without a timestamp. It costs one request for the count and one
// for each border, which the service finds by offset, all repeated
// automatically. A number of pieces below 1 is [ErrInvalid]. Source:
// open-api/data/record.md.
func (t *Table[T]) Split(ctx context.Context, o ScanOptions, n int, opts ...CallOption) ([]ScanRange, error) {
	if n < 1 {
		return nil, invalid(operation.RecordsList, "pieces: %d", n)
	}
	all, err := o.plan()
	if err != nil {
		return nil, invalid(operation.RecordsList, "%w", err)
	}
	total, err := t.Count(ctx, all.query().Where, opts...)
	if err != nil {
		return nil, err
	}
	n = int(min(int64(n), total)) // more borders would cost requests and tell nothing
	var pieces []ScanRange
	piece := all
	for i := 1; i < n; i++ {
		row, err := t.first(ctx, all, all.By, int(total*int64(i)/int64(n)), opts)
		if err != nil {
			return nil, err
		}
		if row == nil {
			break
		}
		border, err := stampOf(row, all.By)
		if err != nil {
			return nil, err
		}
		if border <= piece.From {
			continue // many rows of one second
		}
		piece.To = border
		pieces = append(pieces, piece)
		piece.From, piece.To = border, all.To
	}
	pieces = append(pieces, piece)
	missing := all
	missing.Missing = true
	return append(pieces, missing), nil
}

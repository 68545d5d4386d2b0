package minapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/rows"
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
	Keys       []string   // columns to return, the walked one is added; or with "-" to leave out
	Expand     []string   // as in Query
	PageSize   int        // rows per request, 1 to 1000; 0 is 1000
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
	By    string          `json:"by"`              // ByCreatedAt or ByUpdatedAt
	From  int64           `json:"from"`            // first second, in Unix time
	To    int64           `json:"to"`              // the second after the last one
	Where json.RawMessage `json:"where,omitempty"` // rows of the piece that count

	// Missing is the piece of the rows that have no value in By, and Second the
	// state of being within the second From, which holds more rows than a page.
	// Both are read ordered by id, from the row Skip up to the row Until, where
	// 0 is up to the last one.
	Missing bool `json:"missing,omitempty"`
	Second  bool `json:"second,omitempty"`
	Skip    int  `json:"skip,omitempty"`
	Until   int  `json:"until,omitempty"`
}

// Done reports whether nothing of the piece is left.
func (r ScanRange) Done() bool { return !r.Missing && r.From >= r.To }

// Chunk is a page of a piece, and what is left of the piece after it: the
// checkpoint to go on from.
type Chunk[T any] struct {
	Rows []*Record[T]
	Rest ScanRange

	rowErrs []error
}

// ErrScanDrift says that a scan did not yield as many rows as the table had:
// rows were moved in time, or removed and added, while it ran.
var ErrScanDrift = errors.New("the table changed during the scan")

func (r ScanRange) check() error {
	switch {
	case r.By != ByCreatedAt && r.By != ByUpdatedAt:
		return fmt.Errorf("ScanRange.By is %q, not %s or %s", r.By, ByCreatedAt, ByUpdatedAt)
	case r.Skip < 0 || r.Until < 0:
		return fmt.Errorf("ScanRange.Skip is %d, Until %d", r.Skip, r.Until)
	}
	return nil
}

// plan turns options into the range of everything and the query of every page.
func (o ScanOptions) plan() (ScanRange, Query, error) {
	all := ScanRange{By: cmp.Or(o.By, ByCreatedAt), From: minStamp, To: maxStamp}
	q := Query{Where: o.Where, Keys: withKey(o.Keys, all.By), Expand: o.Expand, PageSize: o.PageSize}
	if _, _, err := q.params(); err != nil {
		return all, q, fmt.Errorf("ScanOptions: %w", err)
	}
	if !o.Where.IsZero() && !o.Where.IsEverything() {
		all.Where = json.RawMessage(o.Where.String())
	}
	switch {
	case o.Parallel < 0:
		return all, q, fmt.Errorf("ScanOptions.Parallel is %d", o.Parallel)
	case slices.Contains(o.Keys, "-"+all.By):
		return all, q, fmt.Errorf("ScanOptions.Keys leave out %s, which the scan walks", all.By)
	}
	return all, q, all.check()
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
func (r ScanRange) query(q Query) Query {
	var at where.Cond
	switch {
	case r.Missing:
		at = where.IsNull(r.By)
	case r.Second:
		at = where.Eq(r.By, r.From)
	default:
		at = where.Gte(r.By, r.From).And(where.Lt(r.By, r.To))
	}
	if q.OrderBy = []string{r.By}; r.byOffset() {
		q.OrderBy, q.Offset = []string{"id"}, r.Skip
		if r.Until > 0 {
			q.Max = r.Until - r.Skip
		}
	}
	q.Where = at
	if len(r.Where) > 0 {
		q.Where = where.Raw(r.Where).And(at)
	}
	return q
}

func (r ScanRange) byOffset() bool { return r.Missing || r.Second }

// step reads the next page of a piece and returns the rows that are final, and
// what is left. A full page ends somewhere within a second, so it is cut before
// that second, which is read again; a second that fills a page is read by
// itself, ordered by id.
func (t *Table[T]) step(ctx context.Context, r ScanRange, q Query, opts []CallOption) (*Chunk[T], error) {
	page, err := t.list(r.query(q), opts).page(ctx)
	if page == nil {
		return nil, err
	}
	n := len(page.elements)
	c := &Chunk[T]{Rows: page.elements, Rest: r, rowErrs: page.errs}
	more := n > 0 && (page.full || page.more)
	switch {
	case r.byOffset():
		c.Rest = r.behind(n, more)
		return c, nil
	case !more:
		c.Rest.From = r.To
		return c, nil
	}
	if err := c.cut(r); err != nil || !c.Rest.Second {
		return c, err
	}
	return c, t.count(ctx, c, q, opts)
}

// count settles a page that lies within one second: either these are all of its
// rows, or it is read again by id, because the order within the second is not
// known.
func (t *Table[T]) count(ctx context.Context, c *Chunk[T], q Query, opts []CallOption) error {
	n, err := t.Count(ctx, c.Rest.query(q).Where, opts...)
	if err != nil {
		return err
	}
	if int(n) == len(c.Rows) {
		c.Rest.From, c.Rest.Second = c.Rest.From+1, false
		return nil
	}
	c.Rest.Until = int(n)
	c.keep(0)
	return nil
}

// behind is what is left of a piece that is read by offset after n more rows.
func (r ScanRange) behind(n int, more bool) ScanRange {
	r.Skip += n
	switch {
	case more && (r.Until == 0 || r.Skip < r.Until):
		return r
	case r.Missing:
		return ScanRange{By: r.By}
	}
	return ScanRange{By: r.By, From: r.From + 1, To: r.To, Where: r.Where}
}

// cut keeps the rows before the last second of a full page, or all if there is
// no other second.
func (c *Chunk[T]) cut(r ScanRange) error {
	first, err := c.Rows[0].stamp(r.By)
	if err != nil {
		return err
	}
	last, err := c.Rows[len(c.Rows)-1].stamp(r.By)
	if err != nil {
		return err
	}
	if last < r.From || last >= r.To || first > last {
		return protocolError(fmt.Errorf("asked for %s from %d to %d in order, got %d to %d", r.By, r.From, r.To, first, last))
	}
	c.Rest.From = last
	if first == last {
		c.Rest.Second = true
		return nil
	}
	return c.before(r.By, last)
}

func (c *Chunk[T]) keep(n int) { c.Rows, c.rowErrs = c.Rows[:n:n], c.rowErrs[:n:n] }

// before keeps the rows before a second.
func (c *Chunk[T]) before(by string, end int64) error {
	for n := len(c.Rows); n > 0; n-- {
		at, err := c.Rows[n-1].stamp(by)
		if err != nil {
			return err
		}
		if at < end {
			c.keep(n)
			return nil
		}
	}
	c.keep(0)
	return nil
}

// stamp is the walked column of a row, cut to whole seconds.
func (r *Record[T]) stamp(by string) (int64, error) {
	raw, ok := rows.Member(r.Raw, by)
	if !ok {
		return 0, protocolError(fmt.Errorf("record %q has no %s", r.ID(), by))
	}
	whole, _, _ := strings.Cut(string(raw), ".")
	at, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, protocolError(fmt.Errorf("record %q: %s is %s", r.ID(), by, raw))
	}
	return at, nil
}

func protocolError(err error) error {
	return &Error{Op: api.RecordsList.Name, Method: api.RecordsList.Method, Err: fmt.Errorf("%w: %w", ErrProtocol, err)}
}

// Chunks reads one piece, page after page, in the order of its timestamps. The
// piece after each page is in the chunk: stored, it resumes the reading here or
// elsewhere. A row that T cannot hold is in the chunk with its Raw, and the
// error is then a joined list of *[DecodeError]; a nil chunk is the last
// element. Each request is repeated automatically. Source:
// open-api/data/record.md.
func (t *Table[T]) Chunks(ctx context.Context, r ScanRange, opts ...CallOption) iter.Seq2[*Chunk[T], error] {
	return func(yield func(*Chunk[T], error) bool) {
		if err := r.check(); err != nil {
			yield(nil, invalid(api.RecordsList, "%w", err))
			return
		}
		for rest := r; !rest.Done(); {
			c, err := t.step(ctx, rest, Query{}, opts)
			if err != nil {
				yield(nil, err)
				return
			}
			rest = c.Rest
			if len(c.Rows) == 0 && !rest.Done() {
				continue
			}
			if !yield(c, errors.Join(c.rowErrs...)) {
				return
			}
		}
	}
}

// survey counts the rows and narrows the range down to them, at the cost of
// three small requests at a time.
func (t *Table[T]) survey(ctx context.Context, all ScanRange, q Query, opts []CallOption) (_ ScanRange, total int64, _ error) {
	counted := q.Where // also what has no timestamp
	q = all.query(q)
	q.Keys, q.Expand, q.PageSize = []string{all.By}, nil, 1
	end := func(order string) (int64, error) {
		q := q
		q.OrderBy = []string{order}
		row, err := t.first(ctx, q, opts)
		if row == nil {
			return 0, err
		}
		return row.stamp(all.By)
	}
	var errs [3]error
	var answers sync.WaitGroup
	answers.Go(func() { total, errs[0] = t.Count(ctx, counted, opts...) })
	answers.Go(func() { all.From, errs[1] = end(all.By) })
	answers.Go(func() { all.To, errs[2] = end("-" + all.By) })
	answers.Wait()
	all.To++
	return all, total, errors.Join(errs[:]...)
}

// first is the first row of a query as far as a scan is concerned, which does
// not care whether T holds it; nil if there is none.
func (t *Table[T]) first(ctx context.Context, q Query, opts []CallOption) (*Record[T], error) {
	page, err := t.list(q, opts).page(ctx)
	if page == nil {
		return nil, err
	}
	if len(page.elements) == 0 {
		return nil, nil
	}
	return page.elements[0], nil
}

// Split cuts a table into at most n pieces of about as many rows each, and one
// of the rows without a timestamp. It costs one request for the count and one
// for each border, which the service finds by offset. Source:
// open-api/data/record.md.
func (t *Table[T]) Split(ctx context.Context, o ScanOptions, n int, opts ...CallOption) ([]ScanRange, error) {
	if n < 1 {
		return nil, invalid(api.RecordsList, "pieces: %d", n)
	}
	all, q, err := o.plan()
	if err != nil {
		return nil, invalid(api.RecordsList, "%w", err)
	}
	q = all.query(q)
	q.Keys, q.Expand, q.PageSize = []string{all.By}, nil, 1
	total, err := t.Count(ctx, q.Where, opts...)
	if err != nil {
		return nil, err
	}
	var pieces []ScanRange
	piece := all
	for i := 1; i < n; i++ {
		q.Offset = int(total * int64(i) / int64(n))
		row, err := t.first(ctx, q, opts)
		if err != nil {
			return nil, err
		}
		if row == nil {
			break
		}
		border, err := row.stamp(all.By)
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

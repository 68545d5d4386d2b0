package minapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/minapp-go/minapp/internal/operation"
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
	total   int // rows in the window that has just begun; -1 if not known
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

// step reads the next page of a piece and returns the rows that are final, and
// what is left. A page that is too much for the service shrinks, and the piece
// keeps the smaller size.
func (t *Table[T]) step(ctx context.Context, r ScanRange, opts []CallOption) (*Chunk[T], error) {
	if r.walksIDs() {
		return t.stepByID(ctx, r, opts)
	}
	return t.stepByTime(ctx, r, opts)
}

// ask sends one query of a piece.
func (t *Table[T]) ask(ctx context.Context, r *ScanRange, q Query, opts []CallOption) (*listPage[Record[T]], error) {
	t.turn.give() // a page before this one is not used any more
	l := t.list(q, opts)
	limit := l.window.limit
	page, err := l.shrinking(ctx, leastPage)
	if page == nil {
		return nil, err
	}
	if l.window.limit < limit {
		r.PageSize = l.window.limit
	}
	return page, page.check(nil, l.op)
}

// stepByTime takes the next page in the order of time. A full page ends
// somewhere within a second, so it is cut before that second, which is read
// again.
func (t *Table[T]) stepByTime(ctx context.Context, r ScanRange, opts []CallOption) (*Chunk[T], error) {
	page, err := t.ask(ctx, &r, r.query(), opts)
	if err != nil {
		return nil, err
	}
	c := &Chunk[T]{Rows: page.elements, Rest: r, rowErrs: page.errs, total: -1}
	if len(c.Rows) == 0 {
		c.Rest.From = r.To
		return c, nil
	}
	first, last, err := c.span(r)
	switch {
	case err != nil:
		return nil, err
	case !page.goesOn():
		c.Rest.From = r.To
		return c, nil
	case first < last:
		if err := c.before(r.By, last); err != nil {
			return nil, err
		}
		if c.Rest.From = last; len(c.Rows) < len(page.elements)*3/4 {
			c.Rest = r.window(last, fewPages*(last-first)) // too much to read again each time
		}
		return c, nil
	}
	// The order within the second is not known, so that nothing tells whether
	// these are all of its rows or which ones they are.
	c.Rest = r.window(first, 2*r.Window)
	c.keep(0)
	return c, nil
}

// span is the first and the last second of a page.
func (c *Chunk[T]) span(r ScanRange) (first, last int64, err error) {
	if first, err = c.Rows[0].stamp(r.By); err != nil {
		return 0, 0, err
	}
	if last, err = c.Rows[len(c.Rows)-1].stamp(r.By); err != nil {
		return 0, 0, err
	}
	if first < r.From || last >= r.To || first > last {
		err = protocolError(fmt.Errorf("asked for %s from %d to %d in order, got %d to %d", r.By, r.From, r.To, first, last))
	}
	return first, last, err
}

// window is the piece from a second on, of which the first seconds are to be
// read by id.
func (r ScanRange) window(from, seconds int64) ScanRange {
	r.From, r.ByID = from, true
	r.Window = min(max(1, seconds), r.To-from)
	r.After, r.Before, r.Skip = "", "", 0
	return r
}

// A window is to hold a few pages: the more, the fewer requests are spent on
// finding its end; but the service counts through what is skipped.
const (
	fewPages  = 4
	manyPages = 16
)

// behind is what is left of the piece after a window that held so many rows.
// Another one follows if this one was worth it.
func (r ScanRange) behind(n int) ScanRange {
	from := r.From + r.Window
	if r.Missing || r.Before != "" || from >= r.To {
		return ScanRange{By: r.By}
	}
	seconds := r.Window
	switch {
	case n < fewPages*r.page():
		seconds *= 2
	case n > manyPages*r.page():
		seconds /= 2
	}
	next := r.window(from, seconds)
	if n < r.page() {
		next.ByID, next.Window = false, r.Window
	}
	return next
}

// maxProbes bounds the search for the place to go on from.
const maxProbes = 50

// stepByID takes the next page in the order of ids, by offset: that ids can be
// compared is documented nowhere. Offsets move when rows come and go, so a page
// is believed only if it proves its place: it is the first one, or begins with
// a row that has been read. Usually that is the last row of the page before.
func (t *Table[T]) stepByID(ctx context.Context, r ScanRange, opts []CallOption) (*Chunk[T], error) {
	q := r.query()
	q.Total = r.After == "" && r.Skip == 0
	search := finder{at: max(0, r.Skip-1)}
	if r.After == "" {
		search.at = r.Skip // a part of a window, from whatever row is there
	}
	for range maxProbes {
		q.Offset = search.at
		page, err := t.ask(ctx, &r, q, opts)
		if err != nil {
			return nil, err
		}
		q.PageSize = r.page() // which may have shrunk
		ids, err := idsOf(page.elements)
		if err != nil {
			return nil, err
		}
		known, _ := slices.BinarySearchFunc(ids, r.After, func(id, after string) int { return cmp.Or(compareIDs(id, after), -1) })
		switch {
		case r.After != "" && known == 0 && search.at > 0:
			search.back(r.page())
		case known == len(ids) && page.goesOn():
			search.forth(len(ids))
		default:
			return takeByID(r, page, ids, known, search.at), nil
		}
	}
	return nil, fmt.Errorf("%w: no page begins before the row after %q", ErrScanDrift, r.After)
}

// finder is the search for the offset of the first new row: low is before it
// and high behind it, as far as that is known and still true.
type finder struct{ at, low, high, tries int }

// back goes on before at: by a page, in case a few rows vanished; to the
// beginning, in case all did; then by halves.
func (f *finder) back(page int) {
	if f.at <= f.low {
		f.low = 0
	}
	f.high = f.at
	switch f.tries++; f.tries {
	case 1:
		f.at = max(f.low, f.high-page+1)
	case 2:
		f.at = f.low
	default:
		f.at = f.low + (f.high-f.low)/2
	}
}

// forth goes on behind a page of n known rows.
func (f *finder) forth(n int) {
	f.low = f.at + n - 1
	if f.at = f.low; f.high > f.low+n {
		f.at = f.low + (f.high-f.low)/2
	}
}

// takeByID makes a chunk of the rows of a page that are new and wanted.
func takeByID[T any](r ScanRange, page *listPage[Record[T]], ids []string, known, offset int) *Chunk[T] {
	end, more := len(ids), page.goesOn()
	if r.Before != "" {
		end, _ = slices.BinarySearchFunc(ids, r.Before, compareIDs)
		more = more && end == len(ids)
	}
	known = min(known, end)
	c := &Chunk[T]{Rows: page.elements[known:end:end], Rest: r, rowErrs: page.errs[known:end:end], total: int(page.total)}
	if r.Window > 1 && !r.Missing && c.total > manyPages*r.page() && r.After == "" {
		c.Rest = r.window(r.From, r.Window/int64(c.total/(fewPages*r.page())))
		c.keep(0)
		return c
	}
	c.Rest.Skip = offset + end
	if end > known {
		c.Rest.After = ids[end-1]
	}
	if !more {
		c.Rest = c.Rest.behind(c.Rest.Skip)
	}
	return c
}

// idsOf is the ids of rows that were asked for in the order of their ids.
func idsOf[T any](records []*Record[T]) ([]string, error) {
	ids := make([]string, len(records))
	for i, r := range records {
		if ids[i] = r.ID(); ids[i] == "" || i > 0 && compareIDs(ids[i-1], ids[i]) >= 0 {
			return nil, protocolError(fmt.Errorf("asked for rows ordered by id, got %q after %q", ids[i], ids[max(0, i-1)]))
		}
	}
	return ids, nil
}

// compareIDs is the order of the service's ids: those of rows have 24
// hexadecimal digits, those of users are numbers.
func compareIDs(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func (c *Chunk[T]) keep(n int) { c.Rows, c.rowErrs = c.Rows[:n:n], c.rowErrs[:n:n] }

// first is the id of the first row, "" if there is none.
func (c *Chunk[T]) first() string {
	if len(c.Rows) == 0 {
		return ""
	}
	return c.Rows[0].ID()
}

// afterID keeps the rows after an id, which others have read up to.
func (c *Chunk[T]) afterID(id string) {
	n := 0
	for n < len(c.Rows) && compareIDs(c.Rows[n].ID(), id) <= 0 {
		n++
	}
	if c.Rows, c.rowErrs = c.Rows[n:], c.rowErrs[n:]; len(c.Rows) == 0 {
		c.Rest.After = id
	}
}

// beforeID keeps the rows before an id and reports whether there were others.
func (c *Chunk[T]) beforeID(id string) bool {
	n := len(c.Rows)
	for n > 0 && compareIDs(c.Rows[n-1].ID(), id) >= 0 {
		n--
	}
	cut := n < len(c.Rows)
	c.keep(n)
	return cut
}

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

// stamp is the second of the walked column of a row, which some surfaces send
// as text.
func (r *Record[T]) stamp(by string) (int64, error) {
	raw, ok := rows.Member(r.Raw, by)
	if !ok {
		return 0, protocolError(fmt.Errorf("record %q has no %s", r.ID(), by))
	}
	at, err := strconv.ParseInt(text(raw), 10, 64)
	if err == nil {
		return at, nil
	}
	fraction, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || fraction < minStamp || fraction > maxStamp {
		return 0, protocolError(fmt.Errorf("record %q: %s is %s", r.ID(), by, raw))
	}
	return int64(math.Floor(fraction)), nil
}

func protocolError(err error) error {
	return &Error{Op: operation.RecordsList.Name, Method: operation.RecordsList.Method, Err: fmt.Errorf("%w: %w", ErrProtocol, err)}
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
		for rest := r; !rest.Done(); {
			c, err := t.step(ctx, rest, opts)
			if err != nil {
				yield(nil, err)
				return
			}
			rest = c.Rest.grown(r)
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
func (t *Table[T]) survey(ctx context.Context, all ScanRange, cond where.Cond, opts []CallOption) (_ ScanRange, total int64, _ error) {
	end := func(order string) (int64, error) {
		row, err := t.first(ctx, all, order, 0, opts)
		if row == nil {
			return 0, err
		}
		return row.stamp(all.By)
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

// first is the row at an offset, nil if there is none. It is not decoded: the
// caller's type does not matter, and its code may panic.
func (t *Table[T]) first(ctx context.Context, all ScanRange, order string, offset int, opts []CallOption) (*Record[json.RawMessage], error) {
	q := Query{Where: all.query().Where, OrderBy: []string{order}, Keys: []string{all.By}, PageSize: 1, Offset: offset}
	page, err := TableOf[json.RawMessage](t.client, t.id).list(q, opts).page(ctx)
	if err != nil || len(page.elements) == 0 {
		return nil, err
	}
	return page.elements[0], nil
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

package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/google/go-querystring/query"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/rows"
	"github.com/minapp-go/minapp/where"
)

const (
	// maxPage is the largest page the service gives, in rows, and the size
	// of a page when the caller names none.
	maxPage = 1000
	// oldestFirst is the order when the caller names none. The id breaks the
	// ties that one second and bulk creation leave. The service's own default,
	// newest first, repeats rows while rows are added. That a comma list works
	// on oserve is inferred from web-api/data/limit-and-order.md.
	oldestFirst = "created_at,id"
)

// Query chooses rows of a table. The zero value is every row, oldest first.
// Source: open-api/data/record.md.
type Query struct {
	Where    where.Cond // the zero value is every row
	OrderBy  []string   // "created_at", "-price"; empty is created_at, then id
	Keys     []string   // columns to return, or with "-" in front to leave out; not both
	Expand   []string   // pointers, or created_by, to replace by the row they point at; each billed as one more request
	PageSize int        // rows per request, 1 to 1000; 0 is 1000
	Offset   int        // rows to leave out first
	Max      int        // rows at most; 0 is no limit
	Total    bool       // ask for the number of rows that match, which slows the answer
}

// Page is one page of rows.
type Page[T any] struct {
	Records []*Record[T]
	Total   int64 // rows that match, if Query.Total asked; else -1
	More    bool  // whether the service says that there is a next page
}

// recordParams is the query string of records.list and records.count. What
// equals the service's default is left out.
type recordParams struct {
	Where   string   `url:"where,omitempty"`
	OrderBy []string `url:"order_by,comma,omitempty"`
	Limit   int      `url:"limit"`
	Offset  int      `url:"offset,omitempty"`
	Total   int      `url:"return_total_count,omitempty"`
	Keys    []string `url:"keys,comma,omitempty"`
	Expand  []string `url:"expand,comma,omitempty"`
}

// params checks the query and turns it into parameters.
func (q Query) params() (recordParams, error) {
	p := recordParams{OrderBy: q.OrderBy, Offset: q.Offset, Keys: q.Keys, Expand: q.Expand}
	if len(p.OrderBy) == 0 {
		p.OrderBy = []string{oldestFirst}
	}
	if q.Total {
		p.Total = 1
	}
	var errs [6]error
	p.Where, errs[0] = whereText(q.Where)
	errs[1] = checkNames("OrderBy", trimDash(q.OrderBy))
	errs[2] = checkKeys(q.Keys)
	errs[3] = checkNames("Expand", q.Expand)
	p.Limit, errs[4] = pageSize(q.PageSize)
	if q.Offset < 0 || q.Max < 0 {
		errs[5] = fmt.Errorf("Offset %d or Max %d is negative", q.Offset, q.Max)
	}
	if q.Max > 0 {
		p.Limit = min(p.Limit, q.Max)
	}
	return p, errors.Join(errs[:]...)
}

// whereText is the parameter where; empty conditions are left out.
func whereText(cond where.Cond) (string, error) {
	if err := cond.Err(); err != nil {
		return "", fmt.Errorf("Where: %w", err)
	}
	if cond.IsZero() || cond.IsEverything() {
		return "", nil
	}
	return cond.String(), nil
}

func pageSize(n int) (int, error) {
	switch {
	case n == 0:
		return maxPage, nil
	case n < 0 || n > maxPage:
		return 0, fmt.Errorf("PageSize is %d, 1 to %d are allowed", n, maxPage)
	}
	return n, nil
}

// checkKeys refuses lists that mix "a" and "-b": the service then ignores the
// whole list without a word.
func checkKeys(keys []string) error {
	excluded := 0
	for _, key := range keys {
		if strings.HasPrefix(key, "-") {
			excluded++
		}
	}
	if excluded > 0 && excluded < len(keys) {
		return fmt.Errorf("Keys %q mix columns to return with columns to leave out; the service would ignore them all", keys)
	}
	return checkNames("Keys", trimDash(keys))
}

func checkNames(what string, names []string) error {
	for i, name := range names {
		if strings.TrimSpace(name) == "" || strings.ContainsAny(name, ", ") {
			return fmt.Errorf("%s[%d] is %q, which is no column", what, i, name)
		}
	}
	return nil
}

func trimDash(names []string) []string {
	trimmed := make([]string, len(names))
	for i, name := range names {
		trimmed[i] = strings.TrimPrefix(name, "-")
	}
	return trimmed
}

func encodeQuery(params any) (url.Values, error) { return query.Values(params) }

// pageMeta is the member meta of a list. next is a path that may carry the
// prefix of another surface, and its offset skips rows after a delete: it is
// never followed.
type pageMeta struct {
	Next   string `json:"next"`
	Offset *int   `json:"offset"`
	Count  *int64 `json:"total_count"` // absent or null unless asked for
}

func (m pageMeta) total() int64 {
	if m.Count == nil {
		return -1
	}
	return *m.Count
}

// fetched is a page with what went wrong in each of its rows.
type fetched[T any] struct {
	Page[T]
	rowErrs []error // as long as Records; nil entries are fine
	full    bool    // as many rows as were asked for
	info    *api.Meta
}

// Page reads one page. A row that the type cannot hold is in the page with its
// Raw, and the error is then a joined list of *[DecodeError]. Repeated
// automatically. Source: open-api/data/record.md.
func (t *Table[T]) Page(ctx context.Context, q Query, opts ...CallOption) (*Page[T], error) {
	page, err := t.fetch(ctx, q, opts)
	if err != nil {
		return nil, err
	}
	page.deliver(opts)
	return &page.Page, errors.Join(page.rowErrs...)
}

// deliver hands what CallMeta asked for to the caller, on the caller's
// goroutine: pages are fetched ahead on another.
func (f *fetched[T]) deliver(opts []CallOption) {
	if call, err := newCall(api.RecordsList, opts); err == nil && call.Meta != nil {
		*call.Meta = *f.info
	}
}

// listing begins the call that reads a page.
func (t *Table[T]) listing(q Query, opts []CallOption) (call api.Call, params recordParams, err error) {
	op := api.RecordsList
	if call, err = t.newCall(op, opts); err != nil {
		return call, params, err
	}
	if params, err = q.params(); err != nil {
		return call, params, invalid(op, "Query: %w", err)
	}
	if call.Query, err = encodeQuery(params); err != nil {
		return call, params, invalid(op, "Query: %w", err)
	}
	call.Cost = len(q.Expand)
	return call, params, nil
}

// fetch is the one way a page is read.
func (t *Table[T]) fetch(ctx context.Context, q Query, opts []CallOption) (*fetched[T], error) {
	op := api.RecordsList
	call, params, err := t.listing(q, opts)
	if err != nil {
		return nil, err
	}
	page := &fetched[T]{info: new(api.Meta)}
	call.Meta = page.info
	res, err := t.client.api.Do(ctx, op, call)
	if err != nil {
		return nil, toError(err)
	}
	if err := page.read(t.client.config.codec, res.Body, params); err != nil {
		return nil, misread(op, res, err)
	}
	return page, nil
}

// read cuts a page into rows and decodes them. An error is one of the page.
func (f *fetched[T]) read(codec Codec, body []byte, asked recordParams) error {
	split, err := rows.Split(body)
	if err != nil {
		return err
	}
	var meta pageMeta
	if err := json.Unmarshal(split.Meta, &meta); err != nil {
		return fmt.Errorf("meta: %w", err)
	}
	if meta.Offset != nil && *meta.Offset != asked.Offset {
		return fmt.Errorf("asked for offset %d, got %d", asked.Offset, *meta.Offset)
	}
	f.Total, f.More = meta.total(), meta.Next != ""
	f.full = len(split.Rows) >= asked.Limit
	records := make([]Record[T], len(split.Rows))
	f.Records = make([]*Record[T], len(records))
	f.rowErrs = make([]error, len(records))
	for i, raw := range split.Rows {
		f.Records[i] = &records[i]
		f.rowErrs[i] = records[i].decode(codec, raw)
	}
	return nil
}

// All reads every row of the query in its order, page after page; the next
// page is on its way while this one is used. A row that the type cannot hold
// is yielded with a *[DecodeError], and the loop may go on; a nil record is
// the last element, its error says what ended the sequence. Nothing is sent
// before the loop begins, each loop starts anew, and leaving it stops at once.
//
// Pages are counted by offset: rows that appear or vanish in front of the
// current page while the loop runs shift the others, so that some may be seen
// twice or not at all. Each request is repeated automatically. Source:
// open-api/data/record.md.
func (t *Table[T]) All(ctx context.Context, q Query, opts ...CallOption) iter.Seq2[*Record[T], error] {
	return func(yield func(*Record[T], error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		p := &pager[T]{table: t, query: q, opts: opts}
		p.prefetch(ctx)
		defer p.stop(cancel)
		for p.next() {
			p.page.deliver(opts)
			for i, record := range p.page.Records {
				if ctx.Err() != nil {
					yield(nil, context.Cause(ctx))
					return
				}
				if !yield(record, p.page.rowErrs[i]) {
					return
				}
			}
		}
		if p.err != nil {
			yield(nil, p.err)
		}
	}
}

// pager walks a query by offset with one page ahead.
type pager[T any] struct {
	table   *Table[T]
	query   Query // of the page on its way
	opts    []CallOption
	pending chan ahead[T] // the page on its way, nil if none
	ctx     context.Context
	page    *fetched[T]
	err     error
}

type ahead[T any] struct {
	page *fetched[T]
	err  error
}

func (p *pager[T]) prefetch(ctx context.Context) {
	p.ctx = ctx
	p.pending = make(chan ahead[T], 1)
	go func(q Query, pending chan<- ahead[T]) {
		page, err := p.table.fetch(ctx, q, p.opts)
		pending <- ahead[T]{page, err}
	}(p.query, p.pending)
}

// stop ends the page on its way and waits for it, so that no goroutine is left.
func (p *pager[T]) stop(cancel context.CancelFunc) {
	cancel()
	if p.pending != nil {
		<-p.pending
	}
}

// next makes the page on its way the current one and starts the one after it.
func (p *pager[T]) next() bool {
	if p.pending == nil {
		return false
	}
	last := p.page
	got := <-p.pending
	p.pending, p.page, p.err = nil, got.page, got.err
	if p.err == nil {
		p.err = p.page.follows(last)
	}
	if p.err != nil {
		return false
	}
	if n := len(p.page.Records); n > 0 && p.wanted(n) {
		p.query.Offset += n
		p.prefetch(p.ctx)
	}
	return true
}

// wanted reports whether another page should be asked for after n rows. A full
// page is not believed to be the last one: whether next is reliable without
// the total count is not settled, and one request too many loses nothing.
func (p *pager[T]) wanted(n int) bool {
	if p.query.Max > 0 {
		if n >= p.query.Max {
			return false
		}
		p.query.Max -= n
	}
	return p.page.More || p.page.full
}

// follows refuses a page that begins like the one before: the service did not
// move forward, and the loop would never end.
func (f *fetched[T]) follows(last *fetched[T]) error {
	if last == nil || len(last.Records) == 0 || len(f.Records) == 0 {
		return nil
	}
	if id := f.Records[0].ID(); id != "" && id == last.Records[0].ID() {
		return &Error{
			Op: api.RecordsList.Name, Method: api.RecordsList.Method,
			Err: fmt.Errorf("%w: the next page begins with record %q again", ErrProtocol, id),
		}
	}
	return nil
}

// Count returns the number of rows that match; the zero condition counts all.
// Repeated automatically. Source: open-api/data/record.md.
func (t *Table[T]) Count(ctx context.Context, cond where.Cond, opts ...CallOption) (int64, error) {
	op := api.RecordsCount
	call, err := t.newCall(op, opts)
	if err != nil {
		return 0, err
	}
	params := recordParams{Limit: 1, Total: 1}
	if params.Where, err = whereText(cond); err != nil {
		return 0, invalid(op, "%w", err)
	}
	if call.Query, err = encodeQuery(params); err != nil {
		return 0, invalid(op, "%w", err)
	}
	var answer struct {
		Meta pageMeta `json:"meta"`
	}
	if err := t.client.send(ctx, op, call, nil, &answer); err != nil {
		return 0, err
	}
	if answer.Meta.Count == nil {
		return 0, &Error{Op: op.Name, Method: op.Method, Err: fmt.Errorf("%w: no total_count in the answer", ErrProtocol)}
	}
	return *answer.Meta.Count, nil
}

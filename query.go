package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
	"github.com/minapp-go/minapp/where"
)

// Query chooses rows of a table. The zero value is every row, oldest first. An
// OrderBy is sent as it is: where it leaves rows equal, their order is not
// defined and may differ from page to page, so end it with "id" to read more
// than one (that several columns work is inferred). A mistake in a query is
// [ErrInvalid], one that fits into no URL [ErrTooLong], and nothing is sent.
// Source: open-api/data/record.md.
type Query struct {
	Where    where.Cond // the zero value is every row
	OrderBy  []string   // "created_at", "-price"; empty is created_at, then id, or nearest first with [where.WithinRing]
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

// recordParams is the query string of a list of rows, without its window, and
// of records.count. What equals the service's default is left out.
type recordParams struct {
	Limit   int      `url:"limit,omitempty"`
	Where   string   `url:"where,omitempty"`
	OrderBy []string `url:"order_by,comma,omitempty"`
	Total   int      `url:"return_total_count,omitempty"`
	Keys    []string `url:"keys,comma,omitempty"`
	Expand  []string `url:"expand,comma,omitempty"`
}

// params checks the query and turns it into parameters.
func (q Query) params() (url.Values, window, error) {
	p := recordParams{OrderBy: q.OrderBy, Keys: q.Keys, Expand: q.Expand}
	if q.Total {
		p.Total = 1
	}
	var errs [5]error
	p.Where, errs[0] = whereText(q.Where)
	errs[1] = checkNames("OrderBy", trimDash(q.OrderBy))
	errs[2] = checkKeys(q.Keys)
	errs[3] = checkNames("Expand", q.Expand)
	w, err := newWindow(q.PageSize, q.Offset, q.Max)
	errs[4] = err
	if err := errors.Join(errs[:]...); err != nil {
		return nil, w, err
	}
	if len(q.OrderBy) == 0 && !strings.Contains(p.Where, nearestFirst) {
		p.OrderBy = oldestFirst()
	}
	values, err := encodeQuery(p)
	return values, w, err
}

// oldestFirst is the order when the caller names none. The id breaks the ties
// that one second and bulk creation leave. The service's own default, newest
// first, repeats rows while rows are added. That a comma list works on oserve
// is inferred from web-api/data/limit-and-order.md.
func oldestFirst() []string { return []string{"created_at", "id"} }

// nearestFirst is the operator that orders rows by itself. inferred: an
// order_by beside it replaces that order. Inside a text its quotes would be
// escaped, so it is found only as an operator.
const nearestFirst = `"$nearsphere":`

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

// list is the list of a query.
func (t *Table[T]) list(q Query, opts []CallOption) (l lister[Record[T]]) {
	l.client, l.op = t.client, operation.RecordsList
	l.decode = t.decode
	if l.call, l.err = t.newCall(l.op, opts); l.err != nil {
		return l
	}
	l.call.Cost = len(q.Expand)
	if l.call.Query, l.window, l.err = q.params(); l.err != nil {
		l.err = invalid(l.op, "Query: %w", l.err)
	}
	return l
}

// decode decodes the rows of a page in one go, which is cheaper than row by
// row, and row by row only where that fails, so that one bad row does not cost
// the others.
func (t *Table[T]) decode(page rows.Page) ([]*Record[T], []error) {
	codec := t.client.config.codec
	records := make([]Record[T], len(page.Rows))
	elements, errs := make([]*Record[T], len(records)), make([]error, len(records))
	values := make([]T, 0, len(records))
	_, undecoded := any(values).([]json.RawMessage)
	whole := !undecoded && codec.Unmarshal(page.Objects, &values) == nil && len(values) == len(records)
	for i, raw := range page.Rows {
		elements[i] = &records[i]
		if whole {
			records[i] = Record[T]{values[i], raw}
		} else {
			errs[i] = records[i].decode(codec, raw)
		}
	}
	return elements, errs
}

// Page reads one page. A row that the type cannot hold is in the page with its
// Raw, and the error is then a joined list of *[DecodeError]. Repeated
// automatically. Source: open-api/data/record.md.
func (t *Table[T]) Page(ctx context.Context, q Query, opts ...CallOption) (*Page[T], error) {
	page, err := t.list(q, opts).page(ctx)
	if page == nil {
		return nil, err
	}
	return &Page[T]{page.elements, page.total, page.more}, err
}

// All reads every row of the query in its order, page after page; the next
// page is on its way while this one is used. A row that the type cannot hold
// is yielded with a *[DecodeError], and the loop may go on; a nil record is
// the last element, its error says what ended the sequence. Nothing is sent
// before the loop begins, each loop starts anew, and leaving it stops at once.
//
// Rows that others add, change or remove while the loop runs: pages are counted
// by offset, so that without such changes every row is yielded once, and what
// happens behind the page that is on its way shows as it is when its page is
// read. A row that is added before it, or comes to stand there because a column
// of OrderBy changes, moves one that was yielded onto the next page, where it is
// yielded again; a row that is removed before it, or leaves, hides one that was
// not. [Table.Scan] promises more, where the order does not matter. As many rows
// added before it as a page holds make that page come again: a page that begins
// like the one before it, and an empty one that is followed by another, is
// [ErrProtocol] and the end, because a service that is stuck looks the same.
//
// A page that is too large to read (64 MiB) is asked for again at a quarter of
// its size, and so is, by each repetition, one for which the gateway gives up on
// the service (502, 504); the pages after it grow again, each by a quarter. Each
// request is repeated automatically. Source: open-api/data/record.md.
func (t *Table[T]) All(ctx context.Context, q Query, opts ...CallOption) iter.Seq2[*Record[T], error] {
	return t.list(q, opts).all(ctx)
}

// Count returns the number of rows that match; the zero condition counts all.
// Repeated automatically. Source: open-api/data/record.md.
func (t *Table[T]) Count(ctx context.Context, cond where.Cond, opts ...CallOption) (int64, error) {
	op := operation.RecordsCount
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
		return 0, failed(op, "%w: no total_count in the answer", ErrProtocol)
	}
	return *answer.Meta.Count, nil
}

package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"net/url"
	"slices"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// bulkParams is the query string of an update or a delete by filter. Without a
// limit the service decides whether it answers at once.
type bulkParams struct {
	Where string `url:"where,omitempty"`
	Limit int    `url:"limit,omitempty"`
	Total int    `url:"return_total_count,omitempty"`
}

// filtering begins a call by filter. No filter is refused: the service would
// take it for every row.
func (t *Table[T]) filtering(op operation.Operation, cond where.Cond, params bulkParams, opts []CallOption) (api.Call, error) {
	call, err := t.newCall(op, opts)
	if err != nil {
		return call, err
	}
	if cond.IsZero() {
		return call, invalid(op, "%w", ErrUnfiltered)
	}
	if params.Where, err = whereText(cond); err != nil {
		return call, invalid(op, "%w", err)
	}
	values, err := encodeQuery(params)
	if err != nil {
		return call, invalid(op, "%w", err)
	}
	maps.Copy(values, call.Query)
	call.Query = values
	return call, nil
}

// patching begins an update by filter.
func (t *Table[T]) patching(op operation.Operation, cond where.Cond, p patch.Patch, params bulkParams, opts []CallOption) (api.Call, error) {
	call, err := t.filtering(op, cond, params, opts)
	if err != nil {
		return call, err
	}
	body, err := p.MarshalJSON()
	if err != nil {
		return call, invalid(op, "patch: %w", err)
	}
	call.Body, call.Once = api.JSONBody(body), !p.Idempotent()
	return call, nil
}

// UpdateWhere changes the columns that the patch names in every row that
// matches. It first reads the ids of these rows and then updates them by id,
// in batches of up to 1000 rows, fewer where ids fill the URL (about 490). So
// no row is skipped when its update makes it match no more, and none is
// updated twice; a row that somebody else changes in between is updated
// whether it still matches or not. [where.Everything] is the whole table, the
// zero condition is [ErrUnfiltered].
//
// Batches are yielded like those of [Table.CreateAll], with one outcome per
// row; positions are those of the matching ids in ascending order. A row that
// vanished before its update is [Rejected] with [ErrNotFound]. The service
// does not say which row an error is about: if several rows of a batch fail,
// each has all their errors. A mistake in the arguments, a failure of reading
// and the end of the context between two batches end the sequence with a nil
// batch. BatchOptions.First and Key are refused: to resume, use a condition
// that updated rows match no more, and begin again.
//
// Memory holds the ids of all matching rows, about 40 bytes for each;
// [Table.StartUpdate] leaves the work to the service. As with [Table.All],
// rows that others remove while the ids are read can hide a row.
//
// A batch is repeated automatically if the patch is idempotent; otherwise, or
// when all attempts failed, rows may be [Unknown] ([ErrOutcomeUnknown]).
// Source: open-api/data/record.md.
func (t *Table[T]) UpdateWhere(ctx context.Context, cond where.Cond, p patch.Patch, o BatchOptions, opts ...CallOption) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		u := newUpdater(t, p, opts)
		parts, err := u.plan(ctx, cond, o)
		if err != nil {
			yield(nil, err)
			return
		}
		u.run(ctx, parts, o, yield)
	}
}

// UpdateMany updates the columns that the patch names in the rows with these
// ids, in batches of up to 1000 rows, fewer where ids fill the URL (about 490).
// Positions are those of ids, which must differ. A row that does not exist is
// [Rejected] with [ErrNotFound]. Everything else is as in [Table.UpdateWhere].
// Source: open-api/data/record.md.
func (t *Table[T]) UpdateMany(ctx context.Context, ids []string, p patch.Patch, o BatchOptions, opts ...CallOption) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		u := newUpdater(t, p, opts)
		parts, err := u.cut(ids, o)
		if err == nil {
			err = checkIDs(u.op, ids)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		u.run(ctx, parts, o, yield)
	}
}

// checkIDs refuses ids that are empty or there twice.
func checkIDs(op operation.Operation, ids []string) error {
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		if id == "" || seen[id] {
			return invalid(op, "id %d, %q, is empty or there twice", i, id)
		}
		seen[id] = true
	}
	return nil
}

// updater updates rows by id.
type updater[T any] struct {
	op    operation.Operation
	table *Table[T]
	patch patch.Patch
	opts  []CallOption
}

func newUpdater[T any](t *Table[T], p patch.Patch, opts []CallOption) *updater[T] {
	op := operation.BulkUpdate
	op.Params = operation.Triggers // the total is the number of ids
	return &updater[T]{op, t, p, opts}
}

// plan reads the ids that match and cuts them into batches.
func (u *updater[T]) plan(ctx context.Context, cond where.Cond, o BatchOptions) ([][]string, error) {
	if _, err := u.call(cond); err != nil {
		return nil, err
	}
	if _, err := u.size(o); err != nil {
		return nil, err
	}
	ids, err := u.table.matching(ctx, cond, u.opts)
	if err != nil {
		return nil, fmt.Errorf("%s: reading the ids: %w", u.op.Name, err)
	}
	return u.cut(ids, o)
}

// size is the most rows of one request.
func (u *updater[T]) size(o BatchOptions) (int, error) {
	size, err := o.check()
	switch {
	case err != nil:
		return 0, invalid(u.op, "%w", err)
	case o.First != 0:
		return 0, invalid(u.op, "BatchOptions.First is %d, but rows are chosen by what they hold or by id", o.First)
	case o.Key != "":
		return 0, invalid(u.op, "BatchOptions.Key is for CreateAll: rows that are updated have ids")
	}
	return size, nil
}

// cut cuts ids into batches.
func (u *updater[T]) cut(ids []string, o BatchOptions) ([][]string, error) {
	size, err := u.size(o)
	if err != nil {
		return nil, err
	}
	return cutIn(u.op, "id", ids, size, func(cond where.Cond) (int, error) {
		call, err := u.call(cond)
		if err != nil {
			return 0, err
		}
		return u.table.client.api.Room(u.op, call)
	})
}

// run updates batch after batch.
func (u *updater[T]) run(ctx context.Context, parts [][]string, o BatchOptions, yield func(*Batch, error) bool) {
	run := &batchRun{ctx: ctx, options: o, yield: yield}
	first := 0
	for _, ids := range parts {
		if ctx.Err() != nil {
			run.finish(fmt.Errorf("%s: at row %d: %w", u.op.Name, first, context.Cause(ctx)))
			return
		}
		at := first
		first += len(ids)
		if !run.ship(func() *Batch { return u.update(ctx, at, ids) }) {
			break
		}
	}
	run.finish(nil)
}

func (u *updater[T]) call(cond where.Cond) (api.Call, error) {
	return u.table.patching(u.op, cond, u.patch, bulkParams{Limit: maxBatch}, u.opts)
}

// update updates a batch of rows. Nothing but their ids selects them, so that
// a repetition finds those again that the first attempt has changed.
func (u *updater[T]) update(ctx context.Context, first int, ids []string) *Batch {
	b := &batcher{client: u.table.client, op: u.op, first: first}
	for _, id := range ids {
		b.take(id, nil)
	}
	call, err := u.call(where.In("id", ids...))
	if err != nil {
		b.fail(err)
	} else {
		b.send(ctx, call, b.byID)
	}
	return b.batch()
}

// matching reads the ids of the rows that match, in ascending order. They are
// ordered by id because nothing changes it; a row that was seen twice is there
// once.
func (t *Table[T]) matching(ctx context.Context, cond where.Cond, opts []CallOption) ([]string, error) {
	query := Query{Where: cond, OrderBy: []string{"id"}, Keys: []string{"id"}}
	var ids []string
	for record, err := range TableOf[json.RawMessage](t.client, t.id).All(ctx, query, optionsFor(operation.RecordsList, opts)...) {
		if err == nil {
			err = record.identified()
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, record.ID())
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// identified refuses a row that cannot be told from others.
func (r *Record[T]) identified() error {
	if r.ID() != "" {
		return nil
	}
	return failed(operation.RecordsList, "%w: a row has no id", ErrProtocol)
}

// cutIn cuts values into lists that are short enough for where.In: at most so
// many values, and as many bytes as there is room for in the URL of a request
// with the condition.
func cutIn[V any](op operation.Operation, field string, values []V, most int, room func(where.Cond) (int, error)) ([][]V, error) {
	size := func(cond where.Cond) int { return len(url.QueryEscape(cond.String())) }
	one := where.In(field, 0)
	free, err := room(one)
	if err != nil {
		return nil, err
	}
	free++ // the 0
	frame := size(one) - 1
	comma := len(url.QueryEscape(","))
	var parts [][]V
	start, used := 0, 0
	for i, v := range values {
		cond := where.In(field, v)
		if err := cond.Err(); err != nil {
			return nil, invalid(op, "value %d: %w", i, err)
		}
		n := size(cond) - frame
		if n > free {
			return nil, invalid(op, "value %d: %w: %d bytes encoded, there is room for %d", i, ErrTooLong, n, free)
		}
		if i > start && (used+comma+n > free || i-start == most) {
			parts = append(parts, values[start:i])
			start, used = i, 0
		}
		if i > start {
			used += comma
		}
		used += n
	}
	if start < len(values) {
		parts = append(parts, values[start:])
	}
	return parts, nil
}

// AllIn reads the rows in which the column has one of the values, and that
// match q.Where if it is not zero. It takes lists of any length: where they do
// not fit into one URL, it makes several queries, and yields a row that
// several of them find (because the column is an array) once. No values are no
// rows.
//
// Rows come query by query, so that OrderBy, Offset and Max are refused. The
// ids of the rows yielded are kept in memory. All else is as in [Table.All].
// Source: open-api/data/record.md.
func AllIn[T, V any](ctx context.Context, t *Table[T], field string, values []V, q Query, opts ...CallOption) iter.Seq2[*Record[T], error] {
	return func(yield func(*Record[T], error) bool) {
		parts, err := cutQuery(t, field, values, q, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		seen := make(map[string]bool)
		for _, part := range parts {
			for record, err := range t.All(ctx, q.within(where.In(field, part...)), opts...) {
				if record == nil {
					yield(nil, err)
					return
				}
				if err := record.identified(); err != nil {
					yield(nil, err)
					return
				}
				id := record.ID()
				if !seen[id] && !yield(record, err) {
					return
				}
				seen[id] = true
			}
		}
	}
}

// within narrows a query.
func (q Query) within(cond where.Cond) Query {
	if !q.Where.IsZero() && !q.Where.IsEverything() {
		cond = cond.And(q.Where)
	}
	q.Where = cond
	return q
}

// cutQuery cuts the values into queries that fit into a URL on every page.
func cutQuery[T, V any](t *Table[T], field string, values []V, q Query, opts []CallOption) ([][]V, error) {
	op := operation.RecordsList
	if len(q.OrderBy) > 0 || q.Offset != 0 || q.Max != 0 {
		return nil, invalid(op, "Query: OrderBy, Offset and Max mean nothing across several queries")
	}
	return cutIn(op, field, values, len(values), func(cond where.Cond) (int, error) {
		longest := q.within(cond)
		longest.Offset = math.MaxInt
		call, err := t.list(longest, opts).request()
		if err != nil {
			return 0, err
		}
		return t.client.api.Room(op, call)
	})
}

// DeleteTotals is what [Table.DeleteWhere] did.
type DeleteTotals struct {
	Deleted  int64 // rows that the service says it deleted
	AtLeast  bool  // the answer of a request was lost, so that Deleted may be too low
	Requests int   // requests sent, repetitions included
}

// DeleteWhere removes every row that matches, 1000 with each request, until the
// service counts none that is left; rows that come to match meanwhile are removed, too. Permissions
// of rows are ignored. [where.Everything] empties the whole table, the zero
// condition is [ErrUnfiltered]. A request that deletes nothing while rows match
// ends the run with an error.
//
// The totals count what was deleted, also when the error is not nil. The
// service does not say which rows these were. Each request is repeated
// automatically; the rows that a request removed whose answer was lost are in
// no answer, and [DeleteTotals].AtLeast says so. When the last attempt of a
// request is lost, the error is [ErrOutcomeUnknown]; calling again goes on.
// Source: open-api/data/record.md.
func (t *Table[T]) DeleteWhere(ctx context.Context, cond where.Cond, opts ...CallOption) (DeleteTotals, error) {
	op := operation.BulkDelete
	op.Params = operation.Triggers // the total is asked for where it is needed
	var totals DeleteTotals
	left := int64(0) // rows that match, as far as is known
	for {
		// Counting slows the answer: it is asked for when it can be the last. A
		// full thousand is never believed to be the last.
		counted := left <= maxBatch
		params := bulkParams{Limit: maxBatch}
		if counted {
			params.Total = 1
		}
		call, err := t.filtering(op, cond, params, opts)
		if err != nil {
			return totals, err
		}
		answer, err := t.client.bulk(ctx, op, call)
		if err = totals.add(answer, err); err != nil {
			return totals, err
		}
		deleted := *answer.Succeed
		left -= deleted
		if counted {
			if answer.Total == nil {
				return totals, answer.misread("no total_count")
			}
			left = *answer.Total - deleted
		}
		switch {
		case counted && (*answer.Total == 0 || left <= 0 && deleted < maxBatch && answer.Next == ""):
			return totals, nil
		case counted && deleted == 0:
			return totals, failed(op, "%w: %d rows match and none was deleted", ErrProtocol, left)
		case deleted < maxBatch:
			left = 0 // not what was expected: count again
		}
	}
}

// add counts what a request did.
func (d *DeleteTotals) add(a *bulkAnswer, err error) error {
	if err == nil {
		err = a.atOnce()
	}
	if e, ok := errors.AsType[*Error](err); ok {
		d.Requests += e.Attempts
		d.AtLeast = d.AtLeast || e.unknown
	}
	if err != nil {
		return err
	}
	d.Requests += a.res.Attempts
	d.AtLeast = d.AtLeast || a.res.Again
	d.Deleted += *a.Succeed
	return nil
}

package minapp

import (
	"context"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/where"
)

// plan counts the table and cuts it into parts, unless that has happened.
func (r *exportRun) plan(ctx context.Context) error {
	if len(r.state.Parts) > 0 {
		return nil
	}
	total, err := r.count(ctx, r.options.Spec.Where)
	if err != nil {
		return err
	}
	parts := []exportPart{{Rows: total}}
	if total > r.state.MaxRows {
		if parts, err = r.cutAll(ctx, total); err != nil {
			return err
		}
	}
	r.state.Parts = parts
	for i := range parts {
		r.report(i, "counted")
	}
	return r.save()
}

// cutAll cuts the table from its first second to its last.
func (r *exportRun) cutAll(ctx context.Context, total int64) ([]exportPart, error) {
	first, err := r.edge(ctx, "created_at")
	if err != nil {
		return nil, err
	}
	last, err := r.edge(ctx, "-created_at")
	if err != nil {
		return nil, err
	}
	var parts []exportPart
	for from := first; from <= last; {
		until, rows, err := r.cut(ctx, from, last+1)
		if err != nil {
			return nil, err
		}
		if rows > 0 {
			parts = append(parts, exportPart{From: from, Until: until, Rows: rows})
			total -= rows
		}
		from = until
	}
	if total > 0 { // rows have vanished meanwhile, or have no place in time
		return parts, r.refuseTimeless(ctx)
	}
	return parts, nil
}

// edge is the time of the first row in an order.
func (r *exportRun) edge(ctx context.Context, order string) (Timestamp, error) {
	page, err := r.service.client.Records.Page(ctx, r.table, Query{Where: r.options.Spec.Where, OrderBy: []string{order}, PageSize: 1})
	if err != nil {
		return 0, err
	}
	if len(page.Records) == 0 || page.Records[0].CreatedAt() == 0 {
		return 0, invalid(operation.ExportsCreate, "the table has more than %d rows and cannot be cut: no created_at", r.state.MaxRows)
	}
	return page.Records[0].CreatedAt(), nil
}

func (r *exportRun) refuseTimeless(ctx context.Context) error {
	n, err := r.count(ctx, r.narrowed(where.IsNull("created_at")))
	if err == nil && n > 0 {
		err = invalid(operation.ExportsCreate, "%d rows have no created_at, and would be in no part", n)
	}
	return err
}

// cut finds a period from a second on that has at most MaxRows rows, and
// unless that is all that is left, not many less: a part is an e-mail and a
// minute.
func (r *exportRun) cut(ctx context.Context, from, end Timestamp) (until Timestamp, rows int64, err error) {
	rows, err = r.count(ctx, r.between(from, end))
	if err != nil || rows <= r.state.MaxRows {
		return end, rows, err
	}
	enough := r.state.MaxRows - r.state.MaxRows/5
	low, high := from, end
	rows = 0
	for high-low > 1 && rows < enough {
		middle := low + (high-low)/2
		n, err := r.count(ctx, r.between(from, middle))
		switch {
		case err != nil:
			return 0, 0, err
		case n <= r.state.MaxRows:
			low, rows = middle, n
		default:
			high = middle
		}
	}
	if low == from {
		return 0, 0, invalid(operation.ExportsCreate, "more than %d rows were created at %s, and a second cannot be cut", r.state.MaxRows, from)
	}
	return low, rows, nil
}

// between is the condition of a run, and a period.
func (r *exportRun) between(from, until Timestamp) where.Cond {
	return r.narrowed(where.Gte("created_at", from).And(where.Lt("created_at", until)))
}

// narrowed is the condition of the run, and another one.
func (r *exportRun) narrowed(cond where.Cond) where.Cond {
	if own := r.options.Spec.Where; !own.IsZero() && !own.IsEverything() {
		return own.And(cond)
	}
	return cond
}

func (r *exportRun) count(ctx context.Context, cond where.Cond) (int64, error) {
	return r.service.client.Records.Count(ctx, r.table, cond)
}

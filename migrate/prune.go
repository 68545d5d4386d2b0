package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/where"
)

// Prunable is a sink in which [Sync] can find and remove rows that the source
// has no more.
type Prunable interface {
	Pruner(key string) Pruner // the rows by Plan.Key
}

// Pruner finds and removes rows by key. Times are the created_at of the source,
// Unix seconds; from counts, to does not.
type Pruner interface {
	// Window is the time of the first row, and the moment after the last; equal
	// if there is none.
	Window(ctx context.Context) (from, to int64, err error)
	// Count is the number of rows.
	Count(ctx context.Context, from, to int64) (int64, error)
	// Keys lists their keys.
	Keys(ctx context.Context, from, to int64) ([]string, error)
	// Delete removes rows by key; one that is not there is no error.
	Delete(ctx context.Context, keys []string) error
}

// pruning looks for rows of the sink that the source has no more.
type pruning struct {
	source keyedTable // by id
	sink   Pruner
	most   int64
	gone   []string
}

// fewRows is when a window is read instead of halved.
const fewRows = 1000

// run removes the rows that are gone, of those created before a moment.
func (p *pruning) run(ctx context.Context, until int64) (int64, error) {
	from, to, err := p.sink.Window(ctx)
	if err == nil {
		err = p.window(ctx, from, min(to, until))
	}
	if err != nil {
		return 0, fmt.Errorf("looking for rows that are gone: %w", err)
	}
	if int64(len(p.gone)) > p.most {
		return 0, fmt.Errorf("%d rows or more are gone from the source, and SyncOptions.MaxDeletes is %d: none was deleted", len(p.gone), p.most)
	}
	if len(p.gone) == 0 {
		return 0, nil
	}
	if err := p.sink.Delete(ctx, p.gone); err != nil {
		return 0, fmt.Errorf("deleting rows that are gone: %w", err)
	}
	return int64(len(p.gone)), nil
}

// window looks at the rows that were created in a window.
func (p *pruning) window(ctx context.Context, from, to int64) error {
	if from >= to || int64(len(p.gone)) > p.most {
		return nil
	}
	there, err := p.source.Count(ctx, from, to)
	if err != nil {
		return err
	}
	copies, err := p.sink.Count(ctx, from, to)
	switch {
	case err != nil:
		return err
	case there == copies || copies == 0:
		return nil
	case there == 0 && copies > p.most:
		return fmt.Errorf("the source has none of %d rows that the sink has, and SyncOptions.MaxDeletes is %d", copies, p.most)
	case max(there, copies) <= fewRows || to-from == 1:
		return p.compare(ctx, from, to)
	}
	middle := from + (to-from)/2
	if err := p.window(ctx, from, middle); err != nil {
		return err
	}
	return p.window(ctx, middle, to)
}

// compare reads the keys of both sides. The source is asked again for those that
// it seems to lack: a row can have another created_at than its copy, or have
// moved out of the window meanwhile, and still be there.
func (p *pruning) compare(ctx context.Context, from, to int64) error {
	ids, err := p.source.Keys(ctx, from, to)
	if err != nil {
		return err
	}
	keys, err := p.sink.Keys(ctx, from, to)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	gone, err := p.source.absent(ctx, slices.DeleteFunc(keys, func(key string) bool { return there[key] }))
	p.gone = append(p.gone, gone...)
	return err
}

// keyedTable is one side of a sync: a table whose rows a column tells apart.
type keyedTable struct {
	table *minapp.Table[json.RawMessage]
	where where.Cond // the zero value is every row
	key   string
}

func (t keyedTable) within(from, to int64) where.Cond {
	cond := where.Gte(minapp.ByCreatedAt, from).And(where.Lt(minapp.ByCreatedAt, to))
	if t.where.IsZero() || t.where.IsEverything() {
		return cond
	}
	return t.where.And(cond)
}

func (t keyedTable) Window(ctx context.Context) (from, to int64, err error) {
	for _, order := range []string{"created_at", "-created_at"} {
		page, err := t.table.Page(ctx, minapp.Query{Where: where.NotNull(minapp.ByCreatedAt), OrderBy: []string{order}, PageSize: 1, Keys: []string{"id", "created_at"}})
		if err != nil {
			return 0, 0, err
		}
		for _, r := range page.Records {
			if to = int64(r.CreatedAt()) + 1; order == "created_at" {
				from = to - 1
			}
		}
	}
	return from, to, nil
}

func (t keyedTable) Count(ctx context.Context, from, to int64) (int64, error) {
	return t.table.Count(ctx, t.within(from, to))
}

func (t keyedTable) Keys(ctx context.Context, from, to int64) ([]string, error) {
	var keys []string
	q := minapp.Query{Where: t.within(from, to), OrderBy: []string{"id"}, Keys: []string{"id", t.key}}
	for r, err := range t.table.All(ctx, q) {
		if err != nil {
			return nil, err
		}
		key := r.ID()
		if t.key != "id" {
			var row minapp.Fields
			if err := row.UnmarshalJSON(r.Value); err != nil {
				return nil, err
			}
			if key, err = keyText(row, t.key); err != nil {
				return nil, fmt.Errorf("row %s: %w", r.ID(), err)
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// absent lists the ids that no row has, whenever it was created.
func (t keyedTable) absent(ctx context.Context, ids []string) ([]string, error) {
	there := make(map[string]bool)
	q := minapp.Query{Where: t.where, Keys: []string{"id"}, PageSize: 1000}
	for r, err := range minapp.AllIn(ctx, t.table, "id", ids, q) {
		if err != nil {
			return nil, err
		}
		there[r.ID()] = true
	}
	return slices.DeleteFunc(ids, func(id string) bool { return there[id] }), nil
}

// Delete removes rows in groups that fit into a URL.
func (t keyedTable) Delete(ctx context.Context, keys []string) error {
	for group := range slices.Chunk(keys, 100) {
		if _, err := t.table.DeleteWhere(ctx, where.In(t.key, group...)); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	gojson "github.com/goccy/go-json"

	"github.com/minapp-go/minapp"
)

// goccy is the fast codec of the measurements, as a user would plug it in.
type goccy struct{}

func (goccy) Marshal(v any) ([]byte, error)      { return gojson.Marshal(v) }
func (goccy) Unmarshal(data []byte, v any) error { return gojson.Unmarshal(data, v) }

// fast makes a client use goccy.
func fast() minapp.Option { return minapp.WithCodec(goccy{}) }

func (e *env) client(opts ...minapp.Option) (*minapp.Client, error) {
	return minapp.NewClient(append(opts, minapp.WithToken(token), minapp.WithBaseURL(e.base))...)
}

func tableOf[T any](e *env, opts []minapp.Option) (*minapp.Table[T], error) {
	client, err := e.client(opts...)
	if err != nil {
		return nil, err
	}
	return minapp.TableOf[T](client, minapp.TableID(e.rows)), nil
}

func scan(parallel int, opts ...minapp.Option) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		table, err := tableOf[Row](e, opts)
		if err != nil {
			return t, err
		}
		for record, err := range table.Scan(ctx, minapp.ScanOptions{Parallel: parallel}) {
			if err != nil {
				return t, err
			}
			t.add(&record.Value.Product)
		}
		return t, nil
	}
}

func scanUndecoded(parallel int) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		table, err := tableOf[json.RawMessage](e, nil)
		if err != nil {
			return t, err
		}
		for record, err := range table.Scan(ctx, minapp.ScanOptions{Parallel: parallel}) {
			if err != nil {
				return t, err
			}
			if err := e.row.add(&t, record.Value); err != nil {
				return t, err
			}
		}
		return t, nil
	}
}

// all reads the rows in order, and works on each page for a while.
func all(work time.Duration, opts ...minapp.Option) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		table, err := tableOf[Row](e, opts)
		if err != nil {
			return t, err
		}
		for record, err := range table.All(ctx, minapp.Query{}) {
			if err != nil {
				return t, err
			}
			if t.add(&record.Value.Product); t.Rows%pageSize == 0 {
				if err := wait(ctx, work); err != nil {
					return t, err
				}
			}
		}
		return t, nil
	}
}

func createAll(o minapp.BatchOptions, opts ...minapp.Option) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		table, err := tableOf[Product](e, opts)
		if err != nil {
			return t, err
		}
		for _, err := range table.CreateAll(ctx, products(e.rows), o) {
			if err != nil {
				return t, err
			}
		}
		return e.written(ctx)
	}
}

func products(n int) iter.Seq2[Product, error] {
	return func(yield func(Product, error) bool) {
		for i := range n {
			if !yield(product(i), nil) {
				return
			}
		}
	}
}

func get(opts ...minapp.Option) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		table, err := tableOf[Row](e, opts)
		if err != nil {
			return t, err
		}
		for i := range e.rows {
			record, err := table.Get(ctx, rowID(i))
			if err != nil {
				return t, err
			}
			t.add(&record.Value.Product)
		}
		return t, nil
	}
}

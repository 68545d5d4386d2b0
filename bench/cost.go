package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// cost is how many rows the service looks at for each row that is read, as the
// emulator counts them.
type cost struct {
	Rows         int
	Scan, Offset float64
}

func measureCosts(ctx context.Context, sizes []int) ([]cost, error) {
	out := make([]cost, len(sizes))
	for i, n := range sizes {
		var err error
		if out[i], err = measureCost(ctx, n); err != nil {
			return nil, fmt.Errorf("cost of %d rows: %w", n, err)
		}
	}
	return out, nil
}

func measureCost(ctx context.Context, n int) (c cost, err error) {
	s := minapptest.New()
	defer func() { err = firstError(err, s.Close()) }()
	id, err := s.CreateTable(minapptest.Table{Name: "product"})
	if err != nil {
		return c, err
	}
	rows := make([]any, n)
	for i := range rows {
		rows[i] = map[string]any{"created_at": createdAt(i)}
	}
	if _, err := s.Seed(id, rows...); err != nil {
		return c, err
	}
	client, err := minapp.NewClient(s.Options()...)
	if err != nil {
		return c, err
	}
	table := minapp.TableOf[json.RawMessage](client, minapp.TableID(id))
	examined := func(rows iter.Seq2[*minapp.Record[json.RawMessage], error]) (float64, error) {
		s.ResetLog()
		read := 0
		for _, err := range rows {
			if err != nil {
				return 0, err
			}
			read++
		}
		if read != n {
			return 0, fmt.Errorf("%d rows read", read)
		}
		return float64(s.RowsExamined()) / float64(n), nil
	}
	c.Rows = n
	if c.Scan, err = examined(table.Scan(ctx, minapp.ScanOptions{})); err != nil {
		return c, err
	}
	c.Offset, err = examined(table.All(ctx, minapp.Query{}))
	return c, err
}

func printCosts(out *strings.Builder, costs []cost) {
	fmt.Fprintf(out, "\nRows the service looks at for each row read%15s%17s%9s\n", "rows in table", "paging by offset", "Scan")
	for _, c := range costs {
		fmt.Fprintf(out, "%58d%17.1f%9.1f\n", c.Rows, c.Offset, c.Scan)
	}
}

// Copy-table copies a table: its columns, permissions and unique indexes, and
// then its rows with who created them and when. It ends with a comparison of
// both tables, row by row, and exits with 1 if they differ.
//
//	go run -C examples ./copy-table -dry-run          # what would be made
//	go run -C examples ./copy-table -from shop -to shop_2026
//
// Without MINAPP_TOKEN it copies a small table inside the emulator. Rows get
// new ids, so that pointers into the table itself keep pointing at the old
// rows, and so does every pointer of other tables.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"reflect"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/where"
)

func main() {
	from := flag.String("from", "shop", "name of the table to copy")
	to := flag.String("to", "shop_copy", "name of the copy, which must not exist")
	dryRun := flag.Bool("dry-run", false, "only say what would be made")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *from, *to, *dryRun); err != nil {
		fmt.Fprintln(os.Stderr, "copy-table:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, from, to string, dryRun bool) error {
	client, err := service.Open()
	if err != nil {
		return err
	}
	defer client.Close()
	if client.Emulated {
		if err := openShops(ctx, client.Client); err != nil {
			return err
		}
	}
	p, err := newPlan(ctx, client.Client, from, to)
	if err != nil {
		return err
	}
	fmt.Print(p)
	if dryRun {
		return nil
	}
	return p.carryOut(ctx)
}

// plan is what a copy consists of.
type plan struct {
	client  *minapp.Client
	source  *minapp.TableInfo
	spec    minapp.TableSpec
	indexes []minapp.Index
	rows    int64
}

func newPlan(ctx context.Context, client *minapp.Client, from, to string) (*plan, error) {
	source, err := client.Tables.FindByName(ctx, from)
	if err != nil {
		return nil, err
	}
	p := &plan{client: client, source: source, spec: source.Spec()}
	p.spec.Name = to
	if p.indexes, err = client.Tables.Indexes(ctx, source.ID); err != nil {
		return nil, err
	}
	p.rows, err = client.Records.Count(ctx, source.ID, where.Everything())
	return p, err
}

// String prints the specification of the copy.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (table %s, %d rows) as %s:\n", p.source.Name, p.source.ID, p.rows, p.spec.Name)
	for _, f := range p.spec.Fields {
		fmt.Fprintf(&b, "  %-10s %s\n", f.Name, describe(f))
	}
	for _, index := range p.indexes {
		fmt.Fprintf(&b, "  unique     %s\n", strings.Join(index.Fields, " + "))
	}
	fmt.Fprintf(&b, "  new rows   read by %v, updated by %v, created by %v\n", p.spec.Rows.ReadPerm, p.spec.Rows.WritePerm, p.spec.CreateRow)
	return b.String()
}

func describe(f minapp.Field) string {
	words := []string{f.Type}
	if f.Items != nil {
		words = append(words, "of", f.Items.Type)
	}
	if f.CoordinateType != "" {
		words = append(words, "in", f.CoordinateType)
	}
	if f.SchemaID != 0 {
		words = append(words, "to table", minapp.TableID(f.SchemaID).String())
	}
	if f.Constraints != nil && f.Constraints.Required {
		words = append(words, "(required)")
	}
	if f.Default != nil {
		words = append(words, "default", string(f.Default))
	}
	return strings.Join(words, " ")
}

// carryOut makes the copy. One without all of its indexes is taken back, while
// it is still empty.
func (p *plan) carryOut(ctx context.Context) error {
	target, err := p.client.Tables.Create(ctx, p.spec)
	if err != nil {
		return err
	}
	for _, index := range p.indexes {
		if _, err := p.client.Tables.CreateIndex(ctx, target.ID, index.Fields); err != nil {
			return errors.Join(err, p.client.Tables.Delete(ctx, target.ID))
		}
	}
	fmt.Printf("Made table %s.\n", target.ID)

	// The rows are only passed on. Their ids are left out and pointers written
	// as ids, as the service wants them.
	source, copied := rawTable(p.client, p.source.ID), rawTable(p.client, target.ID)
	for batch, err := range copied.CreateAll(ctx, rowsOf(ctx, source), minapp.BatchOptions{}) {
		if err != nil {
			return err
		}
		fmt.Printf("Copied %d of %d rows.\n", batch.Totals.Written, p.rows)
	}
	return compare(ctx, source, copied)
}

func rawTable(client *minapp.Client, id minapp.TableID) *minapp.Table[json.RawMessage] {
	return minapp.TableOf[json.RawMessage](client, id)
}

func rowsOf(ctx context.Context, table *minapp.Table[json.RawMessage]) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for record, err := range table.All(ctx, minapp.Query{}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(record.Value, nil) {
				return
			}
		}
	}
}

// compare reads both tables, oldest row first, which is the order of the copy.
func compare(ctx context.Context, source, copied *minapp.Table[json.RawMessage]) error {
	next, stop := iter.Pull2(rowsOf(ctx, copied))
	defer stop()
	same := 0
	for want, err := range rowsOf(ctx, source) {
		if err != nil {
			return err
		}
		got, err, ok := next()
		if err != nil {
			return err
		}
		if !ok || !reflect.DeepEqual(columns(want), columns(got)) {
			return fmt.Errorf("row %d differs:\n%s\n%s", same, want, got)
		}
		same++
	}
	if _, _, ok := next(); ok {
		return fmt.Errorf("the copy has more than %d rows", same)
	}
	fmt.Printf("Compared: %d rows are the same in every column.\n", same)
	return nil
}

// columns is a row without the ids that the service gives.
func columns(row json.RawMessage) minapp.Fields {
	var fields minapp.Fields
	if err := json.Unmarshal(row, &fields); err != nil {
		return nil
	}
	delete(fields, "id")
	delete(fields, "_id")
	return fields
}

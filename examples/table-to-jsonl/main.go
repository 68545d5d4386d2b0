// Table-to-jsonl writes a table to a gzip file with one row in every line, as
// the service answers it, and counts afterwards.
//
// Without credentials it starts the emulator inside the process, with a table of
// readings. With MINAPP_TOKEN and MINAPP_TABLE it reads a table of the service,
// which is not changed:
//
//	go run -C examples ./table-to-jsonl -out readings.jsonl.gz
//
// It may be stopped at any time: the same command goes on. Compare
// export-download, where the service makes the file: one job for a million rows
// instead of a request for every thousand, and an e-mail for each.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/progress"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/where"
)

func main() {
	out := flag.String("out", "", "file to write, as gzip if it ends in .gz; none is a temporary one, which is removed at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "table-to-jsonl:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	client, err := service.Open()
	if err != nil {
		return err
	}
	defer client.Close()
	table, err := tableOf(ctx, client)
	if err != nil {
		return err
	}
	if out == "" {
		dir, err := os.MkdirTemp("", "jsonl")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		out = filepath.Join(dir, "table.jsonl.gz")
	}
	return dump(ctx, client.Client, table, out)
}

func tableOf(ctx context.Context, client *service.Service) (minapp.TableID, error) {
	if !client.Emulated {
		return service.TableFromEnv("MINAPP_TABLE")
	}
	return readings(ctx, client.Client, 5000)
}

// readings makes a table in the emulator.
func readings(ctx context.Context, client *minapp.Client, n int) (minapp.TableID, error) {
	info, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "reading", Fields: []minapp.Field{
		{Name: "station", Type: minapp.TypeString},
		{Name: "n", Type: minapp.TypeInteger},
	}})
	if err != nil {
		return 0, err
	}
	rows := func(yield func(minapp.Fields, error) bool) {
		for i := range n {
			if !yield(minapp.Fields{"station": "广州塔", "n": i, "created_at": 1_700_000_000 + i/10}, nil) {
				return
			}
		}
	}
	for _, err := range client.Bulk.CreateAll(ctx, info.ID, rows, minapp.BatchOptions{}) {
		if err != nil {
			return 0, err
		}
	}
	return info.ID, nil
}

// dump reads the table in parallel, so that the lines have no order.
func dump(ctx context.Context, client *minapp.Client, id minapp.TableID, out string) error {
	table := minapp.TableOf[json.RawMessage](client, id)
	bar := progress.New(client)
	report, err := migrate.Run(ctx, migrate.Plan[*minapp.Record[json.RawMessage], json.RawMessage]{
		Source:     migrate.FromTable(table, migrate.FromTableOptions{}),
		Transform:  migrate.Value[json.RawMessage],
		Sink:       migrate.ToJSONLines[json.RawMessage](out, migrate.ToJSONLinesOptions{}),
		Checkpoint: migrate.FileCheckpoint(out + ".checkpoint"),
		OnProgress: bar.Show,
	})
	bar.Done()
	fmt.Printf("%d rows are in %s, %d of them from earlier.\n", report.Written, out, report.Resumed)
	if err != nil {
		return fmt.Errorf("%w (the same command goes on)", err)
	}
	return compare(ctx, table, out)
}

// compare counts the rows of the table and those of the file.
func compare(ctx context.Context, table *minapp.Table[json.RawMessage], out string) error {
	want, err := table.Count(ctx, where.Everything())
	if err != nil {
		return err
	}
	got, err := count(ctx, migrate.FromJSONLines[json.RawMessage](out, migrate.FromJSONLinesOptions{}))
	if err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	fmt.Printf("The table has %d rows, the file %d, in %.1f kB.\n", want, got, float64(info.Size())/1e3)
	if want != got {
		return fmt.Errorf("%d rows are not in the file: the table was changed meanwhile, or something went wrong", want-got)
	}
	return nil
}

func count(ctx context.Context, source migrate.Source[json.RawMessage]) (n int64, err error) {
	parts, err := source.Parts(ctx, 1)
	if err != nil {
		return 0, err
	}
	for _, part := range parts {
		for chunk, err := range source.Chunks(ctx, part) {
			if err != nil {
				return 0, err
			}
			n += int64(len(chunk.Rows))
		}
	}
	return n, nil
}

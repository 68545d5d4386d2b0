// Csv-to-table writes the rows of a CSV file, plain or gzip, into a table, typed
// by the table's columns. Unlike import-csv, which hands the file over to the
// service and hears no more of it, it knows what became of every row.
//
// Without arguments and credentials it makes a table of shops in the emulator,
// and a file for it in Chinese, as a spreadsheet program would write it, with a
// few bad lines. With MINAPP_TOKEN and MINAPP_TABLE it takes your file, whose
// titles are the names of columns:
//
//	go run -C examples ./csv-to-table -key code shops.csv
//
// The key is a column with a unique index. It may be stopped at any time: the
// same command goes on. Rows that cannot be taken are in
// shops.csv.rejected.jsonl with the reason; mend them there, and give that file
// instead of the CSV file.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/progress"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/migrate"
)

func main() {
	key := flag.String("key", "code", "column in which no two rows have the same value; it needs a unique index")
	update := flag.Bool("update", false, "change rows that are there and differ")
	dryRun := flag.Bool("dry-run", false, "estimate, read and check everything, write nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, load{key: *key, update: *update, dryRun: *dryRun}, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "csv-to-table:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, l load, args []string) error {
	client, err := service.Open()
	if err != nil {
		return err
	}
	defer client.Close()
	l.client = client.Client
	if client.Emulated {
		return l.demonstrate(ctx)
	}
	if l.table, err = service.TableFromEnv("MINAPP_TABLE"); err != nil {
		return err
	}
	if len(args) != 1 {
		return errors.New("name one file")
	}
	l.path = args[0]
	return l.run(ctx)
}

// load is one file on its way into a table.
type load struct {
	client *minapp.Client
	table  minapp.TableID
	path   string
	titles map[string]string // by column, where they differ
	key    string
	update bool
	dryRun bool
}

const rejectedSuffix = ".rejected.jsonl"

func (l load) run(ctx context.Context) error {
	info, err := l.client.Tables.Get(ctx, l.table)
	if err != nil {
		return err
	}
	source := migrate.FromCSV[minapp.Fields](l.path, migrate.FromCSVOptions{Columns: info.Fields, Titles: l.titles})
	if strings.HasSuffix(l.path, rejectedSuffix) {
		source = migrate.FromRejected[minapp.Fields](l.path)
	}
	rejected := l.path + rejectedSuffix
	bar := progress.New(l.client)
	plan := migrate.Plan[minapp.Fields, minapp.Fields]{
		Source:     source,
		Sink:       migrate.ToTable(minapp.TableOf[minapp.Fields](l.client, l.table), migrate.ToTableOptions{Update: l.update}),
		Key:        l.key,
		Checkpoint: migrate.FileCheckpoint(l.path + ".checkpoint"),
		Rejected:   rejected,
		OnProgress: bar.Show,
		DryRun:     l.dryRun,
	}
	estimate, err := plan.Estimate(ctx)
	if err != nil {
		return err
	}
	fmt.Println("Estimated:", estimate)
	report, err := migrate.Run(ctx, plan)
	bar.Done()
	for _, w := range report.Warnings {
		fmt.Println("note:", w)
	}
	if l.dryRun {
		fmt.Printf("Dry run: %d rows read, %d would be written with %d requests, %d rejected.\n", report.Read, report.Written, report.Requests, report.Rejected)
		return err
	}
	fmt.Printf("%d rows read, %d of them earlier, %d in the table, %d rejected.\n", report.Read, report.Resumed, report.Moved, report.Rejected)
	if err != nil {
		return fmt.Errorf("%w (the same command goes on)", err)
	}
	return show(rejected)
}

// show prints the first rejected rows.
func show(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	fmt.Println("Rejected, in", path+":")
	lines := json.NewDecoder(file)
	for shown := 0; shown < 10 && lines.More(); shown++ {
		var r migrate.Rejection
		if err := lines.Decode(&r); err != nil {
			return err
		}
		fmt.Printf("  %s, %s: %s\n", r.At, r.Stage, r.Reason)
	}
	return nil
}

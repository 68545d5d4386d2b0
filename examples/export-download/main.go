// Export-download brings a whole table to files, in as many parts as the
// service's limit makes necessary, and reads them back.
//
// Without credentials it starts the emulator inside the process, with a table
// of readings. With MINAPP_TOKEN and MINAPP_TABLE it exports a table of the
// service; the table is not changed, and each part is an e-mail. Try -rows 1500
// to see a table being cut: it takes two minutes, because the service allows one
// export a minute. With -dir it can be interrupted and started again, and goes
// on where it was.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
)

func main() {
	dir := flag.String("dir", "", "folder for the files; none is a temporary one, which is removed at the end")
	rows := flag.Int64("rows", 0, "rows of one part at most; 0 is what the service allows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *dir, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "export-download:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, rows int64) error {
	client, err := service.Open()
	if err != nil {
		return err
	}
	defer client.Close()
	table, err := readings(ctx, client)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "export"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	return export(ctx, client.Client, table, dir, rows)
}

func export(ctx context.Context, client *minapp.Client, table minapp.TableID, dir string, rows int64) error {
	start := time.Now()
	run, err := client.Exports.Run(ctx, table, minapp.RunOptions{
		Spec:    minapp.ExportSpec{FileType: minapp.FileJSON, OrderBy: []string{"created_at"}},
		Dir:     dir,
		MaxRows: rows,
		OnProgress: func(p minapp.ExportProgress) {
			fmt.Printf("part %d of %d, %d rows: %-10s (%d of %d rows are here)\n", p.Part, p.Parts, p.Rows, p.Status, p.Done, p.Total)
		},
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d rows, %.1f kB, files: %d, after %s.\n", run.Rows, float64(run.Bytes)/1e3, len(run.Files), time.Since(start).Round(time.Second))

	// Rows are read one by one, however large the files are. A file that is
	// damaged, or has not as many rows as were counted, ends the loop.
	filled := map[string]int{}
	for row, err := range minapp.ExportRows[minapp.Fields](run.Files...) {
		if err != nil {
			return err
		}
		for column, value := range row {
			if value != nil {
				filled[column]++
			}
		}
	}
	fmt.Println("Read back. Rows that have a value, by column:")
	for _, column := range slices.Sorted(maps.Keys(filled)) {
		fmt.Printf("  %-12s %d\n", column, filled[column])
	}
	return nil
}

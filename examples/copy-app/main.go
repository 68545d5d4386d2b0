// Copy-app copies tables from one application to another: first their schema,
// columns, permissions and unique indexes, then their rows, with who created
// them and when, and with pointers that point at the copies.
//
//	go run -C examples ./copy-app -dry-run     # what would be made
//	go run -C examples ./copy-app -tables order,customer -state ~/copy
//
// Killed and started again with the same -state, it goes on where it stood. The
// source is MINAPP_FROM_TOKEN, the target MINAPP_TO_TOKEN, with
// MINAPP_FROM_BASE_URL and MINAPP_TO_BASE_URL for a proxy or an emulator that
// runs elsewhere. Without them it copies a small shop between two emulators
// inside this process. It exits with 1 if a row was rejected: the reasons are in
// the folder of the state.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

func main() {
	tables := flag.String("tables", "", "names of the tables to copy, with commas; empty is all of them")
	state := flag.String("state", "", "folder that keeps how far the copy is; empty is a new one")
	dryRun := flag.Bool("dry-run", false, "only say what would be made")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *tables, *state, *dryRun); err != nil {
		fmt.Fprintln(os.Stderr, "copy-app:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tables, state string, dryRun bool) error {
	from, to, closeApps, err := openApps()
	if err != nil {
		return err
	}
	defer closeApps()
	options := migrate.SchemaOptions{SourceID: "source_id"}
	if tables != "" {
		options.Tables = strings.Split(tables, ",")
	}
	schema, err := migrate.PlanSchema(ctx, from, to, options)
	if err != nil {
		return err
	}
	fmt.Print(schema)
	if dryRun {
		return nil
	}
	if err := schema.Apply(ctx); err != nil {
		return err
	}
	if state == "" {
		if state, err = os.MkdirTemp("", "copy-app"); err != nil {
			return err
		}
	}
	fmt.Println("State in", state)
	return copyRows(ctx, schema, state, func(c *migrate.RowCopy, r migrate.Report) {
		fmt.Printf("%-20s %d copied, %d rejected\n", c, r.Moved, r.Rejected)
	})
}

// copyRows goes on with what is in the folder.
func copyRows(ctx context.Context, schema *migrate.SchemaPlan, state string, tell func(*migrate.RowCopy, migrate.Report)) (err error) {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	ids, err := migrate.OpenIDs(filepath.Join(state, "ids.jsonl"))
	if err != nil {
		return err
	}
	defer func() {
		if failure := ids.Close(); err == nil {
			err = failure
		}
	}()
	copies, err := schema.Rows()
	if err != nil {
		return err
	}
	rejected := int64(0)
	for _, c := range copies {
		file := filepath.Join(state, c.String())
		plan := c.Plan(ids, migrate.FileCheckpoint(file+".checkpoint"))
		plan.Rejected = file + ".rejected.jsonl"
		report, err := migrate.Run(ctx, plan)
		tell(c, report)
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		rejected += report.Rejected
	}
	if rejected > 0 {
		return fmt.Errorf("%d rows rejected: see %s", rejected, filepath.Join(state, "*.rejected.jsonl"))
	}
	return nil
}

// openApps are the clients of source and target.
func openApps() (from, to *minapp.Client, closeApps func(), err error) {
	fromToken, toToken := os.Getenv("MINAPP_FROM_TOKEN"), os.Getenv("MINAPP_TO_TOKEN")
	switch {
	case fromToken == "" && toToken == "":
		fmt.Println("MINAPP_FROM_TOKEN and MINAPP_TO_TOKEN are not set: copying between two emulators inside this process.")
		return emulatedApps()
	case fromToken == "" || toToken == "":
		return nil, nil, nil, errors.New("both MINAPP_FROM_TOKEN and MINAPP_TO_TOKEN are needed, or none")
	}
	if from, err = newClient(fromToken, os.Getenv("MINAPP_FROM_BASE_URL")); err != nil {
		return nil, nil, nil, err
	}
	to, err = newClient(toToken, os.Getenv("MINAPP_TO_BASE_URL"))
	return from, to, func() {}, err
}

func newClient(token, base string) (*minapp.Client, error) {
	options := []minapp.Option{minapp.WithToken(token)}
	if base != "" {
		options = append(options, minapp.WithBaseURL(base))
	}
	return minapp.NewClient(options...)
}

// Migrate does what a user's migration does: it reads a table, changes its
// rows, writes them into a table with another schema, shows how far it is, goes
// on where it stood after it was killed, and proves that nothing is missing.
//
// Without credentials it starts the emulator, fills the source table with a
// real dataset, the clock changes of the IANA time zone database
// (data/README.md), and kills its own migration half-way to show that the next
// one goes on. With MINAPP_TOKEN, MINAPP_SOURCE_TABLE and MINAPP_TARGET_TABLE it
// works on the service; the target needs a unique index on source_id. Run it
// again until it exits with 0. -dry-run writes nothing and says what it would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/progress"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/migrate"
)

// options are the flags.
type options struct {
	state  string
	rpm    int
	page   int
	dryRun bool
}

func main() {
	var o options
	flag.StringVar(&o.state, "state", "migrate-state", "folder of the checkpoint and the rejected rows")
	flag.IntVar(&o.rpm, "rpm", 0, "requests per minute at most; 0 is no limit")
	flag.IntVar(&o.page, "page", 500, "rows per request, 1 to 1000")
	flag.BoolVar(&o.dryRun, "dry-run", false, "read and check everything, write nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "migrate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	var opts []minapp.Option
	if o.rpm > 0 {
		opts = append(opts, minapp.WithPlan(minapp.Plan(o.rpm), 1))
	}
	client, err := service.Open(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	from, to, err := tables(ctx, client)
	switch {
	case err != nil:
		return err
	case client.Emulated:
		return demonstrate(ctx, client, from, to, o)
	}
	return move(ctx, client.Client, from, to, o)
}

// move migrates and verifies.
func move(ctx context.Context, client *minapp.Client, from, to minapp.TableID, o options) error {
	if err := os.MkdirAll(o.state, 0o755); err != nil {
		return err
	}
	plan := newPlan(client, from, to, o)
	estimate, err := plan.Estimate(ctx)
	if err != nil {
		return err
	}
	fmt.Println("Estimated:", estimate)
	if o.rpm > 0 {
		fmt.Printf("At %d requests a minute that takes %s.\n", o.rpm, estimate.Duration(float64(o.rpm)).Round(time.Second))
	}
	bar := progress.New(client)
	plan.OnProgress = bar.Show
	report, err := migrate.Run(ctx, plan)
	bar.Done()
	summarize(client, report, o.dryRun)
	if err != nil {
		return fmt.Errorf("%w\nStart it again: it goes on where it stood", err)
	}
	if o.dryRun {
		return nil
	}
	return verify(ctx, plan)
}

// newPlan is the migration. The id of a row of the source tells the rows of the
// target apart: with it as the key, whatever happens on the way, no row is lost
// and none is there twice.
func newPlan(client *minapp.Client, from, to minapp.TableID, o options) migrate.Plan[*minapp.Record[ClockChange], Shift] {
	return migrate.Plan[*minapp.Record[ClockChange], Shift]{
		Source:     migrate.FromTable(minapp.TableOf[ClockChange](client, from), migrate.FromTableOptions{PageSize: o.page}),
		Transform:  toShift,
		Sink:       migrate.ToTable(minapp.TableOf[Shift](client, to), migrate.ToTableOptions{}),
		Key:        "source_id",
		Checkpoint: migrate.FileCheckpoint(filepath.Join(o.state, "checkpoint.json")),
		Rejected:   filepath.Join(o.state, "rejected.jsonl"),
		Version:    "1", // another number when toShift changes: a checkpoint of the old one is refused
		Digest:     true,
		DryRun:     o.dryRun,
	}
}

func summarize(client *minapp.Client, r migrate.Report, dryRun bool) {
	for _, warning := range r.Warnings {
		fmt.Println("Note:", warning)
	}
	if dryRun {
		fmt.Printf("Dry run: %d rows read, %d would be written with %d requests, %d would be rejected.\n", r.Read, r.Written, r.Requests, r.Rejected)
		return
	}
	s := client.Stats()
	fmt.Printf("%d rows read (%d of them by earlier runs), %d written, %d rejected in %s: %d requests (%d repeated), %.1f MB sent, %.1f MB received.\n",
		r.Read, r.Resumed, r.Written, r.Rejected, r.Elapsed.Round(time.Millisecond), s.Requests, s.Retries, float64(s.Sent)/1e6, float64(s.Received)/1e6)
}

// verify reads the target back and compares it with what was written.
func verify(ctx context.Context, plan migrate.Plan[*minapp.Record[ClockChange], Shift]) error {
	found, err := migrate.Verify(ctx, plan, migrate.VerifyOptions{OnStep: func(step string) { fmt.Println("Verifying:", step) }})
	if err != nil {
		return err
	}
	for _, difference := range found.Differences {
		fmt.Fprintln(os.Stderr, difference)
	}
	if !found.OK() {
		return errors.New("the target is not as it should be: " + found.String())
	}
	fmt.Println("Verified:", found.String()+". Nothing is missing.")
	return nil
}

// Nightly-sync keeps a table in step with another one: each call writes what
// has changed since the one before, and removes what is gone. A scheduler calls
// it every night.
//
// Without credentials it plays three nights with the emulator. With MINAPP_TOKEN,
// MINAPP_SOURCE_TABLE and MINAPP_TARGET_TABLE it makes one round on the service;
// the target needs the columns of Copy and a unique index on source_id.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/migrate"
)

// Order is a row of the source.
type Order struct {
	Number string  `json:"number"`
	State  string  `json:"state"`
	Total  float64 `json:"total"`
}

// Copy is a row of the target. The id of the source tells it apart, and
// created_at is that of the source: by both, rows that are gone are found.
type Copy struct {
	SourceID  string           `json:"source_id"` // unique
	Number    string           `json:"number"`
	Open      bool             `json:"open"`
	Total     float64          `json:"total"`
	CreatedAt minapp.Timestamp `json:"created_at"`
}

func toCopy(r *minapp.Record[Order]) ([]Copy, error) {
	return []Copy{{
		SourceID: r.ID(), Number: r.Value.Number, Open: r.Value.State != "paid",
		Total: r.Value.Total, CreatedAt: r.CreatedAt(),
	}}, nil
}

func main() {
	state := flag.String("state", "nightly-sync-state", "folder that keeps how far the rounds are")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *state); err != nil {
		fmt.Fprintln(os.Stderr, "nightly-sync:", err)
		os.Exit(1) // the next call finishes the round
	}
}

func run(ctx context.Context, state string) error {
	if os.Getenv("MINAPP_TOKEN") == "" {
		return play(ctx)
	}
	// Users of the application need requests, too, even at night.
	client, err := service.Open(minapp.WithPlan(minapp.PlanPersonal, 0.5))
	if err != nil {
		return err
	}
	defer client.Close()
	from, err := service.TableFromEnv("MINAPP_SOURCE_TABLE")
	if err != nil {
		return err
	}
	to, err := service.TableFromEnv("MINAPP_TARGET_TABLE")
	if err != nil {
		return err
	}
	return round(ctx, minapp.TableOf[Order](client.Client, from), minapp.TableOf[Copy](client.Client, to), state)
}

// round is one call.
func round(ctx context.Context, from *minapp.Table[Order], to *minapp.Table[Copy], state string) error {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	before := from.Client().Stats().Requests
	report, err := migrate.Sync(ctx, migrate.Plan[*minapp.Record[Order], Copy]{
		Transform:  toCopy,
		Sink:       migrate.ToTable(to, migrate.ToTableOptions{Update: true}),
		Key:        "source_id",
		Checkpoint: migrate.FileCheckpoint(filepath.Join(state, "sync.json")),
		Rejected:   filepath.Join(state, "rejected.jsonl"),
	}, migrate.SyncOptions[Order]{Table: from, Delete: true, MaxDeletes: 500})
	since := "the beginning"
	if !report.Since.IsZero() {
		since = report.Since.UTC().Format(time.DateTime)
	}
	fmt.Printf("From %s to %s: %d rows read, %d as they should be now, %d rejected, %d deleted, with %d requests.\n",
		since, report.Until.UTC().Format(time.DateTime), report.Read, report.Moved, report.Rejected, report.Deleted, from.Client().Stats().Requests-before)
	return err
}

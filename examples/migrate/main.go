// Migrate does what a user's migration does: it reads a table, changes its
// rows, writes them into a table with another schema, shows how far it is, and
// proves afterwards that nothing is missing.
//
// Without credentials it starts the emulator inside the process and fills the
// source table with a real dataset, the clock changes of the IANA time zone
// database (data/README.md). With MINAPP_TOKEN, MINAPP_SOURCE_TABLE and
// MINAPP_TARGET_TABLE it does the same on the service; the target must be
// empty. It exits with 1 if a row is missing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/where"
)

func main() {
	batch := flag.Int("batch", 500, "rows per request, 1 to 1000")
	rpm := flag.Int("rpm", 0, "requests per minute at most; 0 is no limit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *batch, *rpm); err != nil {
		fmt.Fprintln(os.Stderr, "migrate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, batch, rpm int) error {
	var opts []minapp.Option
	if rpm > 0 {
		opts = append(opts, minapp.WithPlan(minapp.Plan(rpm), 1))
	}
	client, err := service.Open(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	from, to, err := tables(ctx, client)
	if err != nil {
		return err
	}
	m := migration{
		client: client.Client, batch: batch,
		source: minapp.TableOf[ClockChange](client.Client, from),
		target: minapp.TableOf[Shift](client.Client, to),
	}
	return m.run(ctx)
}

// migration is one run: a source, a target, and what it has seen so far.
type migration struct {
	client *minapp.Client
	source *minapp.Table[ClockChange]
	target *minapp.Table[Shift]
	batch  int

	read   digest // of the rows as they were sent
	totals minapp.Totals
}

func (m *migration) run(ctx context.Context) error {
	start := time.Now()
	rows, err := m.source.Count(ctx, where.Everything())
	if err != nil {
		return err
	}
	there, err := m.target.Count(ctx, where.Everything())
	if err != nil {
		return err
	}
	if there > 0 {
		return fmt.Errorf("table %s already holds %d rows, which would be counted as migrated", m.target.ID(), there)
	}
	fmt.Printf("Migrating %d rows from table %s to table %s.\n", rows, m.source.ID(), m.target.ID())
	if err := m.copy(ctx, rows); err != nil {
		return err
	}
	if err := m.verify(ctx, rows); err != nil {
		return err
	}
	m.summarize(time.Since(start))
	return nil
}

// copy writes every row. It goes on after rows that the service refuses, and
// reports them; anything else that keeps a row from being written ends it.
func (m *migration) copy(ctx context.Context, rows int64) error {
	progress := newProgress(rows)
	defer progress.done()
	for batch, err := range m.target.CreateAll(ctx, m.shifts(ctx), minapp.BatchOptions{Size: m.batch}) {
		if batch == nil {
			return err
		}
		m.totals = batch.Totals
		progress.set(m.totals.Written)
		for _, row := range batch.Failed() {
			fmt.Fprintf(os.Stderr, "row %d %s: %v\n", row.Index, row.State, row.Err)
		}
		if m.totals.NotSent+m.totals.Unknown > 0 {
			return fmt.Errorf("stopped at rows %d to %d: %w", batch.First, batch.Next()-1, err)
		}
	}
	return nil
}

// shifts reads the source row by row, transformed for the target.
func (m *migration) shifts(ctx context.Context) func(yield func(Shift, error) bool) {
	return func(yield func(Shift, error) bool) {
		for record, err := range m.source.All(ctx, minapp.Query{}) {
			var shift Shift
			if err == nil {
				shift, err = record.Value.transform(record.ID())
			}
			m.read.add(shift)
			if !yield(shift, err) {
				return
			}
		}
	}
}

// verify reads the target back and compares counts and checksums.
func (m *migration) verify(ctx context.Context, rows int64) error {
	count, err := m.target.Count(ctx, where.Everything())
	if err != nil {
		return err
	}
	var found digest
	for record, err := range m.target.All(ctx, minapp.Query{}) {
		if err != nil {
			return fmt.Errorf("reading the target back: %w", err)
		}
		found.add(record.Value)
	}
	fmt.Printf("Source: %d rows, checksum %s\n", rows, m.read)
	fmt.Printf("Target: %d rows, checksum %s\n", count, found)
	if count != rows || m.read != found {
		return fmt.Errorf("the tables differ: %d rows were read, %d written, %d rejected", m.totals.Read, m.totals.Written, m.totals.Rejected)
	}
	return nil
}

func (m *migration) summarize(took time.Duration) {
	s := m.client.Stats()
	fmt.Printf("Migrated and verified %d rows in %s: %d requests (%d repeated), %.1f MB sent, %.1f MB received. Nothing is missing.\n",
		m.totals.Written, took.Round(time.Millisecond), s.Requests, s.Retries, float64(s.Sent)/1e6, float64(s.Received)/1e6)
}

package migrate

import (
	"context"

	"github.com/minapp-go/minapp"
)

// Sink is where rows go. Write is called from several goroutines. A sink serves
// one run at a time: two runs that go at once have a sink each.
type Sink[D any] interface {
	// String names the sink, without secrets. A checkpoint belongs to the sink
	// of this name.
	String() string
	// Begin is called once in each run, before anything is written. It refuses a
	// key that does not tell rows apart, or that the sink cannot use.
	Begin(ctx context.Context, s Setup) error
	// Write writes any number of rows and returns one outcome for each, in their
	// order; Outcome.Index counts from 0. A row that is refused for what it holds
	// is rejected and the run goes on. An error ends the run: it says why the
	// other outcomes are as they are, and why the next rows would fare no better.
	//
	// With a key a row that is there already is no second one, and if it is there
	// as it should be, it counts as written.
	Write(ctx context.Context, rows []D) ([]minapp.Outcome, error)
}

// Setup is what a sink is told about the run.
type Setup struct {
	Key     string               // Plan.Key
	DryRun  bool                 // Write checks and plans, and writes nothing
	Resumed bool                 // the run goes on from a checkpoint; what is there already is its own
	Planned func(requests int64) // called in a dry run with the requests that Write would make
	Warn    func(text string)    // something that the user should know; it is in the report
}

// SinkEstimator is a sink that knows what writing so many rows takes.
type SinkEstimator interface {
	Estimate(ctx context.Context, rows int64) (Cost, error)
}

// Appender is a sink that can only add at its end, such as a file. Its rows are
// written one chunk at a time, and what a killed run has added beyond its
// checkpoint is cut off before the next one begins. So no row is doubled, with
// or without a key.
type Appender interface {
	// End is where the next row would go.
	End() int64
	// Truncate cuts off what lies behind end.
	Truncate(ctx context.Context, end int64) error
}

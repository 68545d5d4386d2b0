package migrate_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// stored is a source of one part and one chunk, which always gives the same
// rows, not copies of them.
type stored struct {
	rows []migrate.Row[string]
	part migrate.Part
}

func (*stored) String() string { return "stored" }

func (s *stored) Parts(context.Context, int) ([]migrate.Part, error) {
	return []migrate.Part{s.part}, nil
}

func (s *stored) Chunks(ctx context.Context, _ migrate.Part) iter.Seq2[migrate.Chunk[string], error] {
	return func(yield func(migrate.Chunk[string], error) bool) {
		if yield(migrate.Chunk[string]{Rows: s.rows}, nil) && ctx.Err() != nil {
			yield(migrate.Chunk[string]{}, ctx.Err())
		}
	}
}

func storedRows(values ...string) *stored {
	s := &stored{part: migrate.Part(`1`)}
	for _, v := range values {
		s.rows = append(s.rows, migrate.Row[string]{Value: v, At: "at " + v})
	}
	return s
}

// scripted is a sink whose outcomes a test says.
type scripted struct {
	write func(rows []string) ([]minapp.Outcome, error)
	got   []string
}

func (*scripted) String() string                             { return "scripted" }
func (*scripted) Begin(context.Context, migrate.Setup) error { return nil }

func (s *scripted) Write(_ context.Context, rows []string) ([]minapp.Outcome, error) {
	outcomes, err := s.write(rows)
	for i, o := range outcomes {
		if o.State == minapp.Written && i < len(rows) {
			s.got = append(s.got, rows[i])
		}
	}
	return outcomes, err
}

func all(state minapp.State, rows []string) []minapp.Outcome {
	return slices.Repeat([]minapp.Outcome{{State: state}}, len(rows))
}

// What is left of a chunk is written by the next run, also if the source gives
// the very same rows: they are not changed.
func TestRowsOfTheSourceAreNotChanged(t *testing.T) {
	source := storedRows("a", "b", "c", "d")
	before := slices.Clone(source.rows)
	sink := &scripted{write: func(rows []string) ([]minapp.Outcome, error) {
		outcomes := all(minapp.NotSent, rows)
		outcomes[0].State = minapp.Written
		return outcomes, errors.New("one at a time")
	}}
	p := migrate.Plan[string, string]{Source: source, Sink: sink, Key: "k", Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "c"))}
	for range 3 {
		_, err := migrate.Run(t.Context(), p)
		require.ErrorContains(t, err, "one at a time")
	}
	_, err := migrate.Run(t.Context(), p)
	require.ErrorContains(t, err, "one at a time", "together with all rows written")
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c", "d"}, sink.got)
	assert.Equal(t, before, source.rows)
	assert.Equal(t, migrate.Totals{Read: 4, Moved: 4, Written: 4}, report.Totals)
}

// A source that does not tell its rows apart would lose some when a run goes
// on; an empty part would be taken for one that is done.
func TestSourcesThatBreakTheirPromise(t *testing.T) {
	twice, nowhere, empty := storedRows("a", "a"), storedRows("a"), storedRows("a")
	nowhere.rows[0].At = ""
	empty.part = nil
	for says, source := range map[string]*stored{`Row.At "at a"`: twice, `Row.At ""`: nowhere, "part 0 is empty": empty} {
		sink := &scripted{write: func(rows []string) ([]minapp.Outcome, error) { return all(minapp.Written, rows), nil }}
		_, err := migrate.Run(t.Context(), migrate.Plan[string, string]{Source: source, Sink: sink})
		require.ErrorContains(t, err, says)
		assert.Empty(t, sink.got)
	}
}

// Fewer or more outcomes than rows say nothing about any row.
func TestOutcomesThatDoNotMatchAreDoubts(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		source := storedRows("a", "b")
		sink := &scripted{write: func([]string) ([]minapp.Outcome, error) {
			return slices.Repeat([]minapp.Outcome{{State: minapp.Written}}, n), nil
		}}
		report, err := migrate.Run(t.Context(), migrate.Plan[string, string]{Source: source, Sink: sink})
		var doubt *migrate.DoubtError
		require.ErrorAs(t, err, &doubt)
		assert.Equal(t, []string{"at a", "at b"}, doubt.Rows)
		assert.Zero(t, report.Totals)
	}
}

// A row that InDoubt has found counts, and has no digest: Verify reads the
// source.
func TestARowFoundInDoubtCounts(t *testing.T) {
	w := newWorld(t, 2)
	p := w.plan()
	p.Parallel, p.Digest = 1, true
	p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "c"))
	sink := p.Sink
	p.Sink = lost{sink}
	_, err := migrate.Run(t.Context(), p)
	require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
	p.Sink = sink
	asked := errors.New("cannot ask")
	p.InDoubt = func(context.Context, string) (bool, error) {
		defer func() { asked = nil }()
		return asked != nil, asked
	}
	_, err = migrate.Run(t.Context(), p)
	require.ErrorContains(t, err, "cannot ask")
	p.InDoubt = func(context.Context, string) (bool, error) { return true, nil }
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, migrate.Totals{Read: 2, Moved: 2, Written: 2}, report.Totals)
	v, err := migrate.Verify(t.Context(), p, migrate.VerifyOptions{})
	require.NoError(t, err)
	assert.True(t, v.OK(), v)
}

// lost writes, and loses the outcomes.
type lost struct{ migrate.Sink[place] }

func (l lost) Write(ctx context.Context, rows []place) ([]minapp.Outcome, error) {
	_, err := l.Sink.Write(ctx, rows)
	return nil, err
}

// A source that only says that the context ended does not hide why.
func TestTheCauseOfACancelledRun(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	source := storedRows("a")
	sink := &scripted{write: func(rows []string) ([]minapp.Outcome, error) {
		cancel(stop)
		return all(minapp.Written, rows), nil
	}}
	_, err := migrate.Run(ctx, migrate.Plan[string, string]{Source: source, Sink: sink})
	require.ErrorIs(t, err, stop)
	raw, err := json.Marshal(sink.got)
	require.NoError(t, err)
	assert.JSONEq(t, `["a"]`, string(raw))
}

// A row that is in a file only in part is taken out of it again: the next run
// writes all of it.
func TestAPartOfARowIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	broken := true
	p := migrate.Plan[string, any]{
		Source: storedRows("a", "b", "c"), Sink: migrate.ToJSONLines[any](path, migrate.ToJSONLinesOptions{}),
		Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "c")),
		Transform: func(v string) ([]any, error) {
			if v == "b" && broken {
				return []any{minapp.Fields{"v": v}, "no object"}, nil
			}
			return []any{minapp.Fields{"v": v}}, nil
		},
	}
	_, err := migrate.Run(t.Context(), p)
	require.ErrorContains(t, err, "not as a JSON object")
	broken = false
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, migrate.Totals{Read: 3, Moved: 3, Written: 3}, report.Totals)
	assert.Equal(t, "{\"v\":\"a\"}\n{\"v\":\"b\"}\n{\"v\":\"c\"}\n", contentOf(t, path))
}

// Rows of which no digest can be taken are written and counted all the same.
func TestRowsWithoutADigestCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	p := migrate.Plan[string, minapp.Fields]{
		Source: storedRows("a"), Sink: migrate.ToJSONLines[minapp.Fields](path, migrate.ToJSONLinesOptions{}), Key: "k", Digest: true,
		Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "c")),
		Transform:  func(v string) ([]minapp.Fields, error) { return []minapp.Fields{{"k": true}}, nil },
	}
	for range 2 {
		report, err := migrate.Run(t.Context(), p)
		require.NoError(t, err)
		assert.EqualValues(t, 1, report.Written)
		require.Len(t, report.Warnings, 1)
	}
	assert.Equal(t, "{\"k\":true}\n", contentOf(t, path))
}

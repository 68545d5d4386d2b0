package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// fuse lets the k-th step of a process be its last: it has happened or it has
// not, and nothing that the process does afterwards reaches the world.
type fuse struct {
	mu     sync.Mutex
	left   int  // steps that still happen
	halves bool // the last one happens, and nobody is told
	blown  bool
}

var errKilled = errors.New("killed")

func (f *fuse) step(do func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown {
		return errKilled
	}
	if f.left--; f.left < 0 {
		if f.blown = true; f.halves {
			do()
		}
		return errKilled
	}
	do()
	return nil
}

// disk is a checkpoint in memory.
type disk struct {
	data []byte
	fuse *fuse
}

func (d *disk) Load(context.Context) ([]byte, error) { return d.data, nil }

func (d *disk) Save(_ context.Context, data []byte) error {
	return d.fuse.step(func() { d.data = slices.Clone(data) })
}

// shop is a sink in memory. With a key a row that is there is not added again.
type shop struct {
	rows []string
	fuse *fuse
	key  string
}

func (s *shop) String() string { return "shop" }

func (s *shop) Begin(_ context.Context, setup migrate.Setup) error {
	s.key = setup.Key
	return nil
}

func (s *shop) Write(_ context.Context, rows []string) ([]minapp.Outcome, error) {
	err := s.fuse.step(func() {
		for _, row := range rows {
			if s.key == "" || !slices.Contains(s.rows, row) {
				s.rows = append(s.rows, row)
			}
		}
	})
	outcomes := make([]minapp.Outcome, len(rows))
	for i := range outcomes {
		outcomes[i] = minapp.Outcome{Index: i, State: minapp.Written}
		if err != nil {
			outcomes[i].State, outcomes[i].Err = minapp.Unknown, err
		}
	}
	return outcomes, err
}

// roll is a sink that can only add at its end.
type roll struct{ shop }

func (r *roll) End() int64 { return int64(len(r.rows)) }

func (r *roll) Truncate(_ context.Context, end int64) error {
	r.rows = r.rows[:end]
	return nil
}

// forty is a source of 4 parts with 10 rows each, in chunks of 3.
type forty struct{}

func (forty) String() string { return "forty" }

func (forty) Parts(context.Context, int) ([]migrate.Part, error) {
	parts := make([]migrate.Part, 4)
	for i := range parts {
		parts[i] = fmt.Appendf(nil, "[%d,%d]", i*10, i*10+10)
	}
	return parts, nil
}

func (forty) Chunks(_ context.Context, p migrate.Part) iter.Seq2[migrate.Chunk[int], error] {
	return func(yield func(migrate.Chunk[int], error) bool) {
		var from, to int
		_, _ = fmt.Sscanf(string(p), "[%d,%d]", &from, &to)
		for from < to {
			var c migrate.Chunk[int]
			for ; from < to && len(c.Rows) < 3; from++ {
				c.Rows = append(c.Rows, migrate.Row[int]{Value: from, At: strconv.Itoa(from)})
			}
			if from < to {
				c.Rest = fmt.Appendf(nil, "[%d,%d]", from, to)
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// halves drops every seventh row, rejects every eleventh, and makes two rows of
// every other one.
func halves(v int) ([]string, error) {
	switch {
	case v%7 == 0:
		return nil, nil
	case v%11 == 0:
		return nil, errors.New("eleven")
	}
	return []string{fmt.Sprint(v, "a"), fmt.Sprint(v, "b")}, nil
}

func wantRows() (rows []string, rejected []string) {
	for v := range 40 {
		list, err := halves(v)
		if err != nil {
			rejected = append(rejected, strconv.Itoa(v))
		}
		rows = append(rows, list...)
	}
	return rows, rejected
}

// crashes runs a plan again and again, killed at the step that next says, until
// it is finished.
func crashes(t *testing.T, p migrate.Plan[int, string], d *disk, s *shop, next func() (steps int, halves bool)) migrate.Report {
	t.Helper()
	for range 1000 {
		steps, halves := next()
		f := &fuse{left: steps, halves: halves}
		d.fuse, s.fuse = f, f
		report, err := migrate.Run(t.Context(), p)
		if err == nil {
			return report
		}
		require.ErrorIs(t, err, errKilled)
	}
	t.Fatal("it never ends")
	return migrate.Report{}
}

// Wherever a process is killed, and however often, the next ones end with
// exactly the right rows, where a key or the end of a file settles what
// happened. Without them the rows in doubt are named, and only those.
func TestAKilledRunGoesOn(t *testing.T) {
	want, rejected := wantRows()
	run := func(t *testing.T, appends, keyed bool, parallel int, next func() (int, bool)) {
		t.Helper()
		d, s := &disk{}, &roll{}
		path := filepath.Join(t.TempDir(), "rejected.jsonl")
		p := migrate.Plan[int, string]{
			Source: forty{}, Transform: halves, Sink: &s.shop, Checkpoint: d, Parallel: parallel, Rejected: path,
		}
		if keyed {
			p.Key = "name"
		}
		if appends {
			p.Sink = s
		}
		if !keyed && !appends {
			p.InDoubt = func(_ context.Context, at string) (bool, error) {
				return slices.Contains(s.rows, at+"a"), nil // the whole chunk is there, or nothing of it
			}
		}
		report := crashes(t, p, d, &s.shop, next)
		require.ElementsMatch(t, want, s.rows, "lost or doubled")
		require.ElementsMatch(t, rejected, rejectedAt(t, path))
		require.EqualValues(t, 40, report.Read)
		require.EqualValues(t, len(rejected), report.Rejected)
		require.Equal(t, report.Read, report.Moved+report.Dropped+report.Rejected)
	}
	sinks := map[string]struct{ appends, keyed bool }{"keyed": {false, true}, "file": {true, false}, "plain": {false, false}}
	for name, sink := range sinks {
		t.Run(name, func(t *testing.T) {
			for steps := range 50 { // every step of a run, on both sides
				for _, halves := range []bool{false, true} {
					once := steps
					run(t, sink.appends, sink.keyed, 1, func() (int, bool) {
						defer func() { once = 1 << 30 }()
						return once, halves
					})
				}
			}
			for seed := range uint64(40) { // many deaths, several parts at a time
				random := rand.New(rand.NewPCG(seed, 9))
				run(t, sink.appends, sink.keyed, 1+int(seed%5), func() (int, bool) {
					return 1 + random.IntN(30), random.IntN(2) == 0
				})
			}
		})
	}
}

func rejectedAt(t *testing.T, path string) []string {
	t.Helper()
	var at []string
	for _, r := range rejections(t, path) {
		at = append(at, r.At)
	}
	return at
}

// Without a key and without a hint nobody knows what became of the chunk that
// was on its way: the next run names its rows and does nothing.
func TestRowsInDoubtAreNamed(t *testing.T) {
	d, s := &disk{}, &shop{}
	p := migrate.Plan[int, string]{
		Source: forty{}, Sink: s, Checkpoint: d, Parallel: 1,
		Transform: func(v int) ([]string, error) { return []string{strconv.Itoa(v)}, nil },
	}
	f := &fuse{left: 1 + 3 + 3 + 1, halves: true} // the third chunk: its intent is stored, and it is written
	d.fuse, s.fuse = f, f
	_, err := migrate.Run(t.Context(), p)
	require.ErrorIs(t, err, errKilled)
	require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
	there := len(s.rows)

	d.fuse = &fuse{left: 1 << 30}
	_, err = migrate.Run(t.Context(), p)
	var doubt *migrate.DoubtError
	require.ErrorAs(t, err, &doubt)
	assert.Len(t, s.rows, there, "nothing was written")
	assert.NotEmpty(t, doubt.Rows)
	for _, at := range doubt.Rows {
		assert.Contains(t, s.rows[max(0, there-3):], at)
	}
}

package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// A checkpoint that is not as it was saved is refused: nothing is written on
// its word, and nothing that it confirmed is forgotten.
func TestADamagedCheckpointIsRefused(t *testing.T) {
	w := newWorld(t, 50)
	p := w.plan()
	path := filepath.Join(t.TempDir(), "checkpoint")
	p.Checkpoint = migrate.FileCheckpoint(path)
	_, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for what, data := range map[string][]byte{
		"edited":         bytes.Replace(whole, []byte(`"read":50`), []byte(`"read":49`), 1),
		"cut":            whole[:len(whole)/2],
		"emptied":        {},
		"another format": bytes.Replace(whole, []byte(`"migrate_checkpoint":1`), []byte(`"migrate_checkpoint":9`), 1),
		"something else": []byte(`{"a":1}`),
	} {
		require.NotEqual(t, whole, data, what)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		_, err := migrate.Run(t.Context(), p)
		require.ErrorIs(t, err, migrate.ErrCheckpoint, what)
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, data, left, "%s: it is left for whoever mends it", what)
	}
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.EqualValues(t, 50, report.Resumed)
	assert.Len(t, w.Rows(2), 50)
}

// Two runs of one checkpoint at the same time, each with a sink of its own: the
// one that finds it changed ends.
func TestASecondRunIsNoticed(t *testing.T) {
	w := newWorld(t, 200)
	path := filepath.Join(t.TempDir(), "checkpoint")
	p := w.plan()
	p.Key, p.Checkpoint = "name", migrate.FileCheckpoint(path)
	other := w.plan()
	other.Key, other.Checkpoint = "name", migrate.FileCheckpoint(path)
	once := true
	p.OnProgress = func(now migrate.Progress) {
		if once && now.Read > 0 {
			once = false
			_, err := migrate.Run(t.Context(), other)
			require.NoError(t, err)
		}
	}
	_, err := migrate.Run(t.Context(), p)
	require.ErrorIs(t, err, migrate.ErrCheckpoint)
	require.ErrorContains(t, err, "changed by somebody else")
	w.requirePlaces(t, upTo(200)...)
}

// fullDisk keeps what it can until there is no room left.
type fullDisk struct {
	migrate.CheckpointStore
	room int
}

func (f *fullDisk) Save(ctx context.Context, data []byte) error {
	if f.room--; f.room < 0 {
		return fmt.Errorf("write checkpoint: %w", syscall.ENOSPC)
	}
	return f.CheckpointStore.Save(ctx, data)
}

// A disk that is full ends the run with its cause; the next one goes on from
// what was saved, with every row once.
func TestAFullDiskUnderTheCheckpoint(t *testing.T) {
	for room := range 30 {
		w := newWorld(t, 100)
		p := w.plan()
		p.Key, p.Parallel = "name", 1
		path := filepath.Join(t.TempDir(), "checkpoint")
		p.Checkpoint = &fullDisk{migrate.FileCheckpoint(path), room}
		if _, err := migrate.Run(t.Context(), p); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
		}
		p.Checkpoint = migrate.FileCheckpoint(path)
		report, err := migrate.Run(t.Context(), p)
		require.NoError(t, err)
		assert.EqualValues(t, 100, report.Moved)
		w.requirePlaces(t, upTo(100)...)
	}
}

// An iterator is resumed by counting; its error ends the run behind what came
// before it.
func TestAnIteratorIsResumed(t *testing.T) {
	w := newWorld(t, 0)
	broken := errors.New("broken")
	values := func(breaks bool) iter.Seq2[minapp.Fields, error] {
		return func(yield func(minapp.Fields, error) bool) {
			for i := range 2500 {
				if i == 2100 && breaks {
					yield(nil, broken)
					return
				}
				if !yield(minapp.Fields{"name": cityName(i), "size": "1"}, nil) {
					return
				}
			}
		}
	}
	p := migrate.Plan[minapp.Fields, minapp.Fields]{
		Source: migrate.FromSeq("numbers", values(true)), Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint")),
		Sink: migrate.ToTable(minapp.TableOf[minapp.Fields](w.client, w.places.ID()), migrate.ToTableOptions{}),
	}
	report, err := migrate.Run(t.Context(), p)
	require.ErrorIs(t, err, broken)
	assert.EqualValues(t, 2100, report.Moved)
	p.Source = migrate.FromSeq("numbers", values(false))
	report, err = migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.EqualValues(t, 2500, report.Moved)
	assert.Len(t, w.Rows(2), 2500)
}

func TestRateAndTimeLeft(t *testing.T) {
	now := migrate.Progress{Totals: migrate.Totals{Read: 300}, Resumed: 100, Total: 1000, Elapsed: 20 * time.Second}
	assert.InDelta(t, 10, now.Rate(), 1e-9, "rows of this run")
	left, ok := now.Left()
	assert.True(t, ok)
	assert.Equal(t, 70*time.Second, left)
	for _, unknown := range []migrate.Progress{{}, {Elapsed: time.Second, Total: 10}, {Elapsed: time.Second, Totals: migrate.Totals{Read: 5}}} {
		_, ok := unknown.Left()
		assert.False(t, ok)
	}
}

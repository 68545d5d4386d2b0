package migrate_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/migrate"
)

func TestRunMovesEveryRow(t *testing.T) {
	for _, key := range []string{"", "name"} {
		for _, parallel := range []int{0, 1, 7} {
			w := newWorld(t, 97)
			p := w.plan()
			p.Key, p.Parallel = key, parallel
			p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "state"))
			var seen []migrate.Progress
			p.OnProgress = func(p migrate.Progress) { seen = append(seen, p) }
			report, err := migrate.Run(t.Context(), p)
			require.NoError(t, err)
			w.requirePlaces(t, upTo(97)...)
			assert.Equal(t, migrate.Totals{Read: 97, Moved: 97, Written: 97}, report.Totals)
			require.NotEmpty(t, seen)
			assert.EqualValues(t, 97, seen[len(seen)-1].Total)
			assert.EqualValues(t, 97, seen[len(seen)-1].Read)

			w.ResetLog()
			again, err := migrate.Run(t.Context(), p)
			require.NoError(t, err)
			assert.Zero(t, w.Count(""), "nothing is left to do")
			assert.Equal(t, report.Totals, again.Totals)
			assert.EqualValues(t, 97, again.Resumed)
		}
	}
}

package migrate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/migrate"
)

// What is estimated is about what happens then.
func TestEstimateIsAboutWhatHappens(t *testing.T) {
	for _, update := range []bool{false, true} {
		w := newWorld(t, 2500)
		p := w.plan()
		p.Source = migrate.FromTable(w.cities, migrate.FromTableOptions{})
		p.Sink = migrate.ToTable(w.places, migrate.ToTableOptions{Update: update})
		p.Key = "name"
		estimate, err := p.Estimate(t.Context())
		require.NoError(t, err)
		looking := w.Count("")
		assert.Less(t, looking, 20, "a count, some rows to weigh, the ends of the parts")
		assert.Empty(t, w.Rows(2))
		assert.EqualValues(t, 2500, estimate.Rows)
		assert.Positive(t, estimate.Read.Bytes)
		w.ResetLog()
		_, err = migrate.Run(t.Context(), p)
		require.NoError(t, err)
		assert.InDelta(t, w.Count("")-looking, estimate.Requests(), 10, "a run looks around first, too")
	}
}

func TestDurationOfAnEstimate(t *testing.T) {
	e := migrate.Estimate{Rows: 12_000_000, Read: migrate.Cost{Requests: 12_600}, Write: migrate.Cost{Requests: 12_000}}
	assert.Equal(t, 492*time.Minute, e.Duration(50))
	assert.Equal(t, 4920*time.Millisecond*6, e.Duration(50_000))
	assert.Zero(t, e.Duration(0))
	assert.Equal(t, "12000000 rows, about 24600 requests (12600 to read, 12000 to write); one side cannot tell what it takes", e.String())
}

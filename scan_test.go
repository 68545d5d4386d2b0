package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/where"
)

// shapes are tables by when their rows were created: n rows each.
var shapes = map[string]func(i, n int, r *rand.Rand) int64{
	"one a second":      func(i, _ int, _ *rand.Rand) int64 { return int64(1_500_000_000 + i) },
	"one burst":         func(_, _ int, r *rand.Rand) int64 { return 1_500_000_000 + r.Int64N(3) },
	"all in one second": func(_, _ int, _ *rand.Rand) int64 { return 1_500_000_000 },
	"over years":        func(_, _ int, r *rand.Rand) int64 { return 1_400_000_000 + r.Int64N(300_000_000) },
	"two bursts and gaps": func(i, n int, r *rand.Rand) int64 {
		return []int64{1, 1_400_000_000, 1_700_000_000}[3*i/n] + r.Int64N(4)
	},
	"batches of a page": func(i, _ int, _ *rand.Rand) int64 { return int64(1_500_000_000 + i/10) },
	"dense end": func(i, n int, r *rand.Rand) int64 {
		return 1_400_000_000 + int64(i)*int64(i)*int64(i) - r.Int64N(2) + int64(n)
	},
	"before 1970": func(i, _ int, _ *rand.Rand) int64 { return int64(-i) },
}

func shaped(t *testing.T, shape func(int, int, *rand.Rand) int64, n int) (*minapptest.Server, *minapp.Table[article]) {
	t.Helper()
	s, table := emulated(t)
	random := rand.New(rand.NewPCG(uint64(n), 7))
	rows := make([]any, n)
	for i := range rows {
		rows[i] = map[string]any{"name": name(i), "price": i, "created_at": shape(i, n, random)}
	}
	random.Shuffle(n, func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	_, err := s.Seed(int64(table.ID()), rows...)
	require.NoError(t, err)
	return s, table
}

func requireEachOnce(t *testing.T, seen map[string]int, n int) {
	t.Helper()
	require.Len(t, seen, n)
	for name, times := range seen {
		require.Equal(t, 1, times, name)
	}
}

func TestScanYieldsEveryRowOnce(t *testing.T) {
	for name, shape := range shapes {
		for _, n := range []int{0, 1, 10, 11, 137} {
			for _, parallel := range []int{1, 2, 7} {
				t.Run(fmt.Sprint(name, n, "by", parallel), func(t *testing.T) {
					_, table := shaped(t, shape, n)
					seen := make(map[string]int)
					var last minapp.ScanProgress
					options := minapp.ScanOptions{PageSize: 10, Parallel: parallel, OnProgress: func(p minapp.ScanProgress) { last = p }}
					for r, err := range table.Scan(t.Context(), options) {
						require.NoError(t, err)
						seen[r.Value.Name]++
					}
					requireEachOnce(t, seen, n)
					if n > 0 {
						assert.EqualValues(t, n, last.Rows)
						assert.EqualValues(t, n, last.Total)
					}
				})
			}
		}
	}
}

// Each piece is read by itself, a page at a time from the checkpoint of the page
// before, which went through JSON as if to another machine.
func TestPiecesAreIndependentAndResumable(t *testing.T) {
	for name, shape := range shapes {
		for _, pieces := range []int{1, 2, 5} {
			t.Run(fmt.Sprint(name, pieces), func(t *testing.T) {
				_, table := shaped(t, shape, 137)
				ranges, err := table.Split(t.Context(), minapp.ScanOptions{PageSize: 10}, pieces)
				require.NoError(t, err)
				require.LessOrEqual(t, len(ranges), pieces+1)
				seen := make(map[string]int)
				for _, r := range ranges {
					for !r.Done() {
						stored, err := json.Marshal(r)
						require.NoError(t, err)
						r = minapp.ScanRange{}
						require.NoError(t, json.Unmarshal(stored, &r))
						before := r
						for chunk, err := range table.Chunks(t.Context(), r) {
							require.NoError(t, err)
							for _, row := range chunk.Rows {
								seen[row.Value.Name]++
							}
							r = chunk.Rest
							break
						}
						require.NotEqual(t, before, r, "every chunk goes forward")
					}
				}
				requireEachOnce(t, seen, 137)
			})
		}
	}
}

func TestSplitBalancesByRows(t *testing.T) {
	_, table := shaped(t, shapes["over years"], 200)
	ranges, err := table.Split(t.Context(), minapp.ScanOptions{}, 4)
	require.NoError(t, err)
	require.Len(t, ranges, 5)
	for _, r := range ranges[:4] {
		n := 0
		for chunk, err := range table.Chunks(t.Context(), r) {
			require.NoError(t, err)
			n += len(chunk.Rows)
		}
		assert.Equal(t, 50, n)
	}
}

func TestScanHonoursFilterKeysAndColumn(t *testing.T) {
	_, table := shaped(t, shapes["over years"], 100)
	for _, by := range []string{minapp.ByCreatedAt, minapp.ByUpdatedAt} {
		seen := make(map[string]int)
		options := minapp.ScanOptions{Where: where.Lt("price", 30).Or(where.Eq("price", 77)), By: by, Keys: []string{"name"}, PageSize: 7}
		for r, err := range table.Scan(t.Context(), options) {
			require.NoError(t, err)
			assert.Zero(t, r.Value.Price, "not among the keys")
			seen[r.Value.Name]++
		}
		requireEachOnce(t, seen, 31)
	}
}

// Rows that no range of time contains are found by a query of their own.
func TestScanFindsRowsWithoutATimestamp(t *testing.T) {
	s, table := shaped(t, shapes["over years"], 50)
	for i := range 25 {
		_, err := s.Seed(int64(table.ID()), map[string]any{"name": "bare" + strconv.Itoa(i), "created_at": nil})
		require.NoError(t, err)
	}
	seen := make(map[string]int)
	for r, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 10}) {
		require.NoError(t, err)
		seen[r.Value.Name]++
	}
	requireEachOnce(t, seen, 75)
}

func TestScanStopsAtOnce(t *testing.T) {
	s, table := shaped(t, shapes["over years"], 500)
	t.Run("break", func(t *testing.T) {
		s.ResetLog()
		for _, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 10}) {
			require.NoError(t, err)
			break
		}
		assert.Less(t, s.Count(""), 30)
	})
	t.Run("cancellation", func(t *testing.T) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var ends []error
		rows := 0
		for r, err := range table.Scan(ctx, minapp.ScanOptions{PageSize: 10}) {
			if r == nil {
				ends = append(ends, err)
				continue
			}
			if rows++; rows == 25 {
				cancel(why)
			}
		}
		assert.Equal(t, 25, rows)
		require.Len(t, ends, 1)
		require.ErrorIs(t, ends[0], why)
	})
	t.Run("failure", func(t *testing.T) {
		s.Fault(minapptest.Fault{Operation: "records.list", Skip: 9, Times: -1, Status: 400, Body: `{"error_msg":"no"}`})
		defer s.ClearFaults()
		var last error
		for _, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 10}) {
			last = err
		}
		require.ErrorIs(t, last, minapp.ErrInvalid)
	})
}

func TestScanRepeatsWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := shaped(t, shapes["over years"], 300)
		for i := range 30 {
			s.Fault(minapptest.Fault{Operation: "records.list", Skip: i * 2, Status: []int{503, 429, 500, 502}[i%4]})
		}
		seen := make(map[string]int)
		for r, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 10, Parallel: 3}, minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 40})) {
			require.NoError(t, err)
			seen[r.Value.Name]++
		}
		requireEachOnce(t, seen, 300)
	})
}

func TestScanSaysWhenTheTableChanged(t *testing.T) {
	s, table := shaped(t, shapes["one a second"], 100)
	s.Fault(minapptest.Fault{Operation: "records.count", Status: 200, Body: `{"meta":{"total_count":150},"objects":[]}`, Times: -1})
	rows, last := 0, error(nil)
	for r, err := range table.Scan(t.Context(), minapp.ScanOptions{}) {
		if r != nil {
			rows++
		}
		last = err
	}
	assert.Equal(t, 100, rows)
	require.ErrorIs(t, last, minapp.ErrScanDrift)
	assert.ErrorContains(t, last, "100 rows yielded, 150 counted before, 150 after")
}

func TestScanOptionsAreChecked(t *testing.T) {
	s, table := emulated(t)
	for i, o := range []minapp.ScanOptions{
		{By: "price"}, {PageSize: -1}, {Parallel: -1}, {Keys: []string{"-created_at"}}, {Keys: []string{"a", "-b"}}, {Where: where.And()},
	} {
		for r, err := range table.Scan(t.Context(), o) {
			assert.Nil(t, r)
			require.ErrorIs(t, err, minapp.ErrInvalid, strconv.Itoa(i))
		}
		_, err := table.Split(t.Context(), o, 2)
		require.ErrorIs(t, err, minapp.ErrInvalid, strconv.Itoa(i))
	}
	for _, err := range table.Scan(t.Context(), minapp.ScanOptions{}, minapp.CallMeta(new(minapp.CallInfo))) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
	}
	_, err := table.Split(t.Context(), minapp.ScanOptions{}, 0)
	require.ErrorIs(t, err, minapp.ErrInvalid)
	for _, err := range table.Chunks(t.Context(), minapp.ScanRange{By: "price", To: 1}) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
	}
	assert.Zero(t, s.Count(""))
}

// The cost on the server: a scan looks at each row about once, offset paging
// at half the square of the table.
func TestScanExaminesRowsLinearly(t *testing.T) {
	examined := func(n int, read func(*minapp.Table[article])) float64 {
		s, table := shaped(t, shapes["one a second"], n)
		s.ResetLog()
		read(table)
		return float64(s.RowsExamined()) / float64(n)
	}
	scan := func(table *minapp.Table[article]) {
		for _, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 100}) {
			require.NoError(t, err)
		}
	}
	all := func(table *minapp.Table[article]) {
		for _, err := range table.All(t.Context(), minapp.Query{PageSize: 100}) {
			require.NoError(t, err)
		}
	}
	small, large := examined(2_000, scan), examined(16_000, scan)
	assert.Less(t, large, small*1.5, "rows examined per row: %.1f, then %.1f", small, large)
	small, large = examined(2_000, all), examined(16_000, all)
	assert.Greater(t, large, small*5, "offset paging: %.1f, then %.1f", small, large)
}

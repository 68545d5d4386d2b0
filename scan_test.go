package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/jarcoal/httpmock"
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
		{By: "price"}, {PageSize: -1}, {Keys: []string{"-id"}}, {Parallel: -1}, {Keys: []string{"-created_at"}}, {Keys: []string{"a", "-b"}}, {Where: where.And()},
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

// Reading and deleting what was read is a common use, and bulk creates make
// seconds with more rows than a page.
func TestScanAndDeleteLosesNoRow(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		_, table := shaped(t, shapes["all in one second"], 150)
		seen := make(map[string]int)
		for r, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 10, Parallel: parallel}) {
			require.NoError(t, err)
			seen[r.Value.Name]++
			require.NoError(t, table.Delete(t.Context(), r.ID()))
		}
		requireEachOnce(t, seen, 150)
	}
}

// A second that may hold just one page is not believed to, whatever vanishes
// between the requests that settle it.
func TestScanLosesNoRowIfOneVanishesBetweenRequests(t *testing.T) {
	for at := range 6 {
		s, table := shaped(t, shapes["all in one second"], 11)
		victim, requests := "", 0
		client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Get("limit") == "10" {
					if requests++; requests == at && victim == "" {
						rows := s.Rows(int64(table.ID()))
						victim = rows[0]["name"].(string)
						assert.NoError(t, table.Delete(t.Context(), rows[0]["id"].(string)))
					}
				}
				return s.Client().Transport.RoundTrip(r)
			}),
		}))...)
		require.NoError(t, err)
		seen := make(map[string]int)
		for r, err := range minapp.TableOf[article](client, table.ID()).Scan(t.Context(), minapp.ScanOptions{PageSize: 10, Parallel: 1}) {
			require.NoError(t, err)
			seen[r.Value.Name]++
		}
		delete(seen, victim)
		if victim == "" {
			requireEachOnce(t, seen, 11)
			continue
		}
		requireEachOnce(t, seen, 10)
	}
}

// A service that ignores the lower bound keeps a piece where it is, for ever.
func TestScanThatDoesNotMoveForwardIsAnError(t *testing.T) {
	var calls atomic.Int64
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		if calls.Add(1) > 200 {
			return httpmock.NewStringResponse(400, ``), nil
		}
		if r.URL.Query().Get("return_total_count") != "" {
			return httpmock.NewStringResponse(200, `{"meta":{"total_count":100},"objects":[]}`), nil
		}
		if strings.HasPrefix(r.URL.Query().Get("order_by"), "-") {
			return httpmock.NewStringResponse(200, `{"meta":{},"objects":[{"id":"z","created_at":1000}]}`), nil
		}
		return httpmock.NewStringResponse(200, `{"meta":{},"objects":[{"id":"a","created_at":10},{"id":"b","created_at":20}]}`), nil
	})
	var last error
	for _, err := range client.Records.Scan(t.Context(), 1, minapp.ScanOptions{PageSize: 2, Parallel: 1}) {
		last = err
	}
	assert.ErrorIs(t, last, minapp.ErrProtocol)
	assert.Less(t, calls.Load(), int64(50), "requests")
}

// fake serves rows with any created_at, for what the emulator refuses to hold.
// It understands $gte, $lt, $eq and $isnull of created_at, order, limit, offset.
func fake(t *testing.T, rows []string) *minapp.Table[article] {
	t.Helper()
	type row struct {
		at   float64
		text string
	}
	list := make([]row, len(rows))
	for i, at := range rows {
		n, err := strconv.ParseFloat(strings.Trim(at, `"`), 64)
		require.NoError(t, err)
		list[i] = row{n, fmt.Sprintf(`{"id":"i%03d","name":%q,"created_at":%s}`, i, name(i), at)}
	}
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		q := r.URL.Query()
		var found []row
		for _, x := range list {
			if matches(t, q, x.at) {
				found = append(found, x)
			}
		}
		if strings.TrimPrefix(q.Get("order_by"), "-") == "created_at" {
			slices.SortStableFunc(found, func(a, b row) int {
				switch {
				case a.at < b.at:
					return -1
				case a.at > b.at:
					return 1
				}
				return 0
			})
		}
		if strings.HasPrefix(q.Get("order_by"), "-") {
			slices.Reverse(found)
		}
		limit, _ := strconv.Atoi(q.Get("limit"))
		offset, _ := strconv.Atoi(q.Get("offset"))
		total := len(found)
		found = found[min(offset, total):]
		found = found[:min(limit, len(found))]
		texts := make([]string, len(found))
		for i, x := range found {
			texts[i] = x.text
		}
		return httpmock.NewStringResponse(200, fmt.Sprintf(`{"meta":{"next":null,"total_count":%d},"objects":[%s]}`, total, strings.Join(texts, ","))), nil
	})
	return minapp.TableOf[article](client, 1)
}

func matches(t *testing.T, q url.Values, at float64) bool {
	t.Helper()
	if q.Get("where") == "" {
		return true
	}
	type comparison struct {
		At map[string]any `json:"created_at"`
	}
	var w struct {
		And []comparison `json:"$and"`
		comparison
	}
	if !assert.NoError(t, json.Unmarshal([]byte(q.Get("where")), &w)) {
		return false
	}
	for _, c := range append(w.And, w.comparison) {
		for op, v := range c.At {
			n, _ := v.(float64)
			if op == "$gte" && at < n || op == "$lt" && at >= n || op == "$eq" && at != n || op == "$isnull" {
				return false
			}
		}
	}
	return true
}

// Whoever writes created_at may write fractions.
func TestScanFindsRowsWithFractionsOfASecond(t *testing.T) {
	for _, base := range []string{"1500000000.", "-5."} {
		var rows []string
		for i := range 25 {
			rows = append(rows, base+strconv.Itoa(100+i))
		}
		table := fake(t, rows)
		seen := make(map[string]int)
		piece := minapp.ScanRange{By: minapp.ByCreatedAt, From: -1 << 40, To: 1 << 40}
		for chunk, err := range table.Chunks(t.Context(), piece) {
			require.NoError(t, err)
			for _, r := range chunk.Rows {
				seen[r.Value.Name]++
			}
		}
		require.Len(t, seen, 25, "pages of 1000 hold them all")
		seen = make(map[string]int)
		var last error
		for r, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 10, Parallel: 1}) {
			if last = err; r != nil {
				seen[r.Value.Name]++
			}
		}
		assert.NoError(t, last)
		assert.Len(t, seen, 25)
	}
}

// created_at in answers is an integer or a string.
func TestScanReadsTimestampsThatAreText(t *testing.T) {
	var rows []string
	for i := range 25 {
		rows = append(rows, strconv.Quote(strconv.Itoa(1_500_000_000+i)))
	}
	seen := make(map[string]int)
	for r, err := range fake(t, rows).Scan(t.Context(), minapp.ScanOptions{PageSize: 10}) {
		if !assert.NoError(t, err) {
			return
		}
		seen[r.Value.Name]++
	}
	assert.Len(t, seen, 25)
}

// Each border costs a request.
func TestSplitIntoMorePiecesThanRows(t *testing.T) {
	s, table := shaped(t, shapes["one a second"], 10)
	_, err := table.Split(t.Context(), minapp.ScanOptions{}, 500)
	require.NoError(t, err)
	assert.LessOrEqual(t, s.Count("")-1, 11, "requests")
}

func TestPiecesKeepTheirKeys(t *testing.T) {
	s, table := shaped(t, shapes["one a second"], 10)
	pieces, err := table.Split(t.Context(), minapp.ScanOptions{Keys: []string{"name"}, PageSize: 5}, 1)
	require.NoError(t, err)
	s.ResetLog()
	for _, p := range pieces {
		for _, err := range table.Chunks(t.Context(), p) {
			require.NoError(t, err)
		}
	}
	for _, r := range s.Requests() {
		q, _ := url.ParseQuery(r.RawQuery)
		assert.Equal(t, "name,created_at", q.Get("keys"))
		assert.Equal(t, "5", q.Get("limit"))
	}
}

// A piece of a window that another reader took over has an end.
func TestRangeReadUpToItsEndIsEmpty(t *testing.T) {
	s, table := shaped(t, shapes["all in one second"], 30)
	const second = 1_500_000_000
	ids := make([]string, 0, 30)
	for _, row := range s.Rows(int64(table.ID())) {
		ids = append(ids, row["id"].(string))
	}
	slices.Sort(ids)
	for end, want := range map[string]int{ids[10]: 0, ids[11]: 0, ids[15]: 4} {
		r := minapp.ScanRange{By: minapp.ByCreatedAt, From: second, To: second + 1, ByID: true, Window: 1, After: ids[10], Before: end, Skip: 11}
		n := 0
		for chunk, err := range table.Chunks(t.Context(), r) {
			require.NoError(t, err)
			n += len(chunk.Rows)
		}
		assert.Equal(t, want, n)
	}
}

// Where the reading goes on is found again, however far the rows have moved.
func TestChunksFindTheirPlaceAgain(t *testing.T) {
	for _, skip := range []int{0, 1, 30, 57, 60, 61, 90, 500, 100_000} {
		s, table := shaped(t, shapes["all in one second"], 137)
		rows := s.Rows(int64(table.ID()))
		slices.SortFunc(rows, func(a, b map[string]any) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
		r := minapp.ScanRange{By: minapp.ByCreatedAt, From: 1_500_000_000, To: 1_500_000_001, PageSize: 10, ByID: true, Window: 1, Skip: skip}
		r.After = rows[59]["id"].(string)
		seen := make(map[string]int)
		s.ResetLog()
		for chunk, err := range table.Chunks(t.Context(), r) {
			require.NoError(t, err)
			for _, row := range chunk.Rows {
				seen[row.Value.Name]++
			}
		}
		requireEachOnce(t, seen, 77)
		assert.Less(t, s.Count(""), 30, "requests from %d", skip)
	}
}

// tooMuch refuses pages of more rows than a number.
func tooMuch(s *minapptest.Server, rows int, refuse func() *http.Response) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && limit > rows {
			return refuse(), nil
		}
		return s.Client().Transport.RoundTrip(r)
	})
}

// excesses are answers to a page that is too much.
var excesses = map[string]func() *http.Response{
	"502": func() *http.Response { return httpmock.NewStringResponse(502, "<html>") },
	"504": func() *http.Response { return httpmock.NewStringResponse(504, "") },
	"too large": func() *http.Response {
		r := httpmock.NewStringResponse(200, "")
		r.ContentLength = 1 << 40
		return r
	},
}

// patient is a policy under which a page gets as small as it has to.
var patient = minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 6})

// A page too large to read, or for the gateway, is asked for in smaller ones.
func TestPagesShrinkUntilTheServiceManages(t *testing.T) {
	for name, refuse := range excesses {
		t.Run(name, func(t *testing.T) {
			for shape, at := range shapes {
				s, full := shaped(t, at, 60)
				client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{Transport: tooMuch(s, 3, refuse)}))...)
				require.NoError(t, err)
				table := minapp.TableOf[article](client, full.ID())
				seen := make(map[string]int)
				for r, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 40, Parallel: 2}, patient) {
					require.NoError(t, err, shape)
					seen[r.Value.Name]++
				}
				requireEachOnce(t, seen, 60)
				for chunk, err := range table.Chunks(t.Context(), minapp.ScanRange{By: minapp.ByCreatedAt, From: -1 << 40, To: 1 << 60}, patient) {
					require.NoError(t, err)
					assert.True(t, chunk.Rest.Done() || chunk.Rest.PageSize == 2 || chunk.Rest.PageSize == 3, "a checkpoint keeps what was learned: %s", shape)
				}
				assert.Len(t, prices(t, table.All(t.Context(), minapp.Query{PageSize: 50, Offset: 1, Max: 45}, patient)), 45)
				s.ResetLog()
				_, err = table.Page(t.Context(), minapp.Query{PageSize: 40}, patient)
				require.Error(t, err, "a page is what was asked for")
				assert.Zero(t, s.Count(""))
				client.CloseIdleConnections()
			}
		})
	}
}

// What was too much for a while costs small pages for a while: the pages grow
// until they have the size again that was asked for.
func TestPagesGrowAgain(t *testing.T) {
	for name, refuse := range excesses {
		t.Run(name, func(t *testing.T) {
			s, full := shaped(t, shapes["one a second"], 1_000)
			var limits []int
			trouble := 0
			client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if limit, _ := strconv.Atoi(r.URL.Query().Get("limit")); limit > 1 { // else a count, or an end of the table
					limits = append(limits, limit)
					if trouble--; trouble >= 0 {
						return refuse(), nil
					}
				}
				return s.Client().Transport.RoundTrip(r)
			})}))...)
			require.NoError(t, err)
			defer client.CloseIdleConnections()
			table := minapp.TableOf[article](client, full.ID())
			want := []int{100, 25, 6, 8, 10, 13, 17, 22, 28, 35, 44, 55, 69, 87, 100}

			trouble = 2
			assert.Len(t, prices(t, table.All(t.Context(), minapp.Query{PageSize: 100}, patient)), 1_000)
			assert.Equal(t, want, limits[:len(want)])
			assert.Equal(t, 100, slices.Min(limits[len(want):]))

			limits, trouble = nil, 2
			for _, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 100, Parallel: 1}, patient) {
				require.NoError(t, err)
			}
			assert.Equal(t, want, limits[:len(want)])

			limits, trouble = nil, 2
			var sizes []int
			for chunk, err := range table.Chunks(t.Context(), minapp.ScanRange{By: minapp.ByCreatedAt, From: 0, To: 1 << 40, PageSize: 100}, patient) {
				require.NoError(t, err)
				sizes = append(sizes, chunk.Rest.PageSize)
			}
			assert.Equal(t, want, limits[:len(want)])
			assert.Equal(t, want[2:], sizes[:len(want)-2], "a checkpoint goes on with the size of its page")
		})
	}
}

// A gateway that never manages is asked as often as for every other read, and
// an answer that is too large once in each size.
func TestShrinkingEnds(t *testing.T) {
	for name, want := range map[string][]string{"502": {"1000", "250", "62", "15"}, "504": {"1000", "250", "62", "15"}, "too large": {"1000", "250", "62", "15", "3", "1"}} {
		synctest.Test(t, func(t *testing.T) {
			var limits []string
			client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
				limits = append(limits, r.URL.Query().Get("limit"))
				assert.Equal(t, "-name", r.URL.Query().Get("order_by"), "the rest of the query stays")
				return excesses[name](), nil
			})
			for r, err := range client.Records.All(t.Context(), 1, minapp.Query{OrderBy: []string{"-name"}}) {
				assert.Nil(t, r)
				require.ErrorIs(t, err, map[bool]error{true: minapp.ErrProtocol, false: minapp.ErrUnavailable}[name == "too large"])
			}
			assert.Equal(t, want, limits, name)

			limits = nil
			once := minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 1})
			for _, err := range client.Records.All(t.Context(), 1, minapp.Query{OrderBy: []string{"-name"}}, once) {
				require.Error(t, err)
			}
			if name != "too large" {
				assert.Len(t, limits, 1, "a policy that repeats nothing")
			}
		})
	}
}

// bomb is a row whose type has a mistake.
type bomb struct{}

func (*bomb) UnmarshalJSON([]byte) error { panic("user code") }

// Pages are decoded on other goroutines, where nobody could recover.
func TestPanicOfUserCodeReachesTheCaller(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 30)
	client := mustClient(t, s)
	bombs := minapp.TableOf[bomb](client, table.ID())
	assert.PanicsWithValue(t, "user code", func() {
		for _, err := range bombs.All(t.Context(), minapp.Query{}) {
			assert.NoError(t, err)
		}
	})
	assert.PanicsWithValue(t, "user code", func() {
		for _, err := range bombs.Scan(t.Context(), minapp.ScanOptions{}) {
			assert.NoError(t, err)
		}
	})
}

// gated is a codec that decodes when it is allowed to.
type gated struct{ open chan struct{} }

func (gated) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

func (g gated) Unmarshal(data []byte, v any) error {
	<-g.open
	return json.Unmarshal(data, v)
}

// Where a piece goes on shows before its rows are decoded, so that the next pages
// come meanwhile, up to a bound: the network and the processor do not take turns.
func TestScanFetchesWhileItDecodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		s, table := emulated(t)
		seed(t, s, table.ID(), n)
		codec := gated{make(chan struct{})}
		client, err := minapp.NewClient(append(s.Options(), minapp.WithCodec(codec))...)
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		rows := make(chan int)
		go func() {
			n := 0
			for _, err := range minapp.TableOf[article](client, table.ID()).Scan(t.Context(), minapp.ScanOptions{PageSize: 20, Parallel: 1}) {
				assert.NoError(t, err)
				n++
			}
			rows <- n
		}()
		synctest.Wait() // the rows of the first page are waiting
		const survey, queued, inHand = 3, 8, 1
		decoding := min(2, runtime.GOMAXPROCS(0))
		assert.Equal(t, survey+decoding+queued+inHand, s.Count(""))
		close(codec.open)
		assert.Equal(t, n, <-rows)
	})
}

// So it is in All, one page ahead.
func TestAllFetchesWhileItDecodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		seed(t, s, table.ID(), 60)
		codec := gated{make(chan struct{})}
		client, err := minapp.NewClient(append(s.Options(), minapp.WithCodec(codec))...)
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		rows := make(chan int)
		go func() {
			n := 0
			for _, err := range minapp.TableOf[article](client, table.ID()).All(t.Context(), minapp.Query{PageSize: 20}) {
				assert.NoError(t, err)
				n++
			}
			rows <- n
		}()
		synctest.Wait() // the rows of the first page are waiting
		assert.Equal(t, 2, s.Count(""))
		close(codec.open)
		assert.Equal(t, 60, <-rows)
	})
}

// leaver is a row whose type ends the goroutine it is decoded on.
type leaver struct{}

func (*leaver) UnmarshalJSON([]byte) error {
	runtime.Goexit()
	return nil
}

func TestGoexitOfUserCodeIsAnError(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 30)
	leavers := minapp.TableOf[leaver](mustClient(t, s), table.ID())
	for name, rows := range map[string]iter.Seq2[*minapp.Record[leaver], error]{
		"All":  leavers.All(t.Context(), minapp.Query{}),
		"Scan": leavers.Scan(t.Context(), minapp.ScanOptions{Parallel: 3, PageSize: 5}),
	} {
		var last error
		for _, err := range rows {
			last = err
		}
		assert.ErrorContains(t, last, "ended its goroutine", name)
	}
}

// A scan of 200 pages costs little more than 200 requests. More are allowed
// where the ends of seconds and of bursts have to be found, above all by many
// readers.
func TestScanCostsFewRequests(t *testing.T) {
	all := maps.Clone(shapes)
	all["a page in each second"] = func(i, _ int, _ *rand.Rand) int64 { return int64(1_500_000_000 + i/20) }
	all["three pages in each second"] = func(i, _ int, _ *rand.Rand) int64 { return int64(1_500_000_000 + i/60) }
	allowed := map[string]int{"batches of a page": 300, "a page in each second": 330, "three pages in each second": 300, "two bursts and gaps": 290}
	for name, shape := range all {
		s, table := shaped(t, shape, 4_000)
		for _, parallel := range []int{1, 4, 16} {
			s.ResetLog()
			for _, err := range table.Scan(t.Context(), minapp.ScanOptions{PageSize: 20, Parallel: parallel}) {
				require.NoError(t, err)
			}
			most := 240
			if n, ok := allowed[name]; ok {
				most = n
			}
			most += 4 * (parallel - 1) // who takes over from whom depends on the machine's load
			assert.LessOrEqual(t, s.Count(""), most, "%s by %d", name, parallel)
		}
	}
}

// A page is one buffer that belongs to its rows: those of every page of a
// parallel scan are kept, typed and as they were received, and are still what
// they were when all of them have been read.
func TestRowsOfAParallelScanAreKept(t *testing.T) {
	const n = 5000
	s, table := shaped(t, shapes["over years"], n)
	raw := minapp.TableOf[json.RawMessage](table.Client(), table.ID())
	options := minapp.ScanOptions{PageSize: 50, Parallel: 8}
	var typed []*minapp.Record[article]
	for r, err := range table.Scan(t.Context(), options) {
		require.NoError(t, err)
		typed = append(typed, r)
	}
	var undecoded []*minapp.Record[json.RawMessage]
	for r, err := range raw.Scan(t.Context(), options) {
		require.NoError(t, err)
		undecoded = append(undecoded, r)
	}
	require.Len(t, typed, n)
	require.Len(t, undecoded, n)
	want := make(map[string]map[string]any, n)
	for _, row := range s.Rows(int64(table.ID())) {
		want[row["id"].(string)] = row
	}
	for _, r := range typed {
		row := want[r.ID()]
		require.Equal(t, row["name"], r.Value.Name)
		var again article
		require.NoError(t, json.Unmarshal(r.Raw, &again))
		require.Equal(t, again, r.Value)
	}
	for _, r := range undecoded {
		var row minapp.Fields
		require.NoError(t, row.UnmarshalJSON(r.Value))
		require.Equal(t, want[r.ID()]["name"], row["name"])
		delete(want, r.ID())
	}
	require.Empty(t, want)
}

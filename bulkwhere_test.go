package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// updated runs an update to its end, checks every batch, and returns the
// outcomes by id.
func updated(t *testing.T, batches iter.Seq2[*minapp.Batch, error]) map[string]minapp.Outcome {
	t.Helper()
	outcomes := map[string]minapp.Outcome{}
	next := 0
	for b, err := range batches {
		require.NotNil(t, b, "%v", err)
		checkBatch(t, b, err)
		require.Equal(t, next, b.First)
		next = b.Next()
		for _, o := range b.Outcomes() {
			require.NotEmpty(t, o.ID)
			require.NotContains(t, outcomes, o.ID)
			require.Equal(t, o.State == minapp.Written, o.UpdatedAt != 0)
			outcomes[o.ID] = o
		}
		require.EqualValues(t, len(outcomes), b.Totals.Read)
	}
	return outcomes
}

func TestUpdateWhereReachesRowsThatLeaveTheirFilter(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11, 35} {
		s, table := emulated(t)
		seed(t, s, table.ID(), n+5)
		var seen []int
		options := minapp.BatchOptions{Size: 10, OnBatch: func(b *minapp.Batch) { seen = append(seen, b.First) }}
		outcomes := updated(t, table.UpdateWhere(t.Context(), where.Lt("price", n), patch.Set("price", 1000), options))
		assert.Len(t, outcomes, n)
		assert.Len(t, seen, (n+9)/10)
		assert.Equal(t, (n+9)/10, s.Count("bulk.update"))
		for i, row := range s.Rows(int64(table.ID())) {
			want := i
			if i < n {
				want = 1000
				assert.Equal(t, minapp.Written, outcomes[row["id"].(string)].State)
			}
			assert.Equal(t, json.Number(strconv.Itoa(want)), row["price"])
		}
	}
}

func TestUpdateManyChangesTheRowsWithTheseIDs(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 25)
	rows := s.Rows(int64(table.ID()))
	ids := make([]string, 0, 24)
	for i := 22; i >= 0; i-- {
		ids = append(ids, rows[i]["id"].(string))
	}
	ids = append(ids, "5a2fa9b008443e59e0e00000") // there is none
	position := 0
	for b, err := range table.UpdateMany(t.Context(), ids, patch.Set("price", 1000), minapp.BatchOptions{Size: 10, Parallel: 2}) {
		checkBatch(t, b, err)
		for _, o := range b.Outcomes() {
			require.Equal(t, ids[position], o.ID, "positions are those of the ids")
			require.Equal(t, position < 23, o.State == minapp.Written)
			if position == 23 {
				require.Equal(t, minapp.Rejected, o.State)
				require.ErrorIs(t, o.Err, minapp.ErrNotFound)
			}
			position++
		}
	}
	assert.Equal(t, 24, position)
	assert.Equal(t, 3, s.Count("bulk.update"))
	assert.Zero(t, s.Count("records.list"), "ids need not be read")
	for i, row := range s.Rows(int64(table.ID())) {
		assert.Equal(t, i < 23, row["price"] == json.Number("1000"))
	}
}

func TestUpdateManyRefusesWhatItCannotTellApart(t *testing.T) {
	s, table := emulated(t)
	for name, tt := range map[string]struct {
		ids     []string
		options minapp.BatchOptions
	}{
		"twice":  {[]string{"a", "b", "a"}, minapp.BatchOptions{}},
		"empty":  {[]string{"a", ""}, minapp.BatchOptions{}},
		"first":  {[]string{"a"}, minapp.BatchOptions{First: 1}},
		"key":    {[]string{"a"}, minapp.BatchOptions{Key: "name"}},
		"nobody": {[]string{"a"}, minapp.BatchOptions{Size: -1}},
	} {
		for b, err := range table.UpdateMany(t.Context(), tt.ids, patch.Set("price", 1), tt.options) {
			assert.Nil(t, b, name)
			require.ErrorIs(t, err, minapp.ErrInvalid, name)
		}
	}
	for _, err := range table.UpdateMany(t.Context(), nil, patch.Set("price", 1), minapp.BatchOptions{}) {
		t.Error("no ids are no batch", err)
	}
	assert.Zero(t, s.Count(""))
}

func TestUpdateWhereCutsByTheLengthOfTheURL(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 1200)
	outcomes := updated(t, table.UpdateWhere(t.Context(), where.Everything(), patch.IncrBy("price", 1), minapp.BatchOptions{}, minapp.CallTriggers(false)))
	assert.Len(t, outcomes, 1200)
	var lengths []int
	for _, r := range s.Requests() {
		if r.Operation == "bulk.update" {
			assert.Contains(t, r.RawQuery, "limit=1000")
			assert.Contains(t, r.RawQuery, "enable_trigger=0")
			lengths = append(lengths, len(s.URL()+r.Path+"?"+r.RawQuery))
		}
	}
	require.Len(t, lengths, 3)
	for i, length := range lengths[:2] {
		assert.LessOrEqual(t, length, 16386)
		assert.Greater(t, length, 16386-2*len("%2C%225a2fa9b008443e59e0e67829%22"), "request %d has room for more", i)
	}
	for i, row := range s.Rows(int64(table.ID())) {
		require.Equal(t, json.Number(strconv.Itoa(i+1)), row["price"], "each row exactly once")
	}
}

// However long the ids are: no request is refused for its length, neither a
// batch nor a page at an offset.
func TestIDsOfAnyLengthFit(t *testing.T) {
	for length := 10; length < 50; length++ {
		ids := make([]string, 1000)
		objects := make([]map[string]string, len(ids))
		for i := range ids {
			ids[i] = fmt.Sprintf("%0*d", length, i)
			objects[i] = map[string]string{"id": ids[i]}
		}
		page := func(objects []map[string]string) *http.Response {
			return httpmock.NewBytesResponse(200, mustJSON(map[string]any{"meta": map[string]any{"next": nil}, "objects": objects}))
		}
		client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
			switch {
			case r.Method == http.MethodPut:
				return httpmock.NewStringResponse(200, `{"succeed":0,"operation_result":[]}`), nil
			case r.URL.Query().Has("offset"):
				return page(objects[:0]), nil
			}
			return page(objects), nil
		})
		for b, err := range client.Bulk.UpdateWhere(t.Context(), 1, where.Everything(), patch.Set("a", 1), minapp.BatchOptions{}) {
			require.NotNil(t, b)
			require.NotErrorIs(t, err, minapp.ErrTooLong)
		}
		for _, err := range minapp.AllIn(t.Context(), minapp.TableOf[minapp.Fields](client, 1), "id", ids, minapp.Query{}) {
			require.NoError(t, err)
		}
	}
}

// The answer to an update tells the rows apart by the ids of its successes
// only. Nothing that it does not say is made up.
func TestResultsOfAnUpdateAreMatchedByID(t *testing.T) {
	const (
		w, r, u  = minapp.Written, minapp.Rejected, minapp.Unknown
		no1, no2 = `{"error":{"err_msg":"no","code":11000}}`, `{"error":{"err_msg":"never","code":1}}`
	)
	ok := func(ids ...string) string {
		var list []string
		for _, id := range ids {
			list = append(list, `{"success":{"id":"`+id+`","updated_at":1556414642}}`)
		}
		return strings.Join(list, ",")
	}
	result := func(succeed int, items ...string) string {
		return `{"succeed":` + strconv.Itoa(succeed) + `,"next":null,"operation_result":[` + strings.Join(items, ",") + `]}`
	}
	tests := map[string]struct {
		answer string
		want   [3]minapp.State // of a, b and c
		says   string          // of the first row that is not written
		is     error
	}{
		"all":                                {result(3, ok("a", "b", "c")), [3]minapp.State{w, w, w}, "", nil},
		"in another order":                   {result(3, ok("c", "a", "b")), [3]minapp.State{w, w, w}, "", nil},
		"the error is about the third":       {result(2, no1, ok("b", "c")), [3]minapp.State{r, w, w}, "bulk.update: code 11000: no", minapp.ErrDuplicate},
		"two errors about two rows":          {result(1, no1, ok("b"), no2), [3]minapp.State{r, w, r}, "code 11000: no\nbulk.update: code 1: never", minapp.ErrDuplicate},
		"one error twice":                    {result(1, no1, no1, ok("b")), [3]minapp.State{r, w, r}, "bulk.update: code 11000: no", minapp.ErrDuplicate},
		"none written":                       {result(0, no1, no1, no1), [3]minapp.State{r, r, r}, "code 11000: no", minapp.ErrDuplicate},
		"a row exists no more":               {result(2, ok("a", "c")), [3]minapp.State{w, r, w}, "exists no more", minapp.ErrNotFound},
		"all rows exist no more":             {result(0), [3]minapp.State{r, r, r}, "exists no more", minapp.ErrNotFound},
		"failed or gone":                     {result(1, no2, ok("c")), [3]minapp.State{r, r, w}, "code 1: never\nbulk.update: the row exists no more", minapp.ErrNotFound},
		"left for a next call":               {`{"succeed":1,"next":"/x","operation_result":[` + ok("a") + `]}`, [3]minapp.State{w, u, u}, "leaves the row out", minapp.ErrOutcomeUnknown},
		"next beside all rows":               {`{"succeed":3,"next":"/x","operation_result":[` + ok("a", "b", "c") + `]}`, [3]minapp.State{w, w, w}, "", nil},
		"an item says nothing":               {result(2, ok("a", "b"), `{}`), [3]minapp.State{w, w, u}, "neither success nor error", minapp.ErrOutcomeUnknown},
		"an item says both":                  {result(1, ok("b"), `{"success":{"id":"a"},"error":{"err_msg":"no"}}`, no1), [3]minapp.State{u, w, u}, "neither success nor error", minapp.ErrOutcomeUnknown},
		"a row that was not asked for":       {result(3, ok("a", "b", "d")), [3]minapp.State{u, u, u}, `row "d" was not asked for`, minapp.ErrProtocol},
		"a row twice":                        {result(3, ok("a", "b", "a")), [3]minapp.State{u, u, u}, `row "a" was not asked for, or is there twice`, minapp.ErrProtocol},
		"a success without id":               {result(3, ok("a", "b"), `{"success":{}}`), [3]minapp.State{u, u, u}, `row "" was not`, minapp.ErrProtocol},
		"more results than rows":             {result(3, ok("a", "b", "c"), no1), [3]minapp.State{u, u, u}, "4 results for 3 rows", minapp.ErrProtocol},
		"succeed says otherwise":             {result(3, ok("a", "b")), [3]minapp.State{u, u, u}, "3 rows written according to succeed, 2 according", minapp.ErrProtocol},
		"no succeed":                         {`{"operation_result":[` + ok("a", "b", "c") + `]}`, [3]minapp.State{u, u, u}, "no number of rows", minapp.ErrOutcomeUnknown},
		"no results":                         {`{"succeed":0}`, [3]minapp.State{u, u, u}, "no results", minapp.ErrOutcomeUnknown},
		"an operation that nobody asked for": {`{"status":"ok","operation_id":7}`, [3]minapp.State{u, u, u}, "has started operation 7", minapp.ErrOutcomeUnknown},
		"an answer of another kind":          {`{"objects":[]}`, [3]minapp.State{u, u, u}, "no number", minapp.ErrOutcomeUnknown},
		"not JSON":                           {`<html>`, [3]minapp.State{u, u, u}, "not JSON", minapp.ErrOutcomeUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet {
					return httpmock.NewStringResponse(200, `{"meta":{"next":null},"objects":[{"id":"c"},{"id":"a"},{"id":"b"},{"id":"a"}]}`), nil
				}
				return httpmock.NewStringResponse(200, tt.answer), nil
			})
			batches := 0
			for b, err := range client.Bulk.UpdateWhere(t.Context(), 1, where.Gt("x", 1), patch.Set("x", 0), minapp.BatchOptions{}) {
				batches++
				checkBatch(t, b, err)
				for i, o := range b.Outcomes() {
					assert.Equal(t, []string{"a", "b", "c"}[i], o.ID)
					assert.Equal(t, tt.want[i], o.State, o.ID)
					assert.Equal(t, tt.want[i] == minapp.Written, o.UpdatedAt == 1556414642)
					assert.Equal(t, tt.want[i] == minapp.Unknown, errors.Is(o.Err, minapp.ErrOutcomeUnknown))
				}
				if tt.is != nil {
					require.ErrorIs(t, b.Failed()[0].Err, tt.is)
					assert.ErrorContains(t, b.Failed()[0].Err, tt.says)
					assert.Equal(t, errors.Is(tt.is, minapp.ErrNotFound), errors.Is(b.Failed()[0].Err, minapp.ErrNotFound), "gone, or not")
				}
			}
			assert.Equal(t, 1, batches)
		})
	}
}

// A row that a repetition refuses can have been written by the attempt whose
// answer was lost.
func TestRefusalOfARepetitionIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		seed(t, s, table.ID(), 2)
		s.Fault(minapptest.Fault{Operation: "bulk.update", Status: 503, Processed: true})
		outcomes := updated(t, table.UpdateWhere(t.Context(), where.Everything(), patch.Set("name", "same"), minapp.BatchOptions{}))
		states := map[minapp.State]int{}
		for _, o := range outcomes {
			states[o.State]++
			if o.State == minapp.Unknown {
				require.ErrorIs(t, o.Err, minapp.ErrDuplicate)
				require.ErrorIs(t, o.Err, minapp.ErrOutcomeUnknown)
			}
		}
		assert.Equal(t, map[minapp.State]int{minapp.Written: 1, minapp.Unknown: 1}, states)

		s.Fault(minapptest.Fault{Operation: "bulk.create", Status: 503, Processed: true})
		batch, err := table.CreateMany(t.Context(), articles(5)[3:], minapp.CallReplay())
		checkBatch(t, batch, err)
		assert.EqualValues(t, 2, batch.Totals.Unknown, "the rows are there since the first attempt")
	})
}

func TestOnlyIdempotentUpdatesAreRepeated(t *testing.T) {
	tests := map[string]struct {
		patch    patch.Patch
		opts     []minapp.CallOption
		requests int
		state    minapp.State
		price    json.Number
	}{
		"idempotent":     {patch.Set("price", 7), nil, 2, minapp.Written, "7"},
		"not idempotent": {patch.IncrBy("price", 7), nil, 1, minapp.Unknown, "7"},
		"replayed":       {patch.IncrBy("price", 7), []minapp.CallOption{minapp.CallReplay()}, 2, minapp.Written, "14"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, table := emulated(t)
				seed(t, s, table.ID(), 1)
				s.Fault(minapptest.Fault{Operation: "bulk.update", Drop: minapptest.CutBody})
				for _, o := range updated(t, table.UpdateWhere(t.Context(), where.Everything(), tt.patch, minapp.BatchOptions{}, tt.opts...)) {
					assert.Equal(t, tt.state, o.State)
				}
				assert.Equal(t, tt.requests, s.Count("bulk.update"))
				assert.Equal(t, tt.price, s.Rows(int64(table.ID()))[0]["price"])
			})
		})
	}
}

// Whatever happens to the requests, and to rows meanwhile: every row that
// matched has one outcome, and the table agrees with it.
func TestOutcomesOfUpdatesAgreeWithTheTableUnderRandomFaults(t *testing.T) {
	for run := range uint64(40) {
		t.Run(strconv.FormatUint(run, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(run, 2))
				s, table := emulated(t)
				seed(t, s, table.ID(), 100)
				_, err := s.Seed(int64(table.ID()), article{Name: "full", Price: math.MinInt64}) // which no increment below fits
				require.NoError(t, err)
				randomFaults(s, random, "bulk.update")
				before := pricesByID(s, table.ID())
				by := int64(-1000) // takes rows out of the filter
				change, once := patch.IncrBy("price", by), true
				if random.IntN(2) == 0 {
					change, once = patch.Set("price", by), false
				}
				removed := map[string]bool{}
				options := minapp.BatchOptions{Size: 1 + random.IntN(30), OnBatch: func(*minapp.Batch) {
					for id := range before { // somebody else is at work
						require.NoError(t, ignoreNotFound(table.Delete(t.Context(), id)))
						removed[id] = true
						break
					}
				}}
				cond := where.Lt("price", 80)
				outcomes := updated(t, table.UpdateWhere(t.Context(), cond, change, options))
				after := pricesByID(s, table.ID())
				require.Len(t, outcomes, 81, "no row is skipped")
				for id, price := range before {
					o, matched := outcomes[id]
					require.Equal(t, price < 80, matched)
					now, there := after[id]
					want := by
					if once {
						want = price + by
					}
					switch {
					case !there:
						require.True(t, removed[id])
					case !matched:
						require.Equal(t, price, now)
					case o.State == minapp.Written:
						require.Equal(t, want, now)
					case o.State == minapp.Unknown: // changed or not, but not twice
						require.Contains(t, []int64{price, want}, now)
					default:
						require.Equal(t, price, now, "%v", o)
					}
				}
			})
		})
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, minapp.ErrNotFound) {
		return nil
	}
	return err
}

// randomFaults disturbs some of the requests of one operation.
func randomFaults(s *minapptest.Server, random *rand.Rand, operation string) {
	faults := []minapptest.Fault{
		{Status: 503},
		{Status: 503, Processed: true},
		{Status: 429},
		{Status: 400},
		{Status: 500, Processed: true},
		{Status: 200, Body: `{"succeed":0`, Processed: true},
		{Status: 200, Body: `{"succeed":-1}`, Processed: true},
		{Status: 200, Body: `{"status":"ok","operation_id":9}`, Processed: true},
		{Drop: minapptest.DropBefore},
		{Drop: minapptest.DropAfter},
		{Drop: minapptest.CutBody},
	}
	for range random.IntN(10) {
		f := faults[random.IntN(len(faults))]
		f.Operation, f.Skip = operation, random.IntN(4)
		s.Fault(f)
	}
}

func pricesByID(s *minapptest.Server, table minapp.TableID) map[string]int64 {
	byID := map[string]int64{}
	for _, row := range s.Rows(int64(table)) {
		price, _ := row["price"].(json.Number).Int64()
		byID[row["id"].(string)] = price
	}
	return byID
}

func TestUpdateWhereEnds(t *testing.T) {
	why := errors.New("shutdown")
	ends := func(t *testing.T, batches iter.Seq2[*minapp.Batch, error]) (n int, errs []error) {
		t.Helper()
		for b, err := range batches {
			if b != nil {
				n++
				continue
			}
			errs = append(errs, err)
		}
		return n, errs
	}
	t.Run("with the context, between batches", func(t *testing.T) {
		s, table := emulated(t)
		seed(t, s, table.ID(), 30)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		stop := minapp.BatchOptions{Size: 10, OnBatch: func(*minapp.Batch) { cancel(why) }}
		n, errs := ends(t, table.UpdateWhere(ctx, where.Everything(), patch.Set("price", 1), stop))
		assert.Equal(t, 1, n)
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], why)
		assert.ErrorContains(t, errs[0], "bulk.update: at row 10")
	})
	t.Run("with the loop", func(t *testing.T) {
		s, table := emulated(t)
		seed(t, s, table.ID(), 30)
		for b, err := range table.UpdateWhere(t.Context(), where.Everything(), patch.Set("price", 1), minapp.BatchOptions{Size: 10}) {
			checkBatch(t, b, err)
			break
		}
		assert.Equal(t, 1, s.Count("bulk.update"))
	})
	t.Run("when the ids cannot be read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, table := emulated(t)
			s.Fault(minapptest.Fault{Operation: "records.list", Status: 503, Times: -1})
			n, errs := ends(t, table.UpdateWhere(t.Context(), where.Everything(), patch.Set("price", 1), minapp.BatchOptions{}))
			assert.Zero(t, n)
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], minapp.ErrUnavailable)
			require.NotErrorIs(t, errs[0], minapp.ErrOutcomeUnknown)
			assert.ErrorContains(t, errs[0], "reading the ids: records.list")
			assert.Zero(t, s.Count("bulk.update"))
		})
	})
	t.Run("when a row has no id", func(t *testing.T) {
		client, _ := mocked(t, httpmock.NewStringResponder(200, `{"meta":{"next":null},"objects":[{"id":"a"},{}]}`))
		n, errs := ends(t, client.Bulk.UpdateWhere(t.Context(), 1, where.Everything(), patch.Set("price", 1), minapp.BatchOptions{}))
		assert.Zero(t, n)
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], minapp.ErrProtocol)
	})
}

// Options that concern every request reach the reading of the ids, too.
func TestUpdateWhereUsesItsOptionsForReading(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 1)
	var last minapp.CallInfo
	updated(t, table.UpdateWhere(t.Context(), where.Everything(), patch.IncrBy("price", 1), minapp.BatchOptions{},
		minapp.CallHeader("X-Job", "7"), minapp.CallReplay(), minapp.CallTriggers(true), minapp.CallMeta(&last)))
	require.Len(t, s.Requests(), 2)
	for _, r := range s.Requests() {
		assert.Equal(t, "7", r.Header.Get("X-Job"), r.Operation)
	}
	assert.Equal(t, 200, last.Status)
}

func TestDeleteWhereDeletesEveryRowThatMatches(t *testing.T) {
	for n, requests := range map[int]int{0: 1, 1: 1, 999: 1, 1000: 2, 1001: 2, 2000: 3, 3500: 4} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s, table := emulated(t)
			seed(t, s, table.ID(), n+3)
			totals, err := table.DeleteWhere(t.Context(), where.Lt("price", n))
			require.NoError(t, err)
			assert.Equal(t, minapp.DeleteTotals{Deleted: int64(n), Requests: requests}, totals)
			assert.Len(t, s.Rows(int64(table.ID())), 3)
			counted := 0
			for _, r := range s.Requests() {
				assert.Contains(t, r.RawQuery, "limit=1000")
				assert.NotContains(t, r.RawQuery, "offset")
				if strings.Contains(r.RawQuery, "return_total_count") {
					counted++
				}
			}
			assert.LessOrEqual(t, counted, 3, "counting slows the answer")
		})
	}
}

func TestDeleteWhereOfTheWholeTable(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 5)
	_, err := table.DeleteWhere(t.Context(), where.Cond{})
	require.ErrorIs(t, err, minapp.ErrUnfiltered)
	require.ErrorIs(t, err, minapp.ErrInvalid)
	assert.Zero(t, s.Count(""))
	totals, err := table.DeleteWhere(t.Context(), where.Everything(), minapp.CallTriggers(false))
	require.NoError(t, err)
	assert.EqualValues(t, 5, totals.Deleted)
	assert.Equal(t, "enable_trigger=0&limit=1000&return_total_count=1", s.Requests()[0].RawQuery)
}

// deleting answers the requests of a delete one after another.
func deleting(t *testing.T, answers ...string) (minapp.DeleteTotals, error) {
	t.Helper()
	n := 0
	client, _ := mocked(t, func(*http.Request) (*http.Response, error) {
		require.Less(t, n, len(answers), "one request too many")
		n++
		return httpmock.NewStringResponse(200, answers[n-1]), nil
	})
	totals, err := client.Bulk.DeleteWhere(t.Context(), 1, where.Eq("a", 1))
	assert.Equal(t, len(answers), n, "requests")
	assert.Equal(t, n, totals.Requests)
	return totals, err
}

func TestDeleteWhereDoesNotLoopWhenNothingIsDeleted(t *testing.T) {
	totals, err := deleting(t, `{"succeed":0,"total_count":5,"next":null}`)
	require.ErrorIs(t, err, minapp.ErrProtocol)
	assert.ErrorContains(t, err, "5 rows match and none was deleted")
	assert.Zero(t, totals.Deleted)

	totals, err = deleting(t, `{"succeed":3,"total_count":5}`, `{"succeed":0,"total_count":2}`)
	require.ErrorIs(t, err, minapp.ErrProtocol)
	assert.ErrorContains(t, err, "2 rows match and none was deleted")
	assert.EqualValues(t, 3, totals.Deleted)
}

func TestDeleteWhereCountsAgainWhenOthersDeleteToo(t *testing.T) {
	totals, err := deleting(t,
		`{"succeed":1000,"total_count":9000}`, `{"succeed":1000}`, `{"succeed":0}`, `{"succeed":0,"total_count":0}`)
	require.NoError(t, err)
	assert.EqualValues(t, 2000, totals.Deleted)
}

// Whether total_count is taken before or after the rows are deleted, and
// whether next is right: no row is left.
func TestDeleteWhereDoesNotStopEarly(t *testing.T) {
	for name, answers := range map[string][]string{
		"counted afterwards": {`{"succeed":1000,"total_count":500}`, `{"succeed":500,"total_count":0}`},
		"next says more":     {`{"succeed":20,"total_count":20,"next":"/x"}`, `{"succeed":0,"total_count":0,"next":"/x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			totals, err := deleting(t, answers...)
			require.NoError(t, err)
			assert.Positive(t, totals.Deleted)
		})
	}
}

func TestDeleteWhereThatIsRefusedDeletesNothing(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 3)
	s.Fault(minapptest.Fault{Operation: "bulk.delete", Status: 403})
	totals, err := table.DeleteWhere(t.Context(), where.Lt("price", 2))
	require.ErrorIs(t, err, minapp.ErrForbidden)
	assert.Equal(t, minapp.DeleteTotals{Requests: 1}, totals)
	assert.Len(t, s.Rows(int64(table.ID())), 3)
}

func TestDeleteWhereBelievesNoStrangeAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"no count":             `{"succeed":1}`,
		"no number":            `{}`,
		"an operation":         `{"status":"ok","operation_id":3}`,
		"a number below zero":  `{"succeed":-1,"total_count":0}`,
		"an answer of a batch": `{"operation_result":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			totals, err := deleting(t, answer)
			require.ErrorIs(t, err, minapp.ErrProtocol)
			assert.True(t, totals.AtLeast || totals.Deleted == 1)
		})
	}
}

func TestDeleteWhereUnderRandomFaults(t *testing.T) {
	for run := range uint64(20) {
		t.Run(strconv.FormatUint(run, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(run, 3))
				s, table := emulated(t)
				n := 500 + random.IntN(3000)
				seed(t, s, table.ID(), n+10)
				randomFaults(s, random, "bulk.delete")
				totals, err := table.DeleteWhere(t.Context(), where.Lt("price", n))
				left := s.Rows(int64(table.ID()))
				gone := n + 10 - len(left)
				require.LessOrEqual(t, totals.Deleted, int64(gone))
				require.True(t, totals.AtLeast || totals.Deleted == int64(gone), "%+v, %d are gone", totals, gone)
				require.Equal(t, s.Count("bulk.delete"), totals.Requests)
				require.GreaterOrEqual(t, len(left), 10, "the others stay")
				if err == nil {
					require.Len(t, left, 10, "nothing is skipped")
				}
			})
		})
	}
}

func TestAllInReadsEachRowOnce(t *testing.T) {
	s, table := emulated(t)
	rows := make([]any, 100)
	for i := range rows {
		rows[i] = article{Name: name(i), Price: int64(i), Tags: []string{tag(i), tag(i + 1), tag(i + 500)}}
	}
	_, err := s.Seed(int64(table.ID()), rows...)
	require.NoError(t, err)
	tags := make([]string, 1000) // more than fit
	for i := range tags {
		tags[i] = tag(i)
	}
	all := minapp.AllIn(t.Context(), table, "tags", tags, minapp.Query{Where: where.Gte("price", 10), PageSize: 7})
	for range 2 { // each range starts anew
		s.ResetLog()
		got := prices(t, all)
		slices.Sort(got)
		require.Len(t, got, 90)
		assert.EqualValues(t, 10, got[0])
		assert.Len(t, slices.Compact(got), 90)
		wheres := map[string]bool{}
		for _, r := range s.Requests() {
			assert.LessOrEqual(t, len(s.URL()+r.Path+"?"+r.RawQuery), 16386)
			q, err := url.ParseQuery(r.RawQuery)
			require.NoError(t, err)
			wheres[q.Get("where")] = true
		}
		assert.Greater(t, len(wheres), 1)
	}
	assert.Len(t, prices(t, minapp.AllIn(t.Context(), table, "price", []int{3, 5, 3}, minapp.Query{Where: where.Everything()})), 2)
	s.ResetLog()
	assert.Empty(t, prices(t, minapp.AllIn(t.Context(), table, "price", []int{}, minapp.Query{})))
	assert.Zero(t, s.Count(""), "no values are no request")
	for _, err := range all {
		require.NoError(t, err)
		break
	}
	assert.LessOrEqual(t, s.Count(""), 2, "a page, and the one ahead")
}

// tag is long enough for a thousand to need several requests.
func tag(i int) string { return "标签 " + strconv.Itoa(i) }

func TestAllInEndsWithAnError(t *testing.T) {
	last := func(t *testing.T, records iter.Seq2[*minapp.Record[minapp.Fields], error]) error {
		t.Helper()
		var last error
		for r, err := range records {
			if r == nil {
				require.NoError(t, last)
				last = err
			}
		}
		return last
	}
	client, transport := mocked(t, httpmock.NewStringResponder(200, `{"meta":{"next":null},"objects":[{"id":"a"},{"b":1}]}`))
	rows := minapp.TableOf[minapp.Fields](client, 1)
	read := func(q minapp.Query, field string, values ...any) error {
		return last(t, minapp.AllIn(t.Context(), rows, field, values, q))
	}
	for name, tt := range map[string]struct {
		err  error
		is   error
		says string
	}{
		"order":              {read(minapp.Query{OrderBy: []string{"id"}}, "a", 1), minapp.ErrInvalid, "OrderBy"},
		"offset":             {read(minapp.Query{Offset: 1}, "a", 1), minapp.ErrInvalid, "Offset"},
		"max":                {read(minapp.Query{Max: 1}, "a", 1), minapp.ErrInvalid, "Max"},
		"page size":          {read(minapp.Query{PageSize: -1}, "a", 1), minapp.ErrInvalid, "PageSize"},
		"blank column":       {read(minapp.Query{}, " ", 1), minapp.ErrInvalid, "column name is empty"},
		"nil value":          {read(minapp.Query{}, "a", 1, nil), minapp.ErrInvalid, "value 1"},
		"list as a value":    {read(minapp.Query{}, "a", []int{1}), minapp.ErrInvalid, "spread it"},
		"condition mistaken": {read(minapp.Query{Where: where.Eq("", 1)}, "a", 1), minapp.ErrInvalid, "Where"},
		"value too long":     {read(minapp.Query{}, "a", 1, strings.Repeat("x", 17000)), minapp.ErrTooLong, "value 1"},
		"condition too long": {read(minapp.Query{Where: where.Eq("b", strings.Repeat("x", 17000))}, "a", 1), minapp.ErrTooLong, "room for"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, tt.err, tt.is)
			assert.ErrorContains(t, tt.err, tt.says)
		})
	}
	assert.Zero(t, transport.GetTotalCallCount())
	require.ErrorIs(t, read(minapp.Query{}, "a", 1), minapp.ErrProtocol, "a row without id cannot be told from others")
}

// Whatever the values: every request fits, no value is lost, none is asked for
// twice, and no request is made that its predecessor had room for.
func FuzzAllInCutsByTheLengthOfTheURL(f *testing.F) {
	f.Add("a", "标签", uint16(3000), "name")
	f.Add(`"`, "&<", uint16(500), "列")
	f.Add("5a2fa9b008443e59e0e67829", "", uint16(1000), "id")
	f.Fuzz(func(t *testing.T, a, b string, n uint16, field string) {
		values := make([]string, int(n)%4000)
		for i := range values {
			values[i] = a + strconv.Itoa(i) + strings.Repeat(b, i%5)
		}
		if where.In(field, slices.Concat(values, []string{a, b})...).Err() != nil || len(a)+5*len(b) > 2000 {
			t.Skip()
		}
		var asked []string
		var urls []string
		client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
			var cond map[string]map[string][]string
			assert.NoError(t, json.Unmarshal([]byte(r.URL.Query().Get("where")), &cond))
			part := cond[field]["$in"]
			if len(asked) > 0 {
				previous := urls[len(urls)-1] + "&offset=" + strconv.Itoa(math.MaxInt) + url.QueryEscape(`,`+string(mustJSON(part[0])))
				assert.Greater(t, len(previous), 16386-16, "there was room for more")
			}
			asked, urls = append(asked, part...), append(urls, r.URL.String())
			assert.LessOrEqual(t, len(r.URL.String()), 16386)
			return httpmock.NewStringResponse(200, `{"meta":{"next":null},"objects":[]}`), nil
		})
		for _, err := range minapp.AllIn(t.Context(), minapp.TableOf[minapp.Fields](client, 1), field, values, minapp.Query{}) {
			require.NoError(t, err)
		}
		assert.Equal(t, values, append([]string{}, asked...))
	})
}

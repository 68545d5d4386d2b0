package minapp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

func articles(n int) []article {
	list := make([]article, n)
	for i := range list {
		list[i] = article{Name: name(i), Price: int64(i)}
	}
	return list
}

func input(n int) iter.Seq2[article, error] { return minapp.Items(slices.Values(articles(n))) }

// checkBatch is what must be true of every batch, whatever happened.
func checkBatch(t *testing.T, b *minapp.Batch, err error) {
	t.Helper()
	totals := b.Totals
	require.Equal(t, totals.Read, totals.Written+totals.Rejected+totals.NotSent+totals.Unknown, "totals add up")
	written := 0
	for i, o := range b.Outcomes() {
		require.Equal(t, b.First+i, o.Index, "positions are those of the input")
		require.Equal(t, o.State == minapp.Written, o.Err == nil, "a cause for every row that is not written")
		if o.State == minapp.Written {
			written++
		}
	}
	require.Len(t, b.Failed(), b.Len()-written)
	require.Equal(t, written == b.Len(), err == nil, "an error whenever a row was not written")
	require.Equal(t, b.First+b.Len(), b.Next())
}

func TestCreateManyWritesEveryRow(t *testing.T) {
	s, table := emulated(t)
	batch, err := table.CreateMany(t.Context(), articles(1000))
	require.NoError(t, err)
	checkBatch(t, batch, err)
	rows := s.Rows(int64(table.ID()))
	require.Len(t, rows, 1000)
	for i, o := range batch.Outcomes() {
		require.Equal(t, rows[i]["id"], o.ID)
		require.Equal(t, rows[i]["name"], name(i))
		require.NotZero(t, o.CreatedAt)
	}
	assert.Equal(t, minapp.Totals{Read: 1000, Written: 1000}, batch.Totals)
	assert.Equal(t, 1, s.Count("bulk.create"))
}

func TestNoRowsAreNoRequest(t *testing.T) {
	s, table := emulated(t)
	batch, err := table.CreateMany(t.Context(), nil)
	require.NoError(t, err)
	assert.Zero(t, batch.Len())
	for b, err := range table.CreateAll(t.Context(), input(0), minapp.BatchOptions{}) {
		t.Error("no batch", b, err)
	}
	assert.Zero(t, s.Count(""))
}

func TestDuplicatesAreRejectedOneByOne(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 2)
	batch, err := table.CreateMany(t.Context(), articles(4))
	checkBatch(t, batch, err)
	require.ErrorIs(t, err, minapp.ErrDuplicate)
	require.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
	bulk, ok := errors.AsType[*minapp.BulkError](err)
	require.True(t, ok)
	assert.Same(t, batch, bulk.Batch)
	assert.ErrorContains(t, err, "bulk.create, rows 0 to 3: 2 of 4 rows not written (2 rejected, 0 not sent, 0 unknown); first, row 0: bulk.create: code 11000")
	var states []minapp.State
	for _, o := range batch.Outcomes() {
		states = append(states, o.State)
	}
	assert.Equal(t, []minapp.State{minapp.Rejected, minapp.Rejected, minapp.Written, minapp.Written}, states)
	assert.Len(t, s.Rows(int64(table.ID())), 4)
}

// What became of the rows when the whole request failed.
func TestStateOfAFailedRequest(t *testing.T) {
	tests := map[string]struct {
		fault    minapptest.Fault
		state    minapp.State
		is       error
		requests int
		rows     int // in the table afterwards
	}{
		"refused":                     {minapptest.Fault{Status: 400, Body: `{"error_msg":"no"}`, Times: -1}, minapp.Rejected, minapp.ErrInvalid, 1, 0},
		"unauthorized":                {minapptest.Fault{Status: 401, Times: -1}, minapp.Rejected, minapp.ErrUnauthorized, 1, 0},
		"throttled to the end":        {minapptest.Fault{Status: 429, Times: -1}, minapp.Rejected, minapp.ErrRateLimited, 4, 0},
		"unavailable, not processed":  {minapptest.Fault{Status: 503, Times: -1}, minapp.Unknown, minapp.ErrOutcomeUnknown, 1, 0},
		"unavailable, but processed":  {minapptest.Fault{Status: 503, Processed: true, Times: -1}, minapp.Unknown, minapp.ErrOutcomeUnknown, 1, 3},
		"dropped after processing":    {minapptest.Fault{Drop: minapptest.DropAfter, Times: -1}, minapp.Unknown, minapp.ErrOutcomeUnknown, 1, 3},
		"dropped before processing":   {minapptest.Fault{Drop: minapptest.DropBefore, Times: -1}, minapp.Unknown, minapp.ErrOutcomeUnknown, 1, 0},
		"answer cut":                  {minapptest.Fault{Drop: minapptest.CutBody, Times: -1}, minapp.Unknown, minapp.ErrOutcomeUnknown, 1, 3},
		"answer from somewhere else":  {minapptest.Fault{Status: 200, Body: `<html>`, Processed: true, Times: -1}, minapp.Unknown, minapp.ErrProtocol, 1, 3},
		"answer of another operation": {minapptest.Fault{Status: 201, Body: `{"id":"a"}`, Processed: true, Times: -1}, minapp.Unknown, minapp.ErrProtocol, 1, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, table := emulated(t)
				tt.fault.Operation = "bulk.create"
				s.Fault(tt.fault)
				batch, err := table.CreateMany(t.Context(), articles(3))
				checkBatch(t, batch, err)
				require.ErrorIs(t, err, tt.is)
				whole, ok := errors.AsType[*minapp.BulkError](err)
				require.True(t, ok)
				assert.Len(t, whole.Unwrap(), 1, "the rows share one cause, which is told once")
				for _, o := range batch.Outcomes() {
					assert.Equal(t, tt.state, o.State)
				}
				assert.Equal(t, tt.requests, s.Count("bulk.create"))
				assert.Len(t, s.Rows(int64(table.ID())), tt.rows)
			})
		})
	}
}

func TestConnectionRefusedIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		s.RefuseDials(4)
		batch, err := table.CreateMany(t.Context(), articles(3))
		checkBatch(t, batch, err)
		assert.EqualValues(t, 3, batch.Totals.NotSent)
		require.ErrorIs(t, err, minapp.ErrUnavailable)
		s.RefuseDials(3) // and one attempt fewer is enough to succeed
		_, err = table.CreateMany(t.Context(), articles(3))
		require.NoError(t, err)
		assert.Len(t, s.Rows(int64(table.ID())), 3)
	})
}

func TestReplayUnderAUniqueIndexLeavesOneRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.DropAfter})
		batch, err := table.CreateMany(t.Context(), articles(2), minapp.CallReplay())
		checkBatch(t, batch, err)
		require.ErrorIs(t, err, minapp.ErrDuplicate, "the second request met the rows of the first")
		assert.Len(t, s.Rows(int64(table.ID())), 2)
	})
}

// A list of results of the wrong length, or one that contradicts itself, says
// nothing about the rows: they are correlated by position only. An item that
// says nothing or two things says nothing about its row.
func TestResultsThatDoNotAddUp(t *testing.T) {
	const success, failure = `{"success":{"id":"a","created_at":"1554785604"}}`, `{"error":{"err_msg":"no","code":"11000"}}`
	tests := map[string]struct {
		results string
		succeed int
		want    []minapp.State
	}{
		"in order":             {success + `,` + failure, 1, []minapp.State{minapp.Written, minapp.Rejected}},
		"too few":              {success, 1, []minapp.State{minapp.Unknown, minapp.Unknown}},
		"too many":             {success + `,` + success + `,` + success, 1, []minapp.State{minapp.Unknown, minapp.Unknown}},
		"none":                 {``, 1, []minapp.State{minapp.Unknown, minapp.Unknown}},
		"one says nothing":     {`{},` + success, 1, []minapp.State{minapp.Unknown, minapp.Written}},
		"one says both":        {`{"success":{"id":"a"},"error":{"err_msg":"no"}},` + failure, 0, []minapp.State{minapp.Unknown, minapp.Rejected}},
		"illegible moment":     {`{"success":{"id":"b","created_at":{}}},` + success, 2, []minapp.State{minapp.Written, minapp.Written}},
		"item is no object":    {`7,` + success, 1, []minapp.State{minapp.Unknown, minapp.Unknown}},
		"fewer than counted":   {success + `,` + failure, 2, []minapp.State{minapp.Unknown, minapp.Unknown}},
		"more than counted":    {`{"success":{"id":"b"}},` + success, 1, []minapp.State{minapp.Unknown, minapp.Unknown}},
		"one row twice":        {success + `,` + success + `,` + failure, 2, []minapp.State{minapp.Unknown, minapp.Unknown, minapp.Unknown}},
		"twice, after another": {failure + `,` + success + `,` + success, 2, []minapp.State{minapp.Unknown, minapp.Unknown, minapp.Unknown}},
		"all written anyway":   {success + `,` + success, 2, []minapp.State{minapp.Written, minapp.Written}},
		"success is doubled":   {`{"success":{"id":"a"},"success":null},` + success, 1, []minapp.State{minapp.Unknown, minapp.Written}},
		"the list is doubled":  {success + `,` + success + `],"operation_result":[{},` + success, 1, []minapp.State{minapp.Unknown, minapp.Written}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := fmt.Sprintf(`{"operation_result":[%s],"total_count":2,"succeed":%d}`, tt.results, tt.succeed)
			client, _ := mocked(t, httpmock.NewStringResponder(201, answer))
			batch, err := client.Bulk.CreateMany(t.Context(), 1, slices.Repeat([]minapp.Fields{{"a": 1}}, len(tt.want)))
			checkBatch(t, batch, err)
			for i, o := range batch.Outcomes() {
				assert.Equal(t, tt.want[i], o.State, "row %d", i)
				assert.Equal(t, o.State == minapp.Unknown, errors.Is(o.Err, minapp.ErrOutcomeUnknown))
			}
		})
	}
}

// The usual answer, every row a success, is not decoded row by row until
// somebody asks; one that is spelled otherwise means the same and costs more.
func TestTheUsualAnswerOfACreateIsNotDecoded(t *testing.T) {
	const rows = 500
	values := slices.Repeat([]minapp.Fields{{"a": 1}}, rows)
	allocations := func(answer, item string) float64 {
		answer = fmt.Sprintf(answer, strings.Repeat(item+",", rows-1)+item)
		client, _ := mocked(t, httpmock.NewStringResponder(201, answer))
		return testing.AllocsPerRun(3, func() {
			batch, err := client.Bulk.CreateMany(t.Context(), 1, values)
			require.NoError(t, err)
			require.Equal(t, int64(rows), batch.Totals.Written)
		})
	}
	const item = `{"success":{"id":"a","created_at":1554785604}}`
	decoded := allocations(`{"operation_result":[%s],"succeed":500}`, " "+strings.Replace(item, ":{", ": {", 1))
	for _, answer := range []string{`{"operation_result":[%s],"succeed":500}`, `{"operation_result":[%s]}`} {
		assert.Less(t, allocations(answer, item), decoded-rows, answer)
	}
}

func TestCreateAllWritesAnInputOfAnyLength(t *testing.T) {
	for _, n := range []int{1, 9, 10, 11, 35} {
		s, table := emulated(t)
		var seen []int
		next := 0
		options := minapp.BatchOptions{Size: 10, OnBatch: func(b *minapp.Batch) { seen = append(seen, b.First) }}
		for b, err := range table.CreateAll(t.Context(), input(n), options) {
			require.NoError(t, err)
			checkBatch(t, b, err)
			require.Equal(t, next, b.First)
			require.Equal(t, b.First, seen[len(seen)-1], "OnBatch sees the batch before the loop does")
			next = b.Next()
		}
		assert.Equal(t, n, next)
		assert.Len(t, s.Rows(int64(table.ID())), n)
		assert.Equal(t, (n+9)/10, s.Count("bulk.create"))
	}
}

func TestRowThatCannotBeEncodedIsNotSentAndTheOthersAre(t *testing.T) {
	s, typed := emulated(t)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	rows := []any{article{Name: "a"}, make(chan int), []int{1}, article{Name: "b"}}
	for b, err := range minapp.TableOf[any](client, typed.ID()).CreateAll(t.Context(), minapp.Items(slices.Values(rows)), minapp.BatchOptions{}) {
		checkBatch(t, b, err)
		require.ErrorIs(t, err, minapp.ErrInvalid)
		assert.Equal(t, minapp.Totals{Read: 4, Written: 2, NotSent: 2}, b.Totals)
		assert.ErrorContains(t, b.Failed()[0].Err, "row 1: json: unsupported type")
		assert.ErrorContains(t, b.Failed()[1].Err, "row 2: the row encodes as [1]")
		assert.NotEmpty(t, b.Outcomes()[3].ID)
	}
	assert.Len(t, s.Rows(int64(typed.ID())), 2)
}

func TestCreateManyIsAllOrNothingForRowsThatCannotBeEncoded(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(201, `{}`))
	batch, err := minapp.TableOf[any](client, 1).CreateMany(t.Context(), []any{article{}, func() {}})
	checkBatch(t, batch, err)
	assert.EqualValues(t, 2, batch.Totals.NotSent)
	assert.ErrorContains(t, err, "row 1: json: unsupported type")
	assert.Zero(t, transport.GetTotalCallCount())
}

func TestErrorOfTheInputEndsTheRunAfterWhatWasRead(t *testing.T) {
	s, table := emulated(t)
	why := errors.New("bad line")
	failing := func(yield func(article, error) bool) {
		for i, p := range articles(15) {
			if !yield(p, nil) {
				return
			}
			if i == 14 {
				yield(article{}, why)
			}
		}
	}
	var last error
	batches := 0
	for b, err := range table.CreateAll(t.Context(), failing, minapp.BatchOptions{Size: 10}) {
		if last = err; b != nil {
			batches++
			checkBatch(t, b, err)
		}
	}
	assert.Equal(t, 2, batches)
	require.ErrorIs(t, last, why)
	assert.ErrorContains(t, last, "input at row 15")
	assert.Len(t, s.Rows(int64(table.ID())), 15)
}

func TestBreakReadsNoFurtherInputAndFirstResumes(t *testing.T) {
	s, table := emulated(t)
	read := 0
	counted := func(yield func(article, error) bool) {
		for _, p := range articles(35) {
			if read++; !yield(p, nil) {
				return
			}
		}
	}
	next := 0
	for b, err := range table.CreateAll(t.Context(), counted, minapp.BatchOptions{Size: 10}) {
		require.NoError(t, err)
		next = b.Next()
		break
	}
	assert.Equal(t, 10, read)
	assert.Len(t, s.Rows(int64(table.ID())), 10)

	var totals minapp.Totals
	for b, err := range table.CreateAll(t.Context(), counted, minapp.BatchOptions{Size: 10, First: next}) {
		require.NoError(t, err, "no row is sent twice: the index would refuse it")
		checkBatch(t, b, err)
		totals, next = b.Totals, b.Next()
	}
	assert.Equal(t, 35, next)
	assert.Equal(t, minapp.Totals{Read: 25, Written: 25}, totals)
	assert.Len(t, s.Rows(int64(table.ID())), 35)
}

func TestCancelledRunYieldsItsCauseOnce(t *testing.T) {
	why := errors.New("shutdown")
	t.Run("between batches", func(t *testing.T) {
		_, table := emulated(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var ends []error
		for b, err := range table.CreateAll(ctx, input(35), minapp.BatchOptions{Size: 10}) {
			if b == nil {
				ends = append(ends, err)
				continue
			}
			cancel(why)
		}
		require.Len(t, ends, 1)
		require.ErrorIs(t, ends[0], why)
		assert.ErrorContains(t, ends[0], "input at row 10")
	})
	t.Run("in flight", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, table := emulated(t)
			s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.NoDrop, AnswerDelay: 1 << 40})
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				synctest.Wait()
				cancel(why)
			}()
			var errs []error
			for b, err := range table.CreateAll(ctx, input(35), minapp.BatchOptions{Size: 10}) {
				require.NotNil(t, b)
				checkBatch(t, b, err)
				assert.EqualValues(t, 10, b.Totals.Unknown, "the rows left, and no answer came")
				errs = append(errs, err)
			}
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], why)
		})
	})
	disk := errors.New("disk")
	for name, ends := range map[string][]error{"and the input has an error of its own": {disk}, "while the input is read": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, table := emulated(t)
				s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.NoDrop, AnswerDelay: 1 << 40})
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				failing := func(yield func(article, error) bool) {
					for _, a := range articles(15) {
						if !yield(a, nil) {
							return
						}
					}
					synctest.Wait() // the first batch is on its way
					if ends == nil {
						cancel(why)
						yield(article{}, nil)
						return
					}
					time.AfterFunc(time.Second, func() { cancel(why) })
					yield(article{}, disk)
				}
				told := false
				var last []error
				for b, err := range table.CreateAll(ctx, failing, minapp.BatchOptions{Size: 10, Parallel: 2}) {
					if b == nil {
						last = append(last, err)
						continue
					}
					told = told || errors.Is(err, why)
				}
				require.True(t, told, "a batch tells")
				require.Len(t, last, len(ends))
				for i, end := range ends {
					require.ErrorIs(t, last[i], end)
				}
			})
		})
	}
}

func TestBatchOptionsAreChecked(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(201, `{}`))
	for _, o := range []minapp.BatchOptions{{Size: -1}, {Size: 1001}, {First: -1}, {Parallel: -1}} {
		for b, err := range client.Bulk.CreateAll(t.Context(), 1, nil, o) {
			assert.Nil(t, b)
			require.ErrorIs(t, err, minapp.ErrInvalid)
		}
	}
	for _, err := range client.Bulk.CreateAll(t.Context(), 1, nil, minapp.BatchOptions{}) {
		require.ErrorContains(t, err, "input is nil")
	}
	none := func(func(minapp.Fields, error) bool) {}
	for _, err := range client.Bulk.CreateAll(t.Context(), 1, none, minapp.BatchOptions{}, minapp.CallKeys("a")) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
	}
	assert.Zero(t, transport.GetTotalCallCount())
}

// Whatever happens to the requests: every row ends in exactly one state, and
// the table holds every row reported as written, none reported as rejected or
// not sent, and nothing twice.
func TestOutcomesAgreeWithTheTableUnderRandomFaults(t *testing.T) {
	faults := []minapptest.Fault{
		{Status: 503},
		{Status: 503, Processed: true},
		{Status: 429},
		{Status: 400},
		{Status: 500, Processed: true},
		{Status: 200, Body: `{"operation_result":[`, Processed: true},
		{Status: 200, Body: ``, Processed: true},
		{Drop: minapptest.DropBefore},
		{Drop: minapptest.DropAfter},
		{Drop: minapptest.CutBody},
	}
	for run := range uint64(40) {
		t.Run(strconv.FormatUint(run, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(run, 1))
				s, table := emulated(t)
				seed(t, s, table.ID(), 5) // duplicates of the first rows
				for range random.IntN(12) {
					f := faults[random.IntN(len(faults))]
					f.Operation, f.Skip = "bulk.create", random.IntN(4)
					s.Fault(f)
				}
				states := make(map[string]minapp.State)
				for b, err := range table.CreateAll(t.Context(), input(97), minapp.BatchOptions{Size: 1 + random.IntN(20), Parallel: random.IntN(5)}) {
					checkBatch(t, b, err)
					for _, o := range b.Outcomes() {
						require.NotContains(t, states, name(o.Index))
						states[name(o.Index)] = o.State
					}
				}
				require.Len(t, states, 97)
				there := make(map[string]int)
				for _, row := range s.Rows(int64(table.ID())) {
					there[row["name"].(string)]++
				}
				for i := range 97 {
					n, seeded := there[name(i)], i < 5
					require.LessOrEqual(t, n, 1, "row %d is there twice", i)
					switch states[name(i)] {
					case minapp.Written:
						require.Equal(t, 1, n, "row %d is reported as written", i)
					case minapp.Rejected, minapp.NotSent:
						require.Equal(t, seeded, n == 1, "row %d is reported as %s", i, states[name(i)])
					case minapp.Unknown: // there or not, but not twice
					}
				}
			})
		})
	}
}

func TestLargeBodyHasItsLength(t *testing.T) {
	var length int64
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		length = r.ContentLength
		return httpmock.NewStringResponse(201, `{"operation_result":[{"success":{"id":"a"}}]}`), nil
	})
	_, err := client.Bulk.CreateMany(t.Context(), 1, []minapp.Fields{{"text": strings.Repeat("x", 1<<20)}})
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20+len(`[{"text":""}]`), length)
}

// Several requests at a time: outcomes come in the order of the input, as many
// requests as allowed are under way, and no more.
func TestParallelBatchesComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		for i := range 10 { // later batches are answered earlier
			s.Fault(minapptest.Fault{Operation: "bulk.create", AnswerDelay: time.Duration(20-i) * time.Second})
		}
		start, next := time.Now(), 0
		for b, err := range table.CreateAll(t.Context(), input(100), minapp.BatchOptions{Size: 10, Parallel: 5}) {
			require.NoError(t, err)
			checkBatch(t, b, err)
			require.Equal(t, next, b.First)
			require.EqualValues(t, b.Next(), b.Totals.Read)
			next = b.Next()
		}
		assert.Equal(t, 100, next)
		assert.Len(t, s.Rows(int64(table.ID())), 100)
		assert.Less(t, time.Since(start), 60*time.Second, "one after another they would take 155 s")
	})
}

// Memory holds encoded rows of at most one batch more than are on their way:
// while no answer comes, no more of the input is taken.
func TestNoMoreIsReadThanMayBeHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10
		for _, parallel := range []int{1, 3} {
			s, table := emulated(t)
			s.Fault(minapptest.Fault{Operation: "bulk.create", AnswerDelay: time.Second, Times: 10})
			read := 0
			counted := func(yield func(article, error) bool) {
				for _, a := range articles(10 * size) {
					if read++; !yield(a, nil) {
						return
					}
				}
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for b, err := range table.CreateAll(t.Context(), counted, minapp.BatchOptions{Size: size, Parallel: parallel}) {
					assert.NoError(t, err)
					checkBatch(t, b, err)
				}
			}()
			synctest.Wait() // for the first answer
			assert.GreaterOrEqual(t, read, parallel*size)
			assert.LessOrEqual(t, read, (parallel+1)*size)
			<-ended
			assert.Equal(t, 10*size, read)
		}
	})
}

// Whatever is back is delivered before more of the input is read.
func TestBatchesAreDeliveredAsSoonAsTheyAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, table := emulated(t)
		delivered := 0
		waiting := func(yield func(article, error) bool) {
			for i, a := range articles(60) {
				switch i {
				case 30:
					synctest.Wait() // three batches are back
				case 40:
					assert.GreaterOrEqual(t, delivered, 3)
				}
				if !yield(a, nil) {
					return
				}
			}
		}
		for _, err := range table.CreateAll(t.Context(), waiting, minapp.BatchOptions{Size: 10, Parallel: 4}) {
			require.NoError(t, err)
			delivered++
		}
		assert.Equal(t, 6, delivered)
	})
}

// What is on its way when the loop is left is waited for and reported, and the
// next run goes on behind it.
func TestLeavingTheLoopReportsWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		s.Fault(minapptest.Fault{Operation: "bulk.create", AnswerDelay: time.Second, Times: -1})
		read, next := 0, 0
		counted := func(yield func(article, error) bool) {
			for _, a := range articles(200) {
				if read++; !yield(a, nil) {
					return
				}
			}
		}
		options := minapp.BatchOptions{Size: 10, Parallel: 4, OnBatch: func(b *minapp.Batch) {
			checkBatch(t, b, b.Err())
			assert.Equal(t, next, b.First)
			next = b.Next()
		}}
		for _, err := range table.CreateAll(t.Context(), counted, options) {
			require.NoError(t, err)
			break
		}
		assert.Equal(t, 40, read)
		assert.Equal(t, 40, next, "all four batches were reported")
		assert.Len(t, s.Rows(int64(table.ID())), 40)
		options.First = next
		for _, err := range table.CreateAll(t.Context(), counted, options) {
			require.NoError(t, err, "nothing is sent twice: the index would refuse it")
		}
		assert.Len(t, s.Rows(int64(table.ID())), 200)
	})
}

// A run that is cancelled tells so once, whatever else is wrong with the rows.
func TestCancelledRunTellsItsCauseBesideRejectedRows(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 1) // row 0 is a duplicate
	why := errors.New("shutdown")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	told := 0
	for b, err := range table.CreateAll(ctx, input(35), minapp.BatchOptions{Size: 10}) {
		if errors.Is(err, why) {
			told++
			continue
		}
		require.NotNil(t, b)
		require.ErrorIs(t, err, minapp.ErrDuplicate)
		cancel(why)
	}
	assert.Equal(t, 1, told)
}

// Large rows end a batch before its number of rows does.
func TestBatchesAreCutByBytes(t *testing.T) {
	var bodies []int64
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		bodies = append(bodies, r.ContentLength)
		body, err := io.ReadAll(r.Body)
		n := strings.Count(string(body), `"text"`)
		return httpmock.NewStringResponse(201, `{"operation_result":[`+strings.TrimSuffix(strings.Repeat(`{"success":{"id":"a","created_at":1}},`, n), ",")+`]}`), err
	})
	row := minapp.Fields{"text": strings.Repeat("x", 3<<20)}
	rows := 0
	for b, err := range client.Bulk.CreateAll(t.Context(), 1, minapp.Items(slices.Values([]minapp.Fields{row, row, row, row})), minapp.BatchOptions{}) {
		require.NoError(t, err)
		checkBatch(t, b, err)
		rows += b.Len()
	}
	assert.Equal(t, 4, rows)
	assert.Len(t, bodies, 2)
}

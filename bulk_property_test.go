package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

var errShutdown = errors.New("shutdown")

// moments are where a run can be cancelled: when a request begins, when its
// answer begins, at a byte of an answer, while waiting for the pace, at a row of
// the input, between two batches, or at any time, such as between two attempts.
var moments = []string{"", "request", "answer", "byte", "pace", "row", "batch", "time"}

// trouble sits between a client and the emulator: it edits the answers to bulk
// calls, and cancels at a chosen moment.
type trouble struct {
	next http.RoundTripper

	mu     sync.Mutex
	random *rand.Rand
	moment string
	left   int // moments of this kind until then
	cancel context.CancelCauseFunc
	edits  int
}

// arm chooses the moment at which the context ends, or none.
func (tr *trouble) arm(parent context.Context, moment string) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.moment, tr.cancel = moment, cancel
	tr.left = 1 + tr.random.IntN(map[string]int{"byte": 2000, "row": 50}[moment]+6)
	if moment == "time" {
		time.AfterFunc(time.Duration(tr.random.Int64N(int64(10*time.Second))), func() { cancel(errShutdown) })
	}
	return ctx, cancel
}

// reach notes that a moment has come.
func (tr *trouble) reach(moment string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.moment != moment {
		return
	}
	if tr.left--; tr.left == 0 {
		tr.cancel(errShutdown)
	}
}

// Wait is a pace.
func (tr *trouble) Wait(ctx context.Context) error {
	tr.reach("pace")
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(10 * time.Millisecond): // in a bubble: no time passes
		return nil
	}
}

func (tr *trouble) RoundTrip(r *http.Request) (*http.Response, error) {
	tr.reach("request")
	resp, err := tr.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	tr.reach("answer")
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil && r.Method != http.MethodGet && resp.StatusCode < 300 {
		body = tr.edit(body)
	}
	resp.ContentLength = -1
	resp.Body = io.NopCloser(io.MultiReader(&dripping{body, tr}, failingReader{err}))
	return resp, nil
}

// dripping gives one byte after the other.
type dripping struct {
	body []byte
	tr   *trouble
}

func (d *dripping) Read(p []byte) (int, error) {
	if len(d.body) == 0 {
		return 0, io.EOF
	}
	d.tr.reach("byte")
	n := copy(p[:1], d.body)
	d.body = d.body[n:]
	return n, nil
}

// edit spoils one answer of three. What comes out may be anything but a lie: an
// answer in good order that says something else, such as one row's error at
// another row's place, is believed.
func (tr *trouble) edit(body []byte) []byte {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.random.IntN(3) > 0 {
		return body
	}
	tr.edits++
	switch tr.random.IntN(4) {
	case 0:
		return body[:tr.random.IntN(len(body))]
	case 1:
		return []byte(pick(tr.random, ``, `null`, `[]`, `{}`, `<html>502</html>`, `{"id":"5a2f"}`,
			`{"operation_result":{}}`, `{"operation_result":null}`, `{"operation_result":"x"}`, `{"status":"ok","operation_id":9}`))
	}
	var members map[string]json.RawMessage
	var results []json.RawMessage
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["operation_result"], &results) != nil || len(results) == 0 {
		return body
	}
	at := tr.random.IntN(len(results))
	switch tr.random.IntN(6) {
	case 0:
		results = slices.Insert(results, at, results[at])
	case 1:
		results = slices.Delete(results, at, at+1)
	case 2:
		results = swapOne(tr.random, results)
	case 3:
		results = results[:0]
	case 4:
		results[at] = json.RawMessage(pick(tr.random, `{}`, `null`, `7`, `"x"`, `[]`, `{"success":null}`, `{"error":null}`, `{"success":{"id":"z"},"error":{}}`))
	case 5:
		var succeed int
		_ = json.Unmarshal(members["succeed"], &succeed)
		members["succeed"] = mustJSON(succeed + pick(tr.random, -2, -1, 1, 2))
	}
	members["operation_result"] = mustJSON(results)
	return mustJSON(members)
}

// swapOne puts a success in the place of another one, so that the length stays
// and results move to the rows beside theirs. Where all are successes nothing
// moves but ids.
func swapOne(random *rand.Rand, results []json.RawMessage) []json.RawMessage {
	var successes []int
	for i, r := range results {
		if strings.HasPrefix(string(r), `{"success"`) {
			successes = append(successes, i)
		}
	}
	if len(successes) < 2 || len(successes) == len(results) {
		return results
	}
	random.Shuffle(len(successes), func(i, j int) { successes[i], successes[j] = successes[j], successes[i] })
	doubled, lost := successes[0], successes[1]
	out := slices.Insert(slices.Clone(results), doubled, results[doubled])
	if lost > doubled {
		lost++
	}
	return slices.Delete(out, lost, lost+1)
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// troubled is an emulator with a table, and a client with trouble in between.
type troubled struct {
	*minapptest.Server
	*trouble
	client *minapp.Client
	table  minapp.TableID
}

func inTrouble(t *testing.T, random *rand.Rand, indexes ...[]string) *troubled {
	t.Helper()
	s := minapptest.NewServer(t)
	id, err := s.CreateTable(minapptest.Table{Name: "product", Schema: articleSchema, Indexes: indexes})
	require.NoError(t, err)
	inner := rand.New(rand.NewPCG(random.Uint64(), 0))
	w := &troubled{Server: s, trouble: &trouble{next: s.Client().Transport, random: inner}, table: minapp.TableID(id)}
	w.client, err = minapp.NewClient(append(s.Options(),
		minapp.WithHTTPClient(&http.Client{Transport: w.trouble, Timeout: patience}), minapp.WithLimiter(w.trouble))...)
	require.NoError(t, err)
	t.Cleanup(w.client.CloseIdleConnections)
	for range random.IntN(10) {
		f := pick(random,
			minapptest.Fault{Status: 400}, minapptest.Fault{Status: 429}, minapptest.Fault{Status: 429, Header: http.Header{"Retry-After": {"2"}}},
			minapptest.Fault{Status: 503}, minapptest.Fault{Status: 500, Processed: true},
			minapptest.Fault{Drop: minapptest.DropBefore}, minapptest.Fault{Drop: minapptest.DropAfter}, minapptest.Fault{Drop: minapptest.CutBody},
			minapptest.Fault{Delay: time.Minute}, minapptest.Fault{AnswerDelay: time.Minute}, minapptest.Fault{AnswerDelay: time.Second})
		f.Skip = random.IntN(6)
		s.Fault(f)
	}
	if random.IntN(4) == 0 {
		s.RefuseDials(random.IntN(6))
	}
	return w
}

// bulkTally is what the worlds have seen.
type bulkTally struct {
	minapp.Totals

	worlds, edits int
	cancelled     map[string]int
}

func (n *bulkTally) String() string {
	return fmt.Sprintf("%d worlds, %d answers edited, cancelled %v: %+v", n.worlds, n.edits, n.cancelled, n.Totals)
}

// worlds runs a test many times, one request at a time and several.
func worlds(t *testing.T, seeds uint64, each func(t *testing.T, random *rand.Rand, parallel int, sum *bulkTally)) {
	t.Helper()
	sum := &bulkTally{cancelled: map[string]int{}}
	for seed := range seeds {
		for parallel := range 2 {
			t.Run(fmt.Sprintf("seed %d parallel %t", seed, parallel > 0), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, uint64(parallel)))
					each(t, random, parallel*(2+random.IntN(4)), sum)
					sum.worlds++
				})
			})
		}
	}
	t.Log(sum)
}

// An input in bad company: whatever the network, the answers and the caller do,
// every row of the input ends in exactly one state, also across runs that were
// cancelled or left and resumed, and the table agrees.
func TestEveryRowOfAnInputEndsInOneState(t *testing.T) {
	var seen bulkTally
	worlds(t, 150, func(t *testing.T, random *rand.Rand, parallel int, sum *bulkTally) {
		t.Helper()
		var indexes [][]string
		if random.IntN(2) == 0 {
			indexes = [][]string{{"price"}} // rows meet those that are there; without it nothing hides a row that is written twice
		}
		w := inTrouble(t, random, indexes...)
		rows := make([]any, 1+random.IntN(90))
		for i := range rows {
			rows[i] = article{Name: name(i), Price: int64(i)}
			if random.IntN(15) == 0 {
				rows[i] = func() {} // cannot be encoded
			} else if random.IntN(8) == 0 {
				_, err := w.Seed(int64(w.table), article{Name: "seeded", Price: int64(i)})
				require.NoError(t, err)
			}
		}
		outcomes := make([]*minapp.Outcome, len(rows))
		options := minapp.BatchOptions{Size: 1 + random.IntN(20), Parallel: parallel}
		for runs := 0; options.First < len(rows); runs++ {
			require.Less(t, runs, 6, "a run that nobody ends goes to the end")
			moment, leave := "", 0
			if runs < 5 {
				moment, leave = pick(random, moments...), pick(random, 0, 0, 1+random.IntN(5))
			}
			first := options.First
			run := w.createAll(t, rows, options, moment, leave, outcomes)
			options.First = run.next
			require.EqualValues(t, run.next-first, run.totals.Read)
			add(&sum.Totals, run.totals)
			if run.cancelled {
				sum.cancelled[moment]++
			}
		}
		sum.edits += w.edits
		seen = *sum

		synctest.Wait() // what was cancelled may still be at work
		there := map[string]int{}
		ids := map[string]any{}
		for _, row := range w.Rows(int64(w.table)) {
			there[row["name"].(string)]++
			ids[row["id"].(string)] = row["name"]
		}
		delete(there, "seeded")
		for i, o := range outcomes {
			n := there[name(i)]
			delete(there, name(i))
			switch o.State {
			case minapp.Written:
				require.Equal(t, 1, n, "row %d is reported as written", i)
				if o.ID != "" {
					require.Equal(t, name(i), ids[o.ID], "the id of row %d", i)
				}
			case minapp.Rejected, minapp.NotSent:
				require.Zero(t, n, "row %d is reported as %s: %v", i, o.State, o.Err)
			case minapp.Unknown:
				require.LessOrEqual(t, n, 1, "row %d is there twice", i)
			}
		}
		require.Empty(t, there, "rows that nobody gave")
	})
	for _, n := range []int64{seen.Written, seen.Rejected, seen.NotSent, seen.Unknown} {
		assert.Positive(t, n)
	}
	for _, moment := range moments[1:] {
		assert.Positive(t, seen.cancelled[moment], moment)
	}
}

// bulkRun is how one run of CreateAll went.
type bulkRun struct {
	totals    minapp.Totals
	next      int
	cancelled bool
}

// createAll runs CreateAll once, cancelled at a moment or left at a batch, and
// checks what it says about itself.
func (w *troubled) createAll(t *testing.T, rows []any, o minapp.BatchOptions, moment string, leave int, outcomes []*minapp.Outcome) bulkRun {
	t.Helper()
	ctx, cancel := w.arm(t.Context(), moment)
	defer cancel(nil)
	pulled := 0
	given := func(yield func(any, error) bool) {
		for _, row := range rows {
			pulled++
			w.reach("row")
			if !yield(row, nil) {
				return
			}
		}
	}
	run := bulkRun{next: o.First}
	reported := 0
	o.OnBatch = func(b *minapp.Batch) {
		checkBatch(t, b, b.Err())
		require.Equal(t, run.next, b.First)
		run.next = b.Next()
		for _, outcome := range b.Outcomes() {
			require.Nil(t, outcomes[outcome.Index], "row %d has two outcomes", outcome.Index)
			outcomes[outcome.Index] = &outcome
			tallied(&run.totals, outcome.State)
		}
		require.Equal(t, run.totals, b.Totals)
		reported++
		w.reach("batch")
	}
	yielded, told, left := 0, 0, false
	for b, err := range minapp.TableOf[any](w.client, w.table).CreateAll(ctx, given, o) {
		if errors.Is(err, errShutdown) {
			told++
		}
		if b == nil {
			require.ErrorIs(t, err, errShutdown)
			continue
		}
		require.Equal(t, err == nil, b.Err() == nil)
		if yielded++; yielded == leave {
			left = true
			break
		}
	}
	require.True(t, left || yielded == reported)
	run.cancelled = ctx.Err() != nil
	if run.next < len(rows) && !left {
		require.Positive(t, told, "why the run ended early")
	}
	// A row that was read when the run had been cancelled is nobody's: the next
	// run begins with it.
	ignored := max(0, pulled-o.First-int(run.totals.Read))
	require.LessOrEqual(t, ignored, 1)
	require.True(t, ignored == 0 || run.cancelled)
	return run
}

func add(t *minapp.Totals, more minapp.Totals) {
	t.Read += more.Read
	t.Written += more.Written
	t.Rejected += more.Rejected
	t.NotSent += more.NotSent
	t.Unknown += more.Unknown
}

// The same for updates: no row is changed without an outcome, none twice.
func TestEveryRowOfAnUpdateEndsInOneState(t *testing.T) {
	var seen bulkTally
	worlds(t, 150, func(t *testing.T, random *rand.Rand, parallel int, sum *bulkTally) {
		t.Helper()
		w := inTrouble(t, random)
		seed(t, w.Server, w.table, 1+random.IntN(90))
		_, err := w.Seed(int64(w.table), map[string]any{"name": "full", "price": 1<<63 - 1}) // which no increment fits
		require.NoError(t, err)
		before := pricesByID(w.Server, w.table)
		moment := pick(random, moments...)
		ctx, cancel := w.arm(t.Context(), moment)
		defer cancel(nil)
		var totals minapp.Totals
		states := map[string]minapp.State{}
		options := minapp.BatchOptions{Size: 1 + random.IntN(20), Parallel: parallel, OnBatch: func(b *minapp.Batch) {
			checkBatch(t, b, b.Err())
			for _, o := range b.Outcomes() {
				require.NotContains(t, states, o.ID)
				states[o.ID] = o.State
				tallied(&totals, o.State)
			}
			require.Equal(t, totals, b.Totals)
			w.reach("batch")
		}}
		set := random.IntN(2) == 0
		change := patch.IncrBy("price", 1000)
		if set {
			change = patch.Set("price", 1000)
		}
		leave := pick(random, 0, 0, 1+random.IntN(5))
		yielded, whole := 0, true
		for b, err := range minapp.TableOf[article](w.client, w.table).UpdateWhere(ctx, where.Everything(), change, options) {
			if yielded++; yielded == leave {
				whole = false
				break
			}
			whole = whole && b != nil && !errors.Is(err, errShutdown)
		}
		add(&sum.Totals, totals)
		sum.edits += w.edits
		if ctx.Err() != nil {
			sum.cancelled[moment]++
		}
		seen = *sum

		synctest.Wait()
		after := pricesByID(w.Server, w.table)
		require.Len(t, after, len(before))
		for id, price := range before {
			want := price + 1000
			if set {
				want = 1000
			}
			state, told := states[id]
			require.True(t, told || !whole, "no row is skipped")
			switch {
			case told && state == minapp.Written:
				require.Equal(t, want, after[id])
			case told && state == minapp.Unknown:
				require.Contains(t, []int64{price, want}, after[id])
			default:
				require.Equal(t, price, after[id], "%s, %t", state, told)
			}
		}
	})
	for _, n := range []int64{seen.Written, seen.Rejected, seen.NotSent, seen.Unknown} {
		assert.Positive(t, n)
	}
}

// Totals of deletes are those of the table, or say that they may be too low.
func TestTotalsOfDeletesInTrouble(t *testing.T) {
	worlds(t, 40, func(t *testing.T, random *rand.Rand, _ int, sum *bulkTally) {
		t.Helper()
		w := inTrouble(t, random)
		n := random.IntN(1500)
		seed(t, w.Server, w.table, n+10)
		moment := pick(random, moments...)
		ctx, cancel := w.arm(t.Context(), moment)
		defer cancel(nil)
		totals, err := minapp.TableOf[article](w.client, w.table).DeleteWhere(ctx, where.Lt("price", n))
		synctest.Wait()
		left := len(w.Rows(int64(w.table)))
		gone := int64(n + 10 - left)
		require.GreaterOrEqual(t, left, 10, "the others stay")
		require.LessOrEqual(t, totals.Deleted, gone)
		require.True(t, totals.AtLeast || totals.Deleted == gone, "%+v, %d are gone: %v", totals, gone, err)
		if err == nil {
			require.Equal(t, 10, left, "nothing is skipped")
		}
		sum.Read += gone
		sum.Written += totals.Deleted
		sum.edits += w.edits
		if ctx.Err() != nil {
			sum.cancelled[moment]++
		}
	})
}

package minapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

func byName(o minapp.BatchOptions) minapp.BatchOptions {
	o.Key = "name"
	return o
}

// onlyBatch is the one batch of a run.
func onlyBatch(t *testing.T, seq iter.Seq2[*minapp.Batch, error]) *minapp.Batch {
	t.Helper()
	var only *minapp.Batch
	for b, err := range seq {
		require.NotNil(t, b, "%v", err)
		require.Nil(t, only)
		checkBatch(t, b, err)
		only = b
	}
	require.NotNil(t, only)
	return only
}

func TestRowsInDoubtAreLookedUp(t *testing.T) {
	tests := map[string]struct {
		faults          []minapptest.Fault
		creates, lookup int
	}{
		"written, answer lost":         {[]minapptest.Fault{{Drop: minapptest.DropAfter}}, 1, 1},
		"written, answer cut":          {[]minapptest.Fault{{Drop: minapptest.CutBody}}, 1, 1},
		"written, answer of a gateway": {[]minapptest.Fault{{Status: 504, Processed: true}}, 1, 1},
		"written, HTML":                {[]minapptest.Fault{{Status: 200, Body: "<html>", Processed: true}}, 1, 1},
		"written, list too short":      {[]minapptest.Fault{{Status: 201, Body: `{"operation_result":[]}`, Processed: true}}, 1, 1},
		"not written":                  {[]minapptest.Fault{{Drop: minapptest.DropBefore}}, 2, 1},
		"not written, twice":           {[]minapptest.Fault{{Status: 500}, {Status: 502}}, 3, 2},
		"the second is lost":           {[]minapptest.Fault{{Status: 500}, {Drop: minapptest.DropAfter}}, 2, 2},
		"three are lost":               {[]minapptest.Fault{{Status: 500}, {Status: 500}, {Status: 500}}, 4, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, table := emulated(t)
				for _, f := range tt.faults {
					f.Operation = "bulk.create"
					s.Fault(f)
				}
				b := onlyBatch(t, table.CreateAll(t.Context(), input(30), byName(minapp.BatchOptions{})))
				rows := s.Rows(int64(table.ID()))
				require.Len(t, rows, 30)
				for i, o := range b.Outcomes() {
					require.Equal(t, minapp.Written, o.State)
					require.Equal(t, rows[i]["id"], o.ID)
					require.NotZero(t, o.CreatedAt)
				}
				assert.Equal(t, tt.creates, s.Count("bulk.create"))
				assert.Equal(t, tt.lookup, s.Count("records.list"))
				assert.Equal(t, 1, s.Count("indexes.list"))
			})
		})
	}
}

// What is left when the service never answers a create is what is known: the
// rows are not there, and the last request may still be on its way.
func TestADoubtThatCannotBeSettledStays(t *testing.T) {
	tests := map[string]struct {
		faults  []minapptest.Fault
		is      error
		creates int
		says    string
	}{
		"every create fails": {[]minapptest.Fault{{Operation: "bulk.create", Status: 500, Times: -1}}, minapp.ErrUnavailable, 4, "sent again: bulk.create: 500"},
		"every lookup fails": {[]minapptest.Fault{
			{Operation: "bulk.create", Drop: minapptest.DropAfter}, {Operation: "records.list", Status: 403, Times: -1},
		}, minapp.ErrForbidden, 1, "looking it up: records.list: 403"},
		"the second is refused": {[]minapptest.Fault{
			{Operation: "bulk.create", Drop: minapptest.DropBefore}, {Operation: "bulk.create", Status: 402, Times: -1},
		}, minapp.ErrPaymentRequired, 4, "sent again: bulk.create: 402"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, table := emulated(t)
				for _, f := range tt.faults {
					s.Fault(f)
				}
				b := onlyBatch(t, table.CreateAll(t.Context(), input(3), byName(minapp.BatchOptions{})))
				for _, o := range b.Outcomes() {
					assert.Equal(t, minapp.Unknown, o.State)
					require.ErrorIs(t, o.Err, minapp.ErrOutcomeUnknown)
					require.ErrorIs(t, o.Err, tt.is)
					assert.ErrorContains(t, o.Err, tt.says)
				}
				assert.Equal(t, tt.creates, s.Count("bulk.create"))
			})
		})
	}
}

func TestOneAttemptLooksUpAndSendsNothingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.DropBefore})
		once := minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 1})
		b := onlyBatch(t, table.CreateAll(t.Context(), input(3), byName(minapp.BatchOptions{}), once))
		assert.EqualValues(t, 3, b.Totals.Unknown)
		assert.Equal(t, 1, s.Count("bulk.create"))
		assert.Equal(t, 1, s.Count("records.list"))
	})
}

// A row with the key of another is that other row, or a duplicate; what it
// holds decides.
func TestARowThatIsThereIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		_, err := s.Seed(int64(table.ID()),
			map[string]any{"name": name(0), "price": 0},  // as it is sent
			map[string]any{"name": name(1), "price": 99}, // another price
		)
		require.NoError(t, err)
		b := onlyBatch(t, table.CreateAll(t.Context(), input(4), byName(minapp.BatchOptions{})))
		o := b.Outcomes()
		assert.Equal(t, minapp.Written, o[0].State)
		assert.Equal(t, s.Rows(int64(table.ID()))[0]["id"], o[0].ID)
		assert.Equal(t, minapp.Rejected, o[1].State)
		require.ErrorIs(t, o[1].Err, minapp.ErrDuplicate)
		require.NotErrorIs(t, o[1].Err, minapp.ErrOutcomeUnknown)
		require.ErrorContains(t, o[1].Err, "has the same name and differs in price")
		assert.Equal(t, minapp.Written, o[2].State)
		assert.Equal(t, minapp.Written, o[3].State)
		assert.Equal(t, 1, s.Count("bulk.create"))
	})
}

// Only what is not there is sent again, and every row keeps its position.
func TestOnlyRowsThatAreNotThereAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		_, err := s.Seed(int64(table.ID()), map[string]any{"name": name(0), "price": 0}, map[string]any{"name": name(2), "price": 2})
		require.NoError(t, err)
		s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.DropBefore})
		b := onlyBatch(t, table.CreateAll(t.Context(), input(4), byName(minapp.BatchOptions{})))
		assert.EqualValues(t, 4, b.Totals.Written)
		var sent []string
		for _, r := range s.Requests() {
			if r.Operation == "bulk.create" {
				sent = append(sent, string(r.Body))
			}
		}
		require.Len(t, sent, 2)
		assert.JSONEq(t, `[{"name":"n1","price":1},{"name":"n3","price":3}]`, sent[1])
		ids := make(map[any]any)
		for _, row := range s.Rows(int64(table.ID())) {
			ids[row["name"]] = row["id"]
		}
		for i, o := range b.Outcomes() {
			assert.Equal(t, ids[name(i)], o.ID, "row %d", i)
		}
	})
}

// A row that met another one with its key is in doubt, as it can be that row
// itself, until it has been looked up. The others of its request are not.
func TestADuplicateThatCannotBeLookedUpIsInDoubt(t *testing.T) {
	tests := map[string]struct {
		faults []minapptest.Fault
		says   string
	}{
		"at once": {[]minapptest.Fault{{Operation: "records.list", Status: 403}}, "; looking it up: "},
		"sent again": {[]minapptest.Fault{
			{Operation: "bulk.create", Drop: minapptest.DropBefore}, {Operation: "records.list", Skip: 1, Status: 403},
		}, "; sent again: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, table := emulated(t)
				for _, f := range tt.faults {
					s.Fault(f)
				}
				creates := 0
				faster := roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPost {
						creates++
					}
					if r.Method == http.MethodPost && creates == len(tt.faults) { // somebody else is there first
						_, err := s.Seed(int64(table.ID()), map[string]any{"name": "n1", "price": 1})
						assert.NoError(t, err)
					}
					return s.Client().Transport.RoundTrip(r)
				})
				client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{Transport: faster}))...)
				require.NoError(t, err)
				b := onlyBatch(t, minapp.TableOf[article](client, table.ID()).CreateAll(t.Context(), input(3), byName(minapp.BatchOptions{})))
				o := b.Outcomes()
				assert.Equal(t, []minapp.State{minapp.Written, minapp.Unknown, minapp.Written}, []minapp.State{o[0].State, o[1].State, o[2].State})
				for _, is := range []error{minapp.ErrOutcomeUnknown, minapp.ErrDuplicate, minapp.ErrForbidden} {
					require.ErrorIs(t, o[1].Err, is)
				}
				require.ErrorContains(t, o[1].Err, tt.says)
				assert.Equal(t, 1, strings.Count(o[1].Err.Error(), minapp.ErrOutcomeUnknown.Error()), "said once: %v", o[1].Err)
			})
		})
	}
}

// laggard delivers the first create when the first lookup has been answered,
// and tells the client at once that the connection was lost.
type laggard struct {
	next   http.RoundTripper
	looked chan struct{}
	once   sync.Once
	late   sync.WaitGroup
}

func (l *laggard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/record/") {
		resp, err := l.next.RoundTrip(r)
		l.once.Do(func() { close(l.looked); l.late.Wait() })
		return resp, err
	}
	if r.Method != http.MethodPost {
		return l.next.RoundTrip(r)
	}
	select {
	case <-l.looked:
		return l.next.RoundTrip(r)
	default:
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	later := r.Clone(context.WithoutCancel(r.Context()))
	later.Body = io.NopCloser(bytes.NewReader(body))
	l.late.Go(func() {
		<-l.looked
		if resp, err := l.next.RoundTrip(later); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	return nil, errors.New("connection lost")
}

// A request that the service carries out after the lookup has not found its
// rows meets the unique index, or the second request does: either way each row
// is there once and counts as written.
func TestARequestThatArrivesLateDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		late := &laggard{next: s.Client().Transport, looked: make(chan struct{})}
		client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{Transport: late}))...)
		require.NoError(t, err)
		table = minapp.TableOf[article](client, table.ID())
		b := onlyBatch(t, table.CreateAll(t.Context(), input(30), byName(minapp.BatchOptions{})))
		assert.EqualValues(t, 30, b.Totals.Written)
		assert.Len(t, s.Rows(int64(table.ID())), 30)
		assert.Equal(t, 2, s.Count("bulk.create"), "the late one and the second")
		assert.Equal(t, 2, s.Count("records.list"), "the second one met the rows of the first")
	})
}

func TestTheKeyIsCheckedBeforeTheInputIsRead(t *testing.T) {
	untouched := func(func(article, error) bool) { t.Error("the input was read") }
	s := minapptest.NewServer(t)
	created := 0
	create := func(indexes ...[]string) *minapp.Table[article] {
		created++
		id, err := s.CreateTable(minapptest.Table{Name: fmt.Sprintf("t%d", created), Schema: articleSchema, Indexes: indexes})
		require.NoError(t, err)
		client, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		return minapp.TableOf[article](client, minapp.TableID(id))
	}
	tests := map[string]struct {
		table *minapp.Table[article]
		key   string
		says  string
	}{
		"no index":          {create(), "name", `has no unique index on "name" alone`},
		"index of two":      {create([]string{"name", "price"}), "name", `has no unique index on "name" alone`},
		"index of another":  {create([]string{"price"}), "name", `has no unique index on "name" alone`},
		"not a column name": {create([]string{"name"}), " ", "BatchOptions.Key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for b, err := range tt.table.CreateAll(t.Context(), untouched, minapp.BatchOptions{Key: tt.key}) {
				assert.Nil(t, b)
				require.ErrorIs(t, err, minapp.ErrInvalid)
				assert.ErrorContains(t, err, tt.says)
			}
		})
	}
	s.Fault(minapptest.Fault{Operation: "indexes.list", Status: 403})
	for _, err := range tests["index of another"].table.CreateAll(t.Context(), untouched, minapp.BatchOptions{Key: "price"}) {
		require.ErrorIs(t, err, minapp.ErrForbidden)
	}
	for _, err := range tests["index of another"].table.UpdateWhere(t.Context(), where.Everything(), patch.Set("price", 1), minapp.BatchOptions{Key: "price"}) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
	}
	assert.Zero(t, s.Count("bulk.create"))
}

// A row that could not be found again is not sent, the others are.
func TestRowsWithoutAUsableKeyAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.DropAfter})
		client, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		input := minapp.Items(slices.Values([]minapp.Fields{
			{"name": "a"}, {"price": 1}, {"name": nil}, {"name": "a", "price": 2}, {"name": []any{"b"}}, {"name": json.Number("1e999")}, {"name": "b"},
		}))
		b := onlyBatch(t, client.Bulk.CreateAll(t.Context(), table.ID(), input, byName(minapp.BatchOptions{})))
		var states []minapp.State
		for _, o := range b.Outcomes() {
			states = append(states, o.State)
			if o.State == minapp.NotSent {
				require.ErrorIs(t, o.Err, minapp.ErrInvalid)
			}
		}
		assert.Equal(t, []minapp.State{minapp.Written, minapp.NotSent, minapp.NotSent, minapp.NotSent, minapp.NotSent, minapp.NotSent, minapp.Written}, states)
		require.ErrorContains(t, b.Outcomes()[1].Err, "it has no name, which is the key", "a misspelled tag")
		require.ErrorContains(t, b.Outcomes()[2].Err, "the key name is neither text nor a number")
		assert.Len(t, s.Rows(int64(table.ID())), 2)
	})
}

// Keys of every kind, and so long that a lookup takes several URLs.
func TestKeysOfEveryKindAreFound(t *testing.T) {
	type row struct {
		Key any `json:"key"`
	}
	long := func(i int) any { return fmt.Sprintf("%04d %s", i, strings.Repeat("包", 20)) }
	kinds := map[string]struct {
		kind    string
		key     func(i int) any
		lookups int
	}{
		"text":      {"string", func(i int) any { return fmt.Sprint("k", i) }, 1},
		"long text": {"string", long, 5},
		"odd text":  {"string", func(i int) any { return fmt.Sprintf("%d\" \\ %%2F & $in é\u2028 😀", i) }, 2},
		"integer":   {"integer", func(i int) any { return int64(1)<<62 + int64(i) }, 1},
		"number":    {"number", func(i int) any { return float64(i) / 8 }, 1},
	}
	for name, tt := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := minapptest.NewServer(t)
				id, err := s.CreateTable(minapptest.Table{
					Name: "keys", Indexes: [][]string{{"key"}},
					Schema: minapptest.Schema{Fields: []minapptest.Field{{Name: "key", Type: tt.kind}}},
				})
				require.NoError(t, err)
				client, err := minapp.NewClient(s.Options()...)
				require.NoError(t, err)
				t.Cleanup(client.CloseIdleConnections)
				rows := make([]row, 400)
				for i := range rows {
					rows[i].Key = tt.key(i)
				}
				s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.DropAfter})
				table := minapp.TableOf[row](client, minapp.TableID(id))
				b := onlyBatch(t, table.CreateAll(t.Context(), minapp.Items(slices.Values(rows)), minapp.BatchOptions{Key: "key"}))
				assert.EqualValues(t, len(rows), b.Totals.Written)
				assert.Equal(t, 1, s.Count("bulk.create"))
				assert.Equal(t, tt.lookups, s.Count("records.list"))
			})
		})
	}
}

// A number is the same key however it is written, here and by the service.
func TestAKeyIsFoundHoweverItsNumberIsWritten(t *testing.T) {
	type row struct {
		Key json.Number `json:"key"`
	}
	tests := []struct {
		sent, there string
		same        bool
	}{
		{"7", "7", true},
		{"7", "8", false},
		{"7", "7.5", false},
		{"7.0", "7", true},
		{"1e6", "1000000", true},
		{"1000000", "1e+06", true},
		{"0.5", "5e-1", true},
		{"-0.0", "0", true},
		{"1000000000000000000", "1e+18", true},
		{"4611686018427388000", "4.611686018427388e+18", true},
		{"9007199254740993", "9007199254740992", false},
		{"100000000000000000000", "1e20", true},
	}
	for _, tt := range tests {
		t.Run(tt.sent+" "+tt.there, func(t *testing.T) {
			client, mock := mocked(t, httpmock.NewStringResponder(500, ``))
			mock.RegisterResponder("GET", `=~/index`, httpmock.NewStringResponder(200, `{"meta":{},"objects":[{"fields":["key"],"index":"key_1"}]}`))
			mock.RegisterResponder("GET", `=~/record/`, httpmock.NewStringResponder(200, `{"meta":{},"objects":[{"id":"a","key":`+tt.there+`}]}`))
			once := minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 1})
			rows := minapp.Items(slices.Values([]row{{json.Number(tt.sent)}}))
			b := onlyBatch(t, minapp.TableOf[row](client, 1).CreateAll(t.Context(), rows, minapp.BatchOptions{Key: "key"}, once))
			assert.Equal(t, tt.same, b.Outcomes()[0].State == minapp.Written, "%v", b.Err())
		})
	}
}

func TestCancellationEndsTheLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.DropAfter})
		s.Fault(minapptest.Fault{Operation: "records.list", Delay: 1 << 40, Times: -1})
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("enough")
		go func() { synctest.Wait(); cancel(stop) }()
		b := onlyBatch(t, table.CreateAll(ctx, input(3), byName(minapp.BatchOptions{})))
		assert.EqualValues(t, 3, b.Totals.Unknown)
		require.ErrorIs(t, b.Err(), stop)
		require.ErrorIs(t, b.Err(), minapp.ErrOutcomeUnknown)
	})
}

// Rows that are not there are sent again after a wait, which the context ends.
func TestCancellationEndsTheWaitBeforeRowsAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		s.Fault(minapptest.Fault{Operation: "bulk.create", Drop: minapptest.DropBefore})
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("enough")
		go func() { synctest.Wait(); cancel(stop) }() // when all that is left is a wait
		patient := minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 2, MinDelay: time.Hour, MaxDelay: time.Hour})
		b := onlyBatch(t, table.CreateAll(ctx, input(3), byName(minapp.BatchOptions{}), patient))
		assert.EqualValues(t, 3, b.Totals.Unknown)
		for _, o := range b.Outcomes() {
			require.ErrorIs(t, o.Err, stop)
			require.ErrorIs(t, o.Err, minapp.ErrOutcomeUnknown)
			require.ErrorContains(t, o.Err, "; sending it again: ")
		}
		assert.Equal(t, 1, s.Count("records.list"), "they have been looked up")
		assert.Equal(t, 1, s.Count("bulk.create"))
	})
}

// Whether the column has an index is asked once, not for every run.
func TestTheIndexIsLookedForOnce(t *testing.T) {
	s, table := emulated(t)
	for range 2 {
		for _, err := range table.CreateAll(t.Context(), input(3), byName(minapp.BatchOptions{})) {
			require.NoError(t, err, "what is there counts as written")
		}
	}
	assert.Equal(t, 1, s.Count("indexes.list"))
}

// forgetful loses the answer of every tenth create, and of every other one of
// these the request as well. A batch that is sent again comes through.
type forgetful struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen int
	lost map[string]bool
}

func (f *forgetful) loses(body string) (request, answer bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen++; f.seen%10 != 0 || f.lost[body] {
		return false, false
	}
	f.lost[body] = true
	return len(f.lost)%2 == 0, true
}

func (f *forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return f.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	request, answer := f.loses(string(body))
	if request {
		return nil, errors.New("connection lost")
	}
	resp, err := f.next.RoundTrip(r)
	if err == nil && answer {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return nil, errors.New("connection lost")
	}
	return resp, err
}

// A tenth of the answers of 10,000 batches is lost, half of these with a
// request that was never processed.
func TestNothingIsLostOrDoubledWithAKey(t *testing.T) {
	const size = 2
	for parallel, batches := range map[int]int{1: 1_000, 8: 10_000} {
		synctest.Test(t, func(t *testing.T) {
			s, table := emulated(t)
			out := &forgetful{next: s.Client().Transport, lost: make(map[string]bool)}
			client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{Transport: out}))...)
			require.NoError(t, err)
			table = minapp.TableOf[article](client, table.ID())
			next := 0
			var totals minapp.Totals
			for b, err := range table.CreateAll(t.Context(), input(batches*size), byName(minapp.BatchOptions{Size: size, Parallel: parallel})) {
				require.NoError(t, err)
				require.Equal(t, next, b.First)
				next, totals = b.Next(), b.Totals
			}
			require.Equal(t, minapp.Totals{Read: int64(batches * size), Written: int64(batches * size)}, totals)
			there := make(map[any]bool)
			rows := s.Rows(int64(table.ID()))
			for _, row := range rows {
				there[row["name"]] = true
			}
			require.Len(t, there, batches*size, "lost")
			require.Len(t, rows, batches*size, "doubled")
			require.Greater(t, len(out.lost), batches/10, "answers lost: those of the batches and of some that were sent again")
			t.Logf("%d in parallel: %d answers of %d requests lost, 0 rows lost, 0 doubled", parallel, len(out.lost), out.seen)
		})
	}
}

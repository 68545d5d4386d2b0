package minapp_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/where"
)

func name(i int) string { return "n" + strconv.Itoa(i) }

// prices collects a sequence up to its end or first error without a record.
func prices(t *testing.T, records func(func(*minapp.Record[article], error) bool)) []int64 {
	t.Helper()
	var list []int64
	for r, err := range records {
		require.NoError(t, err)
		list = append(list, r.Value.Price)
	}
	return list
}

func TestAllReadsEveryRowOnceInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11, 20, 35} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s, table := emulated(t)
			seed(t, s, table.ID(), n)
			all := table.All(t.Context(), minapp.Query{PageSize: 10})
			first := prices(t, all)
			require.Len(t, first, n)
			for i, price := range first {
				require.EqualValues(t, i, price, "oldest first")
			}
			assert.Equal(t, first, prices(t, all), "each range starts anew")
		})
	}
}

func TestAllHonoursTheQuery(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 30)
	tests := map[string]struct {
		query minapp.Query
		want  []int64
		pages int
	}{
		"max below a page":   {minapp.Query{Max: 3, PageSize: 10}, []int64{0, 1, 2}, 1},
		"max over pages":     {minapp.Query{Max: 5, PageSize: 2}, []int64{0, 1, 2, 3, 4}, 3},
		"max is a full page": {minapp.Query{Max: 4, PageSize: 2}, []int64{0, 1, 2, 3}, 2},
		"offset":             {minapp.Query{Offset: 28, PageSize: 10}, []int64{28, 29}, 1},
		"order":              {minapp.Query{OrderBy: []string{"-price"}, Max: 2}, []int64{29, 28}, 1},
		"filter":             {minapp.Query{Where: where.Range("price", 3, 4).Or(where.Eq("name", "n7"))}, []int64{3, 4, 7}, 1},
		"nothing":            {minapp.Query{Where: where.Gt("price", 99)}, nil, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s.ResetLog()
			assert.Equal(t, tt.want, prices(t, table.All(t.Context(), tt.query)))
			assert.Equal(t, tt.pages, s.Count("records.list"))
		})
	}
}

func TestNothingIsSentBeforeTheLoop(t *testing.T) {
	s, table := emulated(t)
	table.All(t.Context(), minapp.Query{})
	assert.Zero(t, s.Count(""))
}

func TestAllFetchesOnePageAhead(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 100)
	arrived := make(chan struct{}, 100)
	client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			arrived <- struct{}{}
			return s.Client().Transport.RoundTrip(r)
		}),
	}))...)
	require.NoError(t, err)
	for _, err := range minapp.TableOf[article](client, table.ID()).All(t.Context(), minapp.Query{PageSize: 10}) {
		require.NoError(t, err)
		<-arrived
		<-arrived // the second page is asked for while the first row is in use
		break
	}
	assert.Empty(t, arrived, "and no third one")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// goleak in TestMain sees to it that the page on its way is waited for.
func TestBreakStopsAtOnce(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 100)
	all := table.All(t.Context(), minapp.Query{PageSize: 10})
	for _, err := range all {
		require.NoError(t, err)
		break
	}
	assert.LessOrEqual(t, s.Count("records.list"), 2)
	assert.Len(t, prices(t, all), 100, "and the next range starts anew")
}

func TestCancellationIsYieldedOnce(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 100)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var errs []error
	rows := 0
	for r, err := range table.All(ctx, minapp.Query{PageSize: 10}) {
		if r == nil {
			errs = append(errs, err)
			continue
		}
		if rows++; rows == 15 {
			cancel(why)
		}
	}
	assert.Equal(t, 15, rows)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], why)
}

func TestRowThatDoesNotFitIsYieldedWithItsError(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 3)
	type narrow struct {
		Name  string `json:"name"`
		Price int8   `json:"price"`
	}
	ids, err := s.Seed(int64(table.ID()), map[string]any{"name": "big", "price": 1000, "created_at": 1_500_000_001})
	require.NoError(t, err)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	small := minapp.TableOf[narrow](client, table.ID())

	var names []string
	for r, err := range small.All(t.Context(), minapp.Query{}) {
		require.NotNil(t, r, "the loop goes on")
		names = append(names, r.Value.Name)
		if err == nil {
			continue
		}
		e, ok := errors.AsType[*minapp.DecodeError](err)
		require.True(t, ok)
		assert.Equal(t, ids[0], e.ID)
		assert.Equal(t, "price", e.Field)
		assert.ErrorContains(t, err, fmt.Sprintf("record %q, field \"price\"", ids[0]))
		assert.Contains(t, string(r.Raw), `"price":1000`)
	}
	assert.ElementsMatch(t, []string{"n0", "n1", "big", "n2"}, names)

	page, err := small.Page(t.Context(), minapp.Query{})
	require.Error(t, err)
	assert.Len(t, page.Records, 4, "no row of the page is lost")

	r, err := small.Get(t.Context(), ids[0])
	require.Error(t, err)
	assert.Equal(t, ids[0], r.ID())
}

// A service that ignores the offset would keep a trusting loop busy for ever.
func TestPageThatDoesNotMoveForwardIsAnError(t *testing.T) {
	const page = `{"meta":{"next":"/oserve/v2.4/table/1/record/?offset=1","total_count":null%s},"objects":[{"id":"a"},{"id":"b"}]}`
	for name, offset := range map[string]string{"same rows": "", "same offset": `,"offset":0`} {
		t.Run(name, func(t *testing.T) {
			client, _ := mocked(t, httpmock.NewStringResponder(200, fmt.Sprintf(page, offset)))
			rows, last := 0, error(nil)
			for r, err := range client.Records.All(t.Context(), 1, minapp.Query{PageSize: 2}) {
				if r == nil {
					last = err
					continue
				}
				rows++
			}
			assert.Equal(t, 2, rows)
			require.ErrorIs(t, last, minapp.ErrProtocol)
		})
	}
}

// next may carry the prefix of another surface, or be missing on a page that
// is full: it is a hint, never an address.
func TestNextIsNeverFollowed(t *testing.T) {
	var offsets []string
	answers := []string{
		`{"meta":{"next":"https://elsewhere.example/dserve/v1/steal/?offset=77"},"objects":[{"id":"a"},{"id":"b"}]}`,
		`{"meta":{"next":null},"objects":[{"id":"c"},{"id":"d"}]}`,
		`{"meta":{"next":null},"objects":[]}`,
	}
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		offsets = append(offsets, r.URL.Host+r.URL.Path+"?offset="+r.URL.Query().Get("offset"))
		return httpmock.NewStringResponse(200, answers[len(offsets)-1]), nil
	})
	var ids []string
	for r, err := range client.Records.All(t.Context(), 1, minapp.Query{PageSize: 2}) {
		require.NoError(t, err)
		ids = append(ids, r.ID())
	}
	assert.Equal(t, []string{"a", "b", "c", "d"}, ids)
	const at = "cloud.minapp.com/oserve/v2.4/table/1/record/?offset="
	assert.Equal(t, []string{at, at + "2", at + "4"}, offsets)
}

func TestAnswersThatAreNoPages(t *testing.T) {
	for _, body := range []string{`{}`, `{"meta":{}}`, `{"meta":{},"objects":null}`, `{"objects":[]}`, `[]`, `{"meta":[],"objects":[]}`} {
		client, _ := mocked(t, httpmock.NewStringResponder(200, body))
		_, err := client.Records.Page(t.Context(), 1, minapp.Query{})
		require.ErrorIs(t, err, minapp.ErrProtocol, body)
		_, err = client.Records.Count(t.Context(), 1, where.Cond{})
		require.ErrorIs(t, err, minapp.ErrProtocol, body)
	}
}

func TestPageTellsTotalAndMore(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 5)
	page, err := table.Page(t.Context(), minapp.Query{PageSize: 2, Total: true})
	require.NoError(t, err)
	assert.EqualValues(t, 5, page.Total)
	assert.True(t, page.More)
	page, err = table.Page(t.Context(), minapp.Query{PageSize: 2, Offset: 4})
	require.NoError(t, err)
	assert.EqualValues(t, -1, page.Total, "not asked for is not zero")
	assert.False(t, page.More)
	assert.Len(t, page.Records, 1)
}

func TestCount(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 12)
	for want, cond := range map[int64]where.Cond{12: {}, 2: where.Lt("price", 2), 0: where.Eq("name", "none")} {
		n, err := table.Count(t.Context(), cond)
		require.NoError(t, err)
		assert.Equal(t, want, n)
	}
	n, err := table.Count(t.Context(), where.Everything())
	require.NoError(t, err)
	assert.EqualValues(t, 12, n)
}

func TestKeysAndExpand(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 1)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	page, err := client.Records.Page(t.Context(), table.ID(), minapp.Query{Keys: []string{"name"}})
	require.NoError(t, err)
	assert.Equal(t, "n0", page.Records[0].Value["name"])
	assert.NotContains(t, page.Records[0].Value, "price")
	page, err = client.Records.Page(t.Context(), table.ID(), minapp.Query{Keys: []string{"-name"}})
	require.NoError(t, err)
	assert.NotContains(t, page.Records[0].Value, "name")
	assert.Contains(t, page.Records[0].Value, "price")
}

// The three kinds of rows are one implementation.
func TestRowKinds(t *testing.T) {
	s, typed := emulated(t)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	const big = 9007199254740993 // does not survive float64
	created, err := typed.Create(t.Context(), article{Name: "a", Price: big})
	require.NoError(t, err)

	dynamic, err := client.Records.Get(t.Context(), typed.ID(), created.ID())
	require.NoError(t, err)
	assert.Equal(t, json.Number("9007199254740993"), dynamic.Value["price"])

	raw, err := minapp.TableOf[json.RawMessage](client, typed.ID()).Get(t.Context(), created.ID())
	require.NoError(t, err)
	assert.Contains(t, string(raw.Value), `"price":9007199254740993`)
	assert.Equal(t, raw.Raw, raw.Value)

	for _, r := range []minapp.Timestamp{created.CreatedAt(), dynamic.CreatedAt(), raw.CreatedAt()} {
		assert.Equal(t, created.CreatedAt(), r)
		assert.NotZero(t, r)
	}
}

func TestRowsArePassedOnWithTheirSystemColumns(t *testing.T) {
	s, typed := emulated(t)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	copyID, err := s.CreateTable(minapptest.Table{Name: "copy", Schema: articleSchema})
	require.NoError(t, err)
	_, err = s.Seed(int64(typed.ID()), map[string]any{"name": "a", "created_by": 42, "created_at": 1_400_000_000, "read_perm": []string{"gid:1"}})
	require.NoError(t, err)
	target := minapp.TableOf[json.RawMessage](client, minapp.TableID(copyID))
	raw := minapp.TableOf[json.RawMessage](client, typed.ID())
	for _, err := range target.CreateAll(t.Context(), minapp.Values(raw.All(t.Context(), minapp.Query{})), minapp.BatchOptions{}) {
		require.NoError(t, err)
	}
	rows := s.Rows(copyID)
	require.Len(t, rows, 1)
	assert.Equal(t, json.Number("42"), rows[0]["created_by"])
	assert.Equal(t, json.Number("1400000000"), rows[0]["created_at"])
	assert.NotEqual(t, s.Rows(int64(typed.ID()))[0]["id"], rows[0]["id"], "the service gives ids")
}

// An empty page with a next one is not the end: rows may follow.
func TestEmptyPageWithANextOneIsNotTheEnd(t *testing.T) {
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("offset") == "" {
			return httpmock.NewStringResponse(200, `{"meta":{"next":"/x"},"objects":[{"id":"a"}]}`), nil
		}
		return httpmock.NewStringResponse(200, `{"meta":{"next":"/x"},"objects":[]}`), nil
	})
	var last error
	for _, err := range client.Records.All(t.Context(), 1, minapp.Query{PageSize: 1}) {
		last = err
	}
	assert.ErrorIs(t, last, minapp.ErrProtocol, "the service says that there is more")
}

// Rows without ids can be told apart only as a whole.
func TestStuckPageWithoutIDsIsAnError(t *testing.T) {
	calls := 0
	client, _ := mocked(t, func(*http.Request) (*http.Response, error) {
		if calls++; calls > 50 {
			return httpmock.NewStringResponse(400, ``), nil
		}
		return httpmock.NewStringResponse(200, `{"meta":{"next":"/x"},"objects":[{"name":"a"},{"name":"b"}]}`), nil
	})
	var last error
	for _, err := range client.Records.All(t.Context(), 1, minapp.Query{PageSize: 2, Keys: []string{"-id"}}) {
		last = err
	}
	assert.ErrorIs(t, last, minapp.ErrProtocol)
	assert.Less(t, calls, 10)
}

// Indexes have no id, but a name.
func TestStuckPageOfIndexesIsAnError(t *testing.T) {
	calls := 0
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		if calls++; calls > 50 {
			return httpmock.NewStringResponse(400, ``), nil
		}
		offset := cmp.Or(r.URL.Query().Get("offset"), "0")
		return httpmock.NewStringResponse(200, `{"meta":{"next":"/x","offset":`+offset+`},"objects":[{"index":"name_1","fields":["name"]}]}`), nil
	})
	_, err := client.Tables.Indexes(t.Context(), 1)
	assert.ErrorIs(t, err, minapp.ErrProtocol)
	assert.Equal(t, 2, calls)
}

func TestCancelledTablesYieldTheirCause(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(200, `{"meta":{"next":null},"objects":[{"id":1,"name":"a"},{"id":2,"name":"b"},{"id":3,"name":"c"}]}`))
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	n := 0
	var last error
	for info, err := range client.Tables.All(ctx, minapp.TableQuery{}) {
		if last = err; info != nil {
			n++
			cancel(why)
		}
	}
	assert.Equal(t, 1, n, "as Table.All does")
	assert.ErrorIs(t, last, why)
}

// Query.Max is "rows at most", whatever the service does with limit.
func TestMaxHoldsIfTheServiceGivesMore(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(200, `{"meta":{"next":"/x"},"objects":[{"id":"a"},{"id":"b"},{"id":"c"}]}`))
	n := 0
	for _, err := range client.Records.All(t.Context(), 1, minapp.Query{Max: 2}) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 2, n)
}

func TestNilsAreRefused(t *testing.T) {
	_, err := minapp.TableOf[article](nil, 1).Create(t.Context(), article{})
	require.ErrorIs(t, err, minapp.ErrInvalid)
	client, _ := mocked(t, httpmock.NewStringResponder(200, `{"meta":{},"objects":[]}`))
	var none context.Context
	_, err = client.Records.Get(none, 1, "a")
	require.ErrorIs(t, err, minapp.ErrInvalid)
	errs := 0
	for _, err := range client.Records.All(none, 1, minapp.Query{}) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
		errs++
	}
	for _, err := range client.Records.Scan(none, 1, minapp.ScanOptions{}) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
		errs++
	}
	assert.Equal(t, 2, errs)
}

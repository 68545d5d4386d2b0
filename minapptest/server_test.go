package minapptest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

func TestCredentials(t *testing.T) {
	const userURL = "/userve/v2.4/table/3906/record/"
	for _, tt := range []struct {
		server        []minapptest.Option
		path          string
		authorization string
		cookie        string
		want          int
	}{
		{nil, recordURL, "Bearer anything", "", 200},
		{nil, recordURL, "bearer anything", "", 200},
		{nil, recordURL, "", "", 401},
		{nil, recordURL, "Bearer ", "", 401},
		{nil, recordURL, "Basic anything", "", 401},
		{nil, recordURL, "", "session=1", 401},
		{[]minapptest.Option{minapptest.WithToken("secret")}, recordURL, "Bearer secret", "", 200},
		{[]minapptest.Option{minapptest.WithToken("secret")}, recordURL, "Bearer other", "", 401},
		{nil, userURL, "Bearer anything", "", 401},
		{nil, userURL, "", "session=1", 200},
		{nil, "/oserve/nothing/", "", "", 401},
	} {
		e := newEmulator(t, tt.server...)
		r := e.send("GET", tt.path, "", "Authorization", tt.authorization, "Cookie", tt.cookie)
		require.Equal(t, tt.want, r.status, "%+v", tt)
		if tt.want == 401 {
			require.Equal(t, "error", r.json["status"])
		}
	}
}

func TestUnknownAddressesAndMethods(t *testing.T) {
	e := newEmulator(t)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404},
		{"GET", "/oserve/", 404},
		{"GET", "/hserve/v2.4/table/3906/record/", 404},
		{"GET", "/oserve/v9/table/3906/record/", 404},
		{"GET", "/oserve/v2.4/table/x/record/", 404},
		{"GET", "/oserve/v2.4/table/1/record/", 404},
		{"GET", "/oserve/v2.4/table/3906/record/nosuch/", 404},
		{"GET", "/oserve/v2.4/table//record/", 404},
		{"GET", "/oserve/v1/bulk-operation/x/", 404},
		{"PATCH", recordURL, 405},
		{"PUT", recordURL, 405},
		{"GET", updateURL, 405},
		{"DELETE", tableURL, 405},
		{"GET", recordURL + "?where=%zz", 400},
	} {
		require.Equal(t, tt.want, e.send(tt.method, tt.path, "").status, "%s %s", tt.method, tt.path)
	}
}

// Whoever forgets the prefix of a base URL is not told that the key is wrong.
func TestAWrongBaseURLIsNotAWrongKey(t *testing.T) {
	server := minapptest.NewServer(t)
	client, err := minapp.NewClient(append(server.Options(), minapp.WithMOIBaseURL(server.URL()))...)
	require.NoError(t, err)
	_, err = client.ExportTasks.Page(t.Context(), byoa.TaskQuery{})
	require.ErrorIs(t, err, minapp.ErrNotFound)
	require.ErrorContains(t, err, "POST /export/task/list", "the address tells what is missing")
}

// A missing slash is a redirect, which a client must refuse to follow: followed,
// a write would become a read. One documented sample forgets it.
func TestMissingSlash(t *testing.T) {
	e := newEmulator(t)
	id := e.seed(`{"name":"a"}`)[0]
	for method, path := range map[string]string{"GET": recordURL, "POST": recordURL, "DELETE": recordURL + id + "/"} {
		r := e.send(method, strings.TrimSuffix(path, "/")+"?a=b", `{"name":"b"}`)
		require.Equal(t, 301, r.status, path)
		require.Equal(t, path+"?a=b", r.header.Get("Location"))
	}
	require.Len(t, e.Rows(e.table), 1)
	require.Equal(t, 201, e.send("PUT", updateURL+id, `{"name":"b"}`).status)
}

func TestLongAddress(t *testing.T) {
	e := newEmulator(t)
	fits := 16386 - len(e.URL()+recordURL+"?x=")
	require.Equal(t, 200, e.send("GET", recordURL+"?x="+strings.Repeat("a", fits), "").status)
	r := e.send("GET", recordURL+"?x="+strings.Repeat("a", fits+1), "")
	require.Equal(t, 502, r.status)
	require.Contains(t, r.text, "<html>")
	require.Contains(t, r.header.Get("Content-Type"), "text/html")
}

func TestRequestsPerMinute(t *testing.T) {
	e := newEmulator(t, minapptest.WithLimits(minapptest.Limits{RPM: 3}))
	require.Equal(t, 200, e.list().status)
	e.clock.Advance(30 * time.Second)
	require.Equal(t, 200, e.list("expand", "created_by").status, "billed as two")
	r := e.list()
	require.Equal(t, 429, r.status)
	require.Equal(t, "30", r.header.Get("Retry-After"))
	e.clock.Advance(30 * time.Second)
	require.Equal(t, 200, e.list().status)
	require.Equal(t, 429, e.list().status)
	e.SetLimits(minapptest.Limits{})
	require.Equal(t, 200, e.list().status)
}

func TestLimitsCanBeLiftedAndLowered(t *testing.T) {
	e := newEmulator(t)
	e.seedMany(30)
	e.SetLimits(minapptest.Limits{PageMax: 5, BulkMax: 2})
	require.Len(t, e.list("limit", "30").column("id"), 5)
	require.Equal(t, 400, e.send("POST", recordURL, `[{},{},{}]`).status)
	e.SetLimits(minapptest.Limits{PageMax: -1, URLMax: -1})
	require.Equal(t, 200, e.list("limit", "5000", "keys", "name"+strings.Repeat(",name", 5000)).status)
}

// The log shows what arrived, without credentials.
func TestRequestLog(t *testing.T) {
	e := newEmulator(t)
	e.send("POST", recordURL+"?enable_trigger=0", `{"name":"a"}`, "Cookie", "secret=1", "X-Extra", "1")
	e.send("GET", "/elsewhere/", "")

	log := e.Requests()
	require.Len(t, log, 2)
	require.Equal(t, "records.create", log[0].Operation)
	require.Equal(t, "POST", log[0].Method)
	require.Equal(t, recordURL, log[0].Path)
	require.Equal(t, "enable_trigger=0", log[0].RawQuery)
	require.JSONEq(t, `{"name":"a"}`, string(log[0].Body))
	require.Equal(t, 201, log[0].Status)
	require.Equal(t, "1", log[0].Header.Get("X-Extra"))
	require.NotContains(t, log[0].Header, "Authorization")
	require.NotContains(t, log[0].Header, "Cookie")
	require.Empty(t, log[1].Operation)
	require.Equal(t, 1, e.Count("records.create"))
	require.Equal(t, 2, e.Count(""))
	e.ResetLog()
	require.Empty(t, e.Requests())
	require.Zero(t, e.Count(""))
}

// Every minapp operation of the client is one of the emulator, by the same name.
func TestOperationNames(t *testing.T) {
	e := newEmulator(t)
	id := e.seed(`{"name":"a"}`)[0]
	for _, op := range operation.Operations() {
		if op.Service != operation.Minapp {
			continue
		}
		path := strings.NewReplacer("{surface}", "oserve", "{version}", "v1.8", "{table}", "3906", "{record}", id).Replace(op.Path)
		if strings.Contains(path, "{") {
			t.Logf("%s is not emulated", op.Name)
			continue
		}
		body := map[string]string{"records.count": "?limit=1&return_total_count=1", "bulk.create": "[]"}[op.Name]
		e.ResetLog()
		// Nothing is processed: only the name matters.
		e.Fault(minapptest.Fault{Status: 418})
		require.Equal(t, 418, e.send(op.Method, path+query1(body), strings.TrimPrefix(body, query1(body))).status)
		require.Equal(t, op.Name, e.Requests()[0].Operation)
	}
}

// A fault or a count of an operation that does not exist would test nothing.
func TestMisspelledOperations(t *testing.T) {
	server := minapptest.NewServer(t)
	for _, op := range operation.Operations() {
		require.NotPanics(t, func() { server.Count(op.Name) })
	}
	const complaint = `minapptest: there is no operation "bulk.craete"; the package's documentation lists them`
	require.PanicsWithValue(t, complaint, func() { server.Count("bulk.craete") })
	require.PanicsWithValue(t, complaint, func() { server.Fault(minapptest.Fault{Operation: "bulk.craete"}) })
}

func query1(s string) string {
	if strings.HasPrefix(s, "?") {
		return s
	}
	return ""
}

func TestListen(t *testing.T) {
	s := minapptest.New()
	base, err := s.Listen("127.0.0.1:0")
	require.NoError(t, err)
	require.Equal(t, base, s.URL())
	defer http.DefaultClient.CloseIdleConnections()
	e := &emulator{Server: s, t: t}
	require.Equal(t, 200, e.sendBy(http.DefaultTransport, http.MethodGet, tableURL, "").status)

	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again")
	_, err = s.Listen("127.0.0.1:0")
	require.Error(t, err)
	_, err = minapptest.New().Listen("nonsense")
	require.Error(t, err)
	_, _, err = e.post(t.Context())
	require.Error(t, err)
}

func TestHandler(t *testing.T) {
	ts := httptest.NewServer(minapptest.New().Handler())
	defer ts.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL+tableURL, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer x")
	resp, err := ts.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
}

// fakeTB is the least a test can be.
type fakeTB struct {
	cleanup []func()
	errors  []string
}

func (*fakeTB) Helper()                     {}
func (f *fakeTB) Cleanup(fn func())         { f.cleanup = append(f.cleanup, fn) }
func (f *fakeTB) Errorf(s string, a ...any) { f.errors = append(f.errors, fmt.Sprintf(s, a...)) }

func TestNewServerClosesWithTheTest(t *testing.T) {
	tb := &fakeTB{}
	s := minapptest.NewServer(tb)
	require.Len(t, tb.cleanup, 1)
	tb.cleanup[0]()
	require.Empty(t, tb.errors)
	_, _, err := (&emulator{Server: s, t: t}).post(t.Context())
	require.ErrorContains(t, err, "connection refused")
}

func TestOptionsConfigureAClient(t *testing.T) {
	for _, opts := range [][]minapptest.Option{nil, {minapptest.WithToken("secret")}} {
		e := newEmulator(t, opts...)
		client, err := minapp.NewClient(e.Options()...)
		require.NoError(t, err)
		type product struct {
			Name string `json:"name"`
		}
		created, err := minapp.TableOf[product](client, 3906).Create(context.Background(), product{Name: "包"})
		require.NoError(t, err)
		require.Equal(t, "包", created.Value.Name)
		require.Equal(t, e.Rows(3906)[0]["id"], created.ID())
	}
}

func TestConcurrentUse(t *testing.T) {
	e := newEmulator(t)
	require.Equal(t, 201, e.send("POST", "/oserve/v2.6/schema/3906/index/", `{"fields":["name"]}`).status)
	counter := e.seed(`{"amount":0}`)[0]
	handler := e.Handler()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 20 {
				serve(handler, "POST", recordURL, fmt.Sprintf(`{"name":"%d-%d","created_at":%d}`, g, i, i%3))
				serve(handler, "GET", recordURL+"?order_by=name,-created_at&limit=5&where=%7B%22name%22%3A%7B%22%24contains%22%3A%221%22%7D%7D", "")
				serve(handler, "GET", recordURL, "")
				serve(handler, "PUT", updateURL+counter+"/", `{"amount":{"$incr_by":1}}`)
				e.Rows(3906)
			}
		})
	}
	wg.Wait()
	require.Len(t, e.Rows(3906), 161)
	require.Contains(t, e.send("GET", recordURL+counter+"/", "").text, `"amount":160`)
}

func serve(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(context.Background(), method, path, bytes.NewReader([]byte(body)))
	req.Header.Set("Authorization", "Bearer x")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func BenchmarkReadWholeTable(b *testing.B) {
	s := minapptest.NewServer(&fakeTB{})
	defer func() { require.NoError(b, s.Close()) }()
	id, err := s.CreateTable(minapptest.Table{Name: "t", Schema: minapptest.Schema{Fields: []minapptest.Field{{Name: "name", Type: "string"}, {Name: "n", Type: "integer"}}}})
	require.NoError(b, err)
	rows := make([]any, 100_000)
	for i := range rows {
		rows[i] = map[string]any{"name": "a name of some length", "n": i, "created_at": 1_700_000_000 + i/10}
	}
	_, err = s.Seed(id, rows...)
	require.NoError(b, err)
	for _, order := range []string{"created_at", "-created_at", "id"} {
		b.Run(order, func(b *testing.B) {
			for b.Loop() {
				for offset := 0; offset < len(rows); offset += 1000 {
					w := serve(s.Handler(), "GET", fmt.Sprintf("/oserve/v2.4/table/%d/record/?limit=1000&order_by=%s&offset=%d", id, order, offset), "")
					require.Equal(b, 200, w.Code)
				}
			}
		})
	}
}

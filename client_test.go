package minapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

const secret = "t0ken-that-nobody-may-see"

// mocked is a client whose every request meets the responder.
func mocked(t *testing.T, responder httpmock.Responder, opts ...minapp.Option) (*minapp.Client, *httpmock.MockTransport) {
	t.Helper()
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(responder)
	opts = append([]minapp.Option{minapp.WithToken(secret), minapp.WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	client, err := minapp.NewClient(opts...)
	require.NoError(t, err)
	return client, transport
}

func TestEveryMistakeInTheOptionsIsReportedAtOnce(t *testing.T) {
	_, err := minapp.NewClient(
		minapp.WithToken("line\nbreak"),
		minapp.WithSession(&http.Cookie{Name: "sessionid", Value: "v"}),
		minapp.WithBaseURL("cloud.minapp.com"),
		minapp.WithRetry(minapp.RetryPolicy{}),
		minapp.WithPlan(minapp.PlanFree, 1.5),
		minapp.WithTableVersion("v3"),
		minapp.WithEnvID(" "),
		minapp.WithHTTPClient(nil),
		minapp.WithTokenSource(nil),
		minapp.WithLimiter(nil),
		minapp.WithLogger(nil),
		minapp.WithCodec(nil),
		minapp.WithUserAgent("a\r\nb"),
		nil,
	)
	require.ErrorIs(t, err, minapp.ErrInvalid)
	for _, part := range []string{
		"access token has a line break", "2 credentials given", "base URL has no scheme", "RetryPolicy.MaxAttempts is 0",
		"share 1.5 of a plan", `table version is "v3"`, "environment id is blank", "HTTP client is nil", "token source is nil",
		"limiter is nil", "logger is nil", "codec is nil", "user agent has a line break", "option 13 is nil",
	} {
		assert.ErrorContains(t, err, part)
	}
	assert.NotContains(t, err.Error(), "line\nbreak")
}

// A token that is copied from a curl sample would only be refused by the service.
func TestATokenIsNotAWholeHeader(t *testing.T) {
	for _, token := range []string{"Bearer s3cr3t", "bearer s3cr3t"} {
		_, err := minapp.NewClient(minapp.WithToken(token))
		require.ErrorIs(t, err, minapp.ErrInvalid)
		require.ErrorContains(t, err, "earer\", which is added to it")
		assert.NotContains(t, err.Error(), "s3cr3t")
	}
}

func TestBaseURL(t *testing.T) {
	for raw, accepted := range map[string]bool{
		"https://proxy.example/minapp": true,
		"http://127.0.0.1:8080":        true,
		"http://localhost:8080/":       true,
		"http://[::1]:8080":            true,
		"http://proxy.example":         false, // plain http off this machine
		"//proxy.example":              false,
		"https://":                     false,
		"https://user:pw@proxy":        false,
		"https://proxy/?q=1":           false,
		"https://proxy/../x":           false,
		"ftp://proxy":                  false,
		"https://%zz":                  false,
	} {
		_, err := minapp.NewClient(minapp.WithToken("t"), minapp.WithBaseURL(raw))
		assert.Equal(t, accepted, err == nil, "%s: %v", raw, err)
		if err != nil {
			assert.NotContains(t, err.Error(), "pw")
		}
	}
	_, err := minapp.NewClient(minapp.WithPlainHTTP(), minapp.WithBaseURL("http://proxy.example"))
	require.NoError(t, err, "the caller may mean it, and order does not matter")
}

func TestCallsWithoutCredentialsAreNotSent(t *testing.T) {
	transport := httpmock.NewMockTransport()
	client, err := minapp.NewClient(minapp.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	_, err = client.Records.Get(t.Context(), 1, "a")
	require.ErrorIs(t, err, minapp.ErrNoCredentials)
	assert.Zero(t, transport.GetTotalCallCount())
}

func TestCredentialsAreSetPerRequest(t *testing.T) {
	var headers []http.Header
	var urls []string
	record := func(r *http.Request) (*http.Response, error) {
		headers = append(headers, r.Header.Clone())
		urls = append(urls, r.URL.String())
		return httpmock.NewStringResponse(200, `{"id":"a"}`), nil
	}
	client, _ := mocked(t, record, minapp.WithEnvID("env1"), minapp.WithUserAgent("importer/1.2"))
	_, err := client.Records.Get(t.Context(), 1, "a")
	require.NoError(t, err)
	session, err := client.With(minapp.WithSession(&http.Cookie{Name: "sessionid", Value: "v1"}, &http.Cookie{Name: "csrf", Value: "v2"}))
	require.NoError(t, err, "in With a later credential replaces an earlier one")
	_, err = session.Records.Get(t.Context(), 1, "a")
	require.NoError(t, err)

	assert.Equal(t, "Bearer "+secret, headers[0].Get("Authorization"))
	assert.Equal(t, "env1", headers[0].Get("X-Hydrogen-Env-ID"))
	assert.True(t, strings.HasPrefix(headers[0].Get("User-Agent"), "importer/1.2 minapp-go/"))
	assert.Equal(t, "https://cloud.minapp.com/oserve/v2.4/table/1/record/a/", urls[0])
	assert.Empty(t, headers[1].Get("Authorization"))
	assert.Equal(t, "sessionid=v1; csrf=v2", headers[1].Get("Cookie"))
	assert.Equal(t, "https://cloud.minapp.com/userve/v2.4/table/1/record/a/", urls[1])
}

type failingSource struct{ err error }

func (s failingSource) Token(context.Context) (string, error) { return "", s.err }

func TestTokenSourceIsAskedAtEachCall(t *testing.T) {
	why := errors.New("vault is sealed")
	client, transport := mocked(t, httpmock.NewStringResponder(200, `{}`), minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
	client, err := client.With(minapp.WithTokenSource(failingSource{why}))
	require.NoError(t, err)
	_, err = client.Records.Get(t.Context(), 1, "a")
	require.ErrorIs(t, err, why)
	assert.Zero(t, transport.GetTotalCallCount())
}

func TestSecretsDoNotShow(t *testing.T) {
	var log bytes.Buffer
	client, _ := mocked(t, httpmock.NewStringResponder(401, `{"error_msg":"token `+secret+` expired"}`),
		minapp.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))), minapp.WithMOIKey("moi-"+secret))
	table := minapp.TableOf[minapp.Fields](client, 1)
	_, err := table.Get(t.Context(), "a")
	require.ErrorIs(t, err, minapp.ErrUnauthorized)
	e, _ := errors.AsType[*minapp.Error](err)
	slog.New(slog.NewJSONHandler(&log, nil)).Error("call failed", "err", err, "value", e)
	shown := []string{
		err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", e), string(e.Body), log.String(),
		fmt.Sprintf("%v %+v %#v %s", client, client, client, client), fmt.Sprintf("%+v %#v", table, table),
		fmt.Sprintf("%+v %#v", *client, client.Records), fmt.Sprintf("%v %#v", *client, *client),
		fmt.Sprintf("%+v %#v", struct{ c minapp.Client }{*client}, struct{ c *minapp.Client }{client}), fmt.Sprintf("%+v", minapp.WithToken(secret)),
	}
	for _, text := range shown {
		assert.NotContains(t, text, secret)
	}
	assert.Contains(t, err.Error(), "[redacted]")
}

// The default pool of net/http keeps two connections per host, so that eight
// parallel calls would open new ones all the time.
func TestConnectionsAreKeptForParallelCalls(t *testing.T) {
	const parallel = 8
	var opened atomic.Int64
	var together sync.WaitGroup // all calls of a round are in flight at once
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		together.Done()
		together.Wait()
		_, _ = io.WriteString(w, `{"id":"a"}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client, err := minapp.NewClient(minapp.WithToken("t"), minapp.WithBaseURL(server.URL))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	for range 5 {
		together.Add(parallel)
		var calls sync.WaitGroup
		for range parallel {
			calls.Go(func() {
				_, err := client.Records.Get(t.Context(), 1, "a")
				assert.NoError(t, err)
			})
		}
		calls.Wait()
	}
	assert.LessOrEqual(t, opened.Load(), int64(parallel))
}

func TestWithSharesStatisticsAndDiffersOtherwise(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(200, `{"id":"a"}`))
	other, err := client.With(minapp.WithEnvID("e"))
	require.NoError(t, err)
	_, err = client.Records.Get(t.Context(), 1, "a")
	require.NoError(t, err)
	_, err = other.Records.Get(t.Context(), 1, "a")
	require.NoError(t, err)
	assert.EqualValues(t, 2, client.Stats().Requests)
	assert.Equal(t, client.Stats(), other.Stats())
	_, err = client.With(minapp.WithToken("a"), minapp.WithToken("b"))
	require.ErrorIs(t, err, minapp.ErrInvalid)
}

// Everything that the issue of bad input lists, in one place: a clear error
// that names the argument, before anything is sent.
func TestBadInputIsRefusedBeforeAnythingIsSent(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(200, `{}`))
	ctx := t.Context()
	table := minapp.TableOf[any](client, 3906)
	raw := minapp.TableOf[json.RawMessage](client, 3906)
	name := patch.Set("name", "x")
	everything := func(opts ...minapp.CallOption) error {
		_, err := table.Get(ctx, "a", opts...)
		return err
	}
	second := func(_ any, err error) error { return err }
	query := func(q minapp.Query) error { return second(table.Page(ctx, q)) }
	tests := map[string]struct {
		err  error
		says string
	}{
		"empty record id in get":        {second(table.Get(ctx, "")), "record is blank"},
		"blank record id in update":     {second(table.Update(ctx, " ", name)), "record is blank"},
		"blank record id in delete":     {table.Delete(ctx, "\t"), "record is blank"},
		"dot record id":                 {table.Delete(ctx, ".."), `record is ".."`},
		"table id 0":                    {second(minapp.TableOf[any](client, 0).Get(ctx, "a")), "table id is 0"},
		"negative page size":            {query(minapp.Query{PageSize: -1}), "PageSize is -1"},
		"page size above 1000":          {query(minapp.Query{PageSize: 1001}), "PageSize is 1001"},
		"negative offset":               {query(minapp.Query{Offset: -1}), "Offset -1"},
		"negative max":                  {query(minapp.Query{Max: -1}), "Max -1"},
		"mixed keys":                    {query(minapp.Query{Keys: []string{"a", "-b"}}), `Keys ["a" "-b"] mix`},
		"mixed keys as an option":       {everything(minapp.CallKeys("a", "-b")), "mix"},
		"blank key":                     {query(minapp.Query{Keys: []string{""}}), "Keys[0]"},
		"order by a list":               {query(minapp.Query{OrderBy: []string{"a,b"}}), "OrderBy[0]"},
		"blank expand":                  {query(minapp.Query{Expand: []string{" "}}), "Expand[0]"},
		"empty filter group":            {query(minapp.Query{Where: where.And()}), "Where"},
		"filter mistake in count":       {second(table.Count(ctx, where.Eq("", 1))), "Where"},
		"unencodable value":             {second(table.Create(ctx, make(chan int))), "value: json: unsupported type"},
		"value that is an array":        {second(table.Create(ctx, []int{1})), "not as one JSON object"},
		"value that is nil":             {second(table.Create(ctx, nil)), "not as one JSON object"},
		"raw row that is an array":      {second(raw.Create(ctx, json.RawMessage(` [{}]`))), "not as one JSON object"},
		"raw row that is not JSON":      {second(raw.Create(ctx, json.RawMessage(`{"a":`))), "not valid JSON"},
		"empty patch":                   {second(table.Update(ctx, "a", patch.Patch{})), "patch"},
		"1001 rows in CreateMany":       {second(table.CreateMany(ctx, make([]any, 1001))), "1001 values given"},
		"unencodable row in CreateMany": {second(table.CreateMany(ctx, []any{minapp.Fields{}, func() {}})), "row 1"},
		"replay of a read":              {everything(minapp.CallReplay()), "CallReplay does not apply"},
		"triggers of a read":            {everything(minapp.CallTriggers(true)), "CallTriggers does not apply"},
		"keys of a delete":              {table.Delete(ctx, "a", minapp.CallKeys("b")), "CallKeys does not apply"},
		"expand of a list":              {second(table.Page(ctx, minapp.Query{}, minapp.CallExpand("b"))), "CallExpand does not apply"},
		"empty call option":             {everything(minapp.CallOption{}), "call option 0 is empty"},
		"credential as a header":        {everything(minapp.CallHeader("authorization", "x")), "belongs to the client"},
		"idempotency key as a header":   {everything(minapp.CallHeader("Idempotency-Key", "x")), "belongs to the client"},
		"line break in a header":        {everything(minapp.CallHeader("X-A", "x\ny")), "line break"},
		"blank header name":             {everything(minapp.CallHeader("", "x")), "no header name"},
		"brackets in a header name":     {everything(minapp.CallHeader("X(A)", "x")), "no header name"},
		"comma in a header name":        {everything(minapp.CallHeader("X,A", "x")), "no header name"},
		"quote in a header name":        {everything(minapp.CallHeader(`X"A`, "x")), "no header name"},
		"umlaut in a header name":       {everything(minapp.CallHeader("X-Ä", "x")), "no header name"},
		"control character in a header": {everything(minapp.CallHeader("X-A", "a\x01b")), "control character"},
		"delete character in a header":  {everything(minapp.CallHeader("X-A", "a\x7fb")), "control character"},
		"nil destination":               {everything(minapp.CallMeta(nil)), "destination is nil"},
		"retry policy without attempts": {everything(minapp.CallRetry(minapp.RetryPolicy{})), "MaxAttempts is 0"},
		"URL too long":                  {query(minapp.Query{Where: where.In("id", strings.Split(strings.Repeat("5a2fa9b008443e59e0e67829,", 800), ",")...)}), "bytes encoded"},
		"Do with another method":        {client.Do(ctx, minapp.Request{Method: "HEAD", Path: "x"}, nil), `Request.Method is "HEAD"`},
		"Do with a dot segment":         {client.Do(ctx, minapp.Request{Method: "GET", Path: "v1/../x"}, nil), `path segment is ".."`},
		"Do without a path":             {client.Do(ctx, minapp.Request{Method: "GET"}, nil), "path segment is blank"},
		"Do with an unencodable body":   {client.Do(ctx, minapp.Request{Method: "POST", Path: "x", Body: func() {}}, nil), "body: json: unsupported type"},
		"blank table name":              {second(client.Tables.FindByName(ctx, " ")), "name is blank"},
		"table name with a dash":        {second(client.Tables.Create(ctx, minapp.TableSpec{Name: "a-b"})), "other characters"},
		"table name of 33 characters":   {second(client.Tables.Create(ctx, minapp.TableSpec{Name: strings.Repeat("a", 33)})), "at most 32"},
		"table name with a digit first": {second(client.Tables.Create(ctx, minapp.TableSpec{Name: "1a"})), "begin with a letter"},
		"array column without items":    {second(client.Tables.Create(ctx, spec(minapp.Field{Name: "a", Type: minapp.TypeArray}))), "needs Items"},
		"geojson without its system":    {second(client.Tables.Create(ctx, spec(minapp.Field{Name: "a", Type: minapp.TypeGeoJSON, Format: "default"}))), "needs Format and CoordinateType"},
		"pointer without a table":       {second(client.Tables.Create(ctx, spec(minapp.Field{Name: "a", Type: minapp.TypePointer}))), "needs SchemaID"},
		"column without a type":         {second(client.Tables.Create(ctx, spec(minapp.Field{Name: "a"}))), "needs a Type"},
		"column twice":                  {second(client.Tables.Create(ctx, spec(minapp.Field{Name: "a", Type: "string"}, minapp.Field{Name: "a", Type: "string"}))), "there twice"},
		"negative table page":           {second(client.Tables.Page(ctx, minapp.TableQuery{PageSize: -2})), "TableQuery: PageSize is -2"},
		"table id in delete":            {client.Tables.Delete(ctx, -1), "table id is -1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tt.err)
			assert.ErrorContains(t, tt.err, tt.says)
			assert.True(t, errors.Is(tt.err, minapp.ErrInvalid) || errors.Is(tt.err, minapp.ErrTooLong), "%v", tt.err)
		})
	}
	assert.Zero(t, transport.GetTotalCallCount(), "nothing may be sent")
}

func spec(fields ...minapp.Field) minapp.TableSpec {
	return minapp.TableSpec{Name: "t", Fields: fields}
}

func TestSentinelsByStatus(t *testing.T) {
	all := []error{
		minapp.ErrNotFound, minapp.ErrUnauthorized, minapp.ErrForbidden, minapp.ErrInvalid, minapp.ErrPaymentRequired,
		minapp.ErrDuplicate, minapp.ErrRateLimited, minapp.ErrUnavailable, minapp.ErrProtocol, minapp.ErrUnfiltered,
		minapp.ErrOutcomeUnknown, minapp.ErrNoCredentials, minapp.ErrTooLong,
	}
	for status, want := range map[int][]error{
		400: {minapp.ErrInvalid}, 401: {minapp.ErrUnauthorized}, 402: {minapp.ErrPaymentRequired}, 403: {minapp.ErrForbidden},
		404: {minapp.ErrNotFound}, 422: {minapp.ErrInvalid}, 429: {minapp.ErrRateLimited}, 500: {minapp.ErrUnavailable},
		502: {minapp.ErrUnavailable}, 503: {minapp.ErrUnavailable}, 418: nil,
	} {
		client, _ := mocked(t, httpmock.NewStringResponder(status, `{"status":"error","error_msg":"服务的话"}`), minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
		_, err := client.Records.Get(t.Context(), 1, "a")
		var is []error
		for _, sentinel := range all {
			if errors.Is(err, sentinel) {
				is = append(is, sentinel)
			}
		}
		assert.Equal(t, want, is, status)
		assert.ErrorContains(t, err, "服务的话", "the service's words are kept")
	}
}

func TestErrorText(t *testing.T) {
	e := &minapp.Error{
		Op: "records.get", Method: "GET", Path: "/oserve/v2.4/table/1/record/a/", StatusCode: 503, Message: "busy",
		RequestID: "r7", RetryAfter: 2 * time.Minute, Attempts: 4,
	}
	assert.Equal(t, "records.get: 503 service unavailable: busy (retry after 2m0s) (4 attempts) (GET /oserve/v2.4/table/1/record/a/) (request r7)", e.Error())
	assert.Contains(t, e.LogValue().String(), "path=/oserve/v2.4/table/1/record/a/")
	e = &minapp.Error{Op: "exporttasks.create", StatusCode: 200, Code: "ErrServer", Message: "no such connector"}
	assert.Equal(t, "exporttasks.create: code ErrServer: no such connector", e.Error(), "a refusal is not called ok")
}

func TestCallOptions(t *testing.T) {
	var got *http.Request
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		got = r
		resp := httpmock.NewStringResponse(200, `{"id":"a"}`)
		resp.Header = http.Header{"X-Request-Id": {"r1"}, "Set-Cookie": {"a=b"}}
		return resp, nil
	})
	var info minapp.CallInfo
	_, err := client.Records.Get(t.Context(), 1, "a",
		minapp.CallKeys("name", "price"), minapp.CallExpand("author", "created_by"), minapp.CallHeader("X-Trace", "t"), minapp.CallMeta(&info))
	require.NoError(t, err)
	assert.Equal(t, "expand=author%2Ccreated_by&keys=name%2Cprice", got.URL.RawQuery)
	assert.Equal(t, "t", got.Header.Get("X-Trace"))
	assert.Equal(t, minapp.CallInfo{Status: 200, Header: http.Header{"X-Request-Id": {"r1"}}, Attempts: 1, RequestID: "r1"}, info)

	_, err = client.Records.Create(t.Context(), 1, minapp.Fields{"a": 1}, minapp.CallTriggers(false))
	require.NoError(t, err)
	assert.Equal(t, "enable_trigger=0", got.URL.RawQuery)
}

func TestCallRetryAndReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, transport := mocked(t, httpmock.NewStringResponder(503, ``))
		_, err := client.Records.Get(t.Context(), 1, "a", minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 2}))
		require.ErrorIs(t, err, minapp.ErrUnavailable)
		assert.Equal(t, 2, transport.GetTotalCallCount())
		transport.ZeroCallCounters()
		_, err = client.Records.Create(t.Context(), 1, minapp.Fields{"a": 1}, minapp.CallReplay())
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		assert.Equal(t, 4, transport.GetTotalCallCount())
	})
}

func TestPlanIsNeverExceededInAnyMinute(t *testing.T) {
	for _, plan := range []minapp.Plan{minapp.PlanFree, minapp.PlanEducation, minapp.PlanPersonal} {
		synctest.Test(t, func(t *testing.T) {
			responder, sent := sentTimes()
			client, _ := mocked(t, responder, minapp.WithPlan(plan, 0.5))
			n := int(plan) + int(plan)/2 // three minutes' worth of half the plan
			start := time.Now()
			getting(t, n, client)
			require.Len(t, sent(), n)
			requireShare(t, int(plan)/2, sent())
			assert.Less(t, time.Since(start), 4*time.Minute, "and the share is used")
		})
	}
}

func TestWaitBeyondTheDeadlineFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, transport := mocked(t, httpmock.NewStringResponder(200, `{"id":"a"}`), minapp.WithPlan(minapp.PlanFree, 0.5))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := client.Records.Get(ctx, 1, "a")
		require.NoError(t, err, "the first one is free")
		_, err = client.Records.Get(ctx, 1, "a")
		require.ErrorContains(t, err, "limiter")
		assert.Zero(t, time.Since(start))
		assert.Equal(t, 1, transport.GetTotalCallCount())
	})
}

// sentTimes is a responder that notes when requests come.
func sentTimes() (responder httpmock.Responder, sent func() []time.Time) {
	var mu sync.Mutex
	var times []time.Time
	return func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Now())
			return httpmock.NewStringResponse(200, `{"id":"a"}`), nil
		}, func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(times)
		}
}

// getting has n calls at once made by each of the clients.
func getting(t *testing.T, n int, clients ...*minapp.Client) {
	t.Helper()
	var calls sync.WaitGroup
	for _, client := range clients {
		for range n {
			calls.Go(func() {
				_, err := client.Records.Get(t.Context(), 1, "a")
				assert.NoError(t, err)
			})
		}
	}
	calls.Wait()
}

func requireShare(t *testing.T, share int, sent []time.Time) {
	t.Helper()
	for i := share; i < len(sent); i++ {
		require.GreaterOrEqual(t, sent[i].Sub(sent[i-share]), time.Minute, "%d requests within a minute", share+1)
	}
}

func TestDerivedClientsShareThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		responder, sent := sentTimes()
		client, _ := mocked(t, responder, minapp.WithPlan(minapp.PlanFree, 0.5))
		other, err := client.With(minapp.WithEnvID("e1"))
		require.NoError(t, err)
		getting(t, 40, client, other)
		require.Len(t, sent(), 80)
		requireShare(t, 25, sent())

		unpaced, _ := mocked(t, responder)
		paced, err := unpaced.With(minapp.WithPlan(minapp.PlanFree, 0.5))
		require.NoError(t, err)
		start := time.Now()
		var slow sync.WaitGroup
		slow.Go(func() { getting(t, 10, paced) })
		synctest.Wait()
		getting(t, 10, unpaced)
		assert.Equal(t, start, time.Now(), "a plan of its own keeps only its own calls")
		slow.Wait()
		assert.Greater(t, time.Since(start), 20*time.Second)
	})
}

func TestClientsShareALimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		responder, sent := sentTimes()
		limiter := minapp.WithLimiter(rate.NewLimiter(rate.Every(time.Minute/23), 1)) // 24 in a minute, 25 with what is rounded
		one, _ := mocked(t, responder, limiter)
		two, _ := mocked(t, responder, limiter)
		start := time.Now()
		getting(t, 40, one, two)
		require.Len(t, sent(), 80)
		requireShare(t, 25, sent())
		assert.Less(t, time.Since(start), 4*time.Minute, "and the share is used")
	})
}

func TestCancelledCallLeavesTheLineAtOnce(t *testing.T) {
	for name, option := range map[string]minapp.Option{
		"plan": minapp.WithPlan(minapp.PlanFree, 0.5), "limiter": minapp.WithLimiter(rate.NewLimiter(0.4, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				responder, sent := sentTimes()
				client, _ := mocked(t, responder, option)
				getting(t, 1, client)
				why := errors.New("user left")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(why) })
				start := time.Now()
				var waiting sync.WaitGroup
				for range 5 {
					waiting.Go(func() {
						_, err := client.Records.Get(ctx, 1, "a", minapp.CallExpand("author", "shop"))
						assert.ErrorIs(t, err, why)
					})
				}
				waiting.Wait()
				assert.Equal(t, time.Second, time.Since(start))
				getting(t, 1, client)
				assert.Len(t, sent(), 2)
				assert.InDelta(t, 2500*time.Millisecond, time.Since(start), float64(time.Millisecond), "as if they had never been there")
			})
		})
	}
}

func TestDo(t *testing.T) {
	var got *http.Request
	var body []byte
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		got, body = r, nil
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		return httpmock.NewStringResponse(200, `{"time":"2026-11-20T10:00:00+08:00"}`), nil
	})
	var out struct{ Time string }
	require.NoError(t, client.Do(t.Context(), minapp.Request{Method: "GET", Path: "v2.2/server/time"}, &out))
	assert.Equal(t, "/oserve/v2.2/server/time/", got.URL.Path)
	assert.Equal(t, "2026-11-20T10:00:00+08:00", out.Time)

	var raw json.RawMessage
	err := client.Do(t.Context(), minapp.Request{Method: "PUT", Path: "/v1/table/7/", Query: map[string][]string{"a": {"b"}}, Body: map[string]int{"n": 1}}, &raw)
	require.NoError(t, err)
	assert.Equal(t, "https://cloud.minapp.com/oserve/v1/table/7/?a=b", got.URL.String())
	assert.JSONEq(t, `{"n":1}`, string(body))
	assert.JSONEq(t, `{"time":"2026-11-20T10:00:00+08:00"}`, string(raw))
	var wrong struct{ Time int }
	err = client.Do(t.Context(), minapp.Request{Method: "GET", Path: "x"}, &wrong)
	require.ErrorIs(t, err, minapp.ErrProtocol)
}

func TestTheCallersOwnDeadlineIsNotUnavailability(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Records.Create(ctx, 1, minapp.Fields{"a": 1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, minapp.ErrUnavailable)
	})
}

// A context that has ended before the call: nothing was sent, and the error
// says so, also row by row.
func TestRowsOfABatchWhoseContextHasEndedAreNotSent(t *testing.T) {
	s, table := emulated(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	input := func(yield func(article, error) bool) {
		for i := range 8 {
			if i == 5 {
				cancel()
			}
			if !yield(article{Name: name(i)}, nil) {
				return
			}
		}
	}
	var totals minapp.Totals
	var last error
	for b, err := range table.CreateAll(ctx, input, minapp.BatchOptions{Size: 10}) {
		if last = err; b != nil {
			totals = b.Totals
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, minapp.Totals{Read: 5, NotSent: 5}, totals)
	assert.Zero(t, s.Count("bulk.create"))
	_, err := table.Create(ctx, article{Name: "a"})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
}

func TestErrorOfAnUnreadableAnswerHasPathAndBody(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(200, `["`+secret+`"]`))
	_, err := client.Records.Get(t.Context(), 1, "a")
	require.ErrorIs(t, err, minapp.ErrProtocol)
	e, ok := errors.AsType[*minapp.Error](err)
	require.True(t, ok)
	assert.Equal(t, "/oserve/v2.4/table/1/record/a/", e.Path)
	assert.Equal(t, `["[redacted]"]`, string(e.Body))
}

// Five calls at 24 a minute take 10 s, and none of them takes longer than 5 s.
func TestTimeOutOfTheHTTPClientDoesNotCoverTheWaitForThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := httpmock.NewMockTransport()
		transport.RegisterNoResponder(httpmock.NewStringResponder(200, `{"id":"a"}`))
		client, err := minapp.NewClient(minapp.WithToken("t"), minapp.WithPlan(minapp.PlanFree, 0.5),
			minapp.WithHTTPClient(&http.Client{Timeout: 5 * time.Second, Transport: transport}))
		require.NoError(t, err)
		var calls sync.WaitGroup
		for range 5 {
			calls.Go(func() {
				_, err := client.Records.Get(t.Context(), 1, "a")
				assert.NoError(t, err)
			})
		}
		calls.Wait()
	})
}

// Transports of tests often leave out what nothing is in.
func TestTransportThatLeavesOutTheBody(t *testing.T) {
	client, _ := mocked(t, func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 204}, nil })
	require.NoError(t, client.Records.Delete(t.Context(), 1, "a"))
	require.NoError(t, client.Do(t.Context(), minapp.Request{Method: "DELETE", Path: "x"}, &struct{}{}))
	client, _ = mocked(t, func(*http.Request) (*http.Response, error) { return nil, nil })
	err := client.Records.Delete(t.Context(), 1, "a", minapp.CallRetry(minapp.RetryPolicy{MaxAttempts: 1}))
	require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
}

func TestNilsDoNotPanic(t *testing.T) {
	_, err := minapp.TableOf[article](nil, 1).Create(t.Context(), article{})
	require.ErrorIs(t, err, minapp.ErrInvalid)
	client, transport := mocked(t, httpmock.NewStringResponder(200, `{"meta":{},"objects":[]}`))
	var none context.Context
	_, err = client.Records.Get(none, 1, "a")
	require.ErrorIs(t, err, minapp.ErrInvalid)
	for _, err := range client.Records.All(none, 1, minapp.Query{}) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
	}
	one := func(yield func(minapp.Fields, error) bool) { yield(nil, nil) }
	for _, err := range client.Bulk.CreateAll(none, 1, one, minapp.BatchOptions{}) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
	}
	assert.Zero(t, transport.GetTotalCallCount())
}

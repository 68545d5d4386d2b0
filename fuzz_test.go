package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// recorder keeps what is asked, and answers it all with one text.
type recorder struct {
	status int
	answer string
	asked  []*http.Request
	bodies []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	r.asked, r.bodies = append(r.asked, req), append(r.bodies, string(body))
	return &http.Response{
		StatusCode: r.status, Header: http.Header{}, Request: req,
		ContentLength: int64(len(r.answer)), Body: io.NopCloser(strings.NewReader(r.answer)),
	}, nil
}

// recorded is a client whose requests all end at the recorder, and are not
// repeated.
func recorded(f *testing.F, r *recorder) *minapp.Client {
	f.Helper()
	client, err := minapp.NewClient(
		minapp.WithToken(secret), minapp.WithMOIKey(worldKey), minapp.WithBaseURL("https://data.example/proxy"),
		minapp.WithMOIBaseURL("https://moi.example/byoa/api/v1"), minapp.WithHTTPClient(&http.Client{Transport: r}),
		minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}),
	)
	require.NoError(f, err)
	return client
}

// named are the calls that something is named to by a text: where the request
// goes, with the text as one segment of the path, as the value of a parameter or
// as a member of the body, and nowhere else.
var named = map[string]struct {
	before, after string // of the path, around the segment
	param, member string
	call          func(context.Context, *minapp.Client, string) error
}{
	"Records.Get": {before: "/oserve/v2.4/table/1/record/", after: "/", call: func(ctx context.Context, c *minapp.Client, id string) error {
		_, err := c.Records.Get(ctx, 1, id)
		return err
	}},
	"Records.Update": {before: "/oserve/v2.6/table/1/record/", after: "/", call: func(ctx context.Context, c *minapp.Client, id string) error {
		_, err := c.Records.Update(ctx, 1, id, patch.Set("a", 1))
		return err
	}},
	"Records.Delete": {before: "/oserve/v2.4/table/1/record/", after: "/", call: func(ctx context.Context, c *minapp.Client, id string) error {
		return c.Records.Delete(ctx, 1, id)
	}},
	"Files.Get": {before: "/oserve/v2.2/file/", after: "/", call: func(ctx context.Context, c *minapp.Client, id string) error {
		_, err := c.Files.Get(ctx, id)
		return err
	}},
	"Tables.DeleteIndex": {before: "/oserve/v2.6/schema/1/index/", after: "/", call: func(ctx context.Context, c *minapp.Client, name string) error {
		return c.Tables.DeleteIndex(ctx, 1, name)
	}},
	"Exports.Get": {before: "/oserve/v1.5/table/1/export/", after: "/", call: func(ctx context.Context, c *minapp.Client, job string) error {
		_, err := c.Exports.Get(ctx, minapp.ExportRef{Table: 1, Job: job})
		return err
	}},
	"ExportTasks.Rerun": {before: "/byoa/api/v1/export/task/", after: "/rerun", call: func(ctx context.Context, c *minapp.Client, id string) error {
		return c.ExportTasks.Rerun(ctx, id)
	}},
	"Do": {before: "/oserve/", after: "/", call: func(ctx context.Context, c *minapp.Client, path string) error {
		return c.Do(ctx, minapp.Request{Method: http.MethodPost, Path: path}, nil)
	}},

	"Tables.FindByName": {before: "/oserve/v1/table/", param: "name", call: func(ctx context.Context, c *minapp.Client, name string) error {
		_, err := c.Tables.FindByName(ctx, name)
		return err
	}},
	"CallKeys": {before: "/oserve/v2.4/table/1/record/5a/", param: "keys", call: func(ctx context.Context, c *minapp.Client, name string) error {
		_, err := c.Records.Get(ctx, 1, "5a", minapp.CallKeys(name))
		return err
	}},
	"Query.OrderBy": {before: "/oserve/v2.4/table/1/record/", param: "order_by", call: func(ctx context.Context, c *minapp.Client, name string) error {
		_, err := c.Records.Page(ctx, 1, minapp.Query{OrderBy: []string{name}})
		return err
	}},

	"ExportTasks.Get": {before: "/byoa/api/v1/export/task/info", member: "id", call: func(ctx context.Context, c *minapp.Client, id string) error {
		_, err := c.ExportTasks.Get(ctx, id)
		return err
	}},
	"ExportTasks.Delete": {before: "/byoa/api/v1/export/task/delete", member: "id", call: func(ctx context.Context, c *minapp.Client, id string) error {
		return c.ExportTasks.Delete(ctx, id)
	}},
	"ExportTasks.FilePage": {before: "/byoa/api/v1/export/task/files", member: "task_id", call: func(ctx context.Context, c *minapp.Client, id string) error {
		_, err := c.ExportTasks.FilePage(ctx, id, byoa.FileQuery{})
		return err
	}},
}

// segment is what a path segment is made of, RFC 3986.
var segment = regexp.MustCompile(`^([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})+$`)

// No id and no name reaches another host, path or query: it is exactly where it
// belongs, or refused before anything is sent.
func FuzzPaths(f *testing.F) {
	for _, seed := range []string{
		"5a2fa9b008443e59e0e67801", "", " ", ".", "..", "../..", "a/b", "a//b", "/", "\\", "?q=1", "#f", "%2e%2e", "%2f", "%zz", "@evil.example", "//evil.example/x",
		"https://evil.example", "包", "　", "\u200b", "\x00", "\r\nHost: evil.example", "\xff", ";", "a&limit=1", "a=b", "-name", "name,price", "..;", "\x7f", "\u0085", "\u2028",
	} {
		f.Add(seed)
	}
	names := slices.Sorted(maps.Keys(named))
	out := &recorder{status: http.StatusNotFound, answer: `{"code":"ErrServer"}`}
	client := recorded(f, out)
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range names {
			to := named[name]
			out.asked, out.bodies = nil, nil
			err := to.call(t.Context(), client, text)
			if len(out.asked) == 0 {
				require.True(t, errors.Is(err, minapp.ErrInvalid) || errors.Is(err, minapp.ErrTooLong), "%s(%q): %v", name, text, err)
				continue
			}
			require.Len(t, out.asked, 1, name)
			r := out.asked[0]
			host, before := "data.example", "/proxy"+to.before
			if strings.HasPrefix(to.before, "/byoa/") {
				host, before = "moi.example", to.before
			}
			require.Equal(t, host, r.URL.Host, "%s(%q)", name, text)
			require.Equal(t, host, r.Host, "%s(%q)", name, text)
			require.Nil(t, r.URL.User)
			path, query, _ := strings.Cut(r.URL.RequestURI(), "?")
			inner, found := strings.CutPrefix(path, before)
			require.True(t, found, "%s(%q) asks for %s", name, text, path)
			switch {
			case to.param != "":
				require.Empty(t, inner)
				values, err := url.ParseQuery(query)
				require.NoError(t, err)
				require.Equal(t, []string{text}, values[to.param], "%s(%q)", name, text)
				values.Del(to.param)
				values.Del("limit")
				require.Empty(t, values, "%s(%q)", name, text)
			case to.member != "":
				require.Empty(t, inner+query)
				var body map[string]any
				require.NoError(t, json.Unmarshal([]byte(out.bodies[0]), &body))
				require.Equal(t, text, body[to.member], "%s(%q)", name, text)
			default:
				require.Empty(t, query)
				inner, found = strings.CutSuffix(inner, to.after)
				require.True(t, found, "%s(%q) asks for %s", name, text, path)
				checkSegments(t, inner, text, name == "Do")
			}
		}
	})
}

// checkSegments compares the segments of a path with the text that they stand
// for; only [minapp.Client.Do] takes more than one.
func checkSegments(t *testing.T, path, text string, several bool) {
	t.Helper()
	want := []string{text}
	if several {
		want = strings.Split(strings.Trim(text, "/"), "/")
	}
	got := strings.Split(path, "/")
	require.Len(t, got, len(want), "%q became %s", text, path)
	for i := range got {
		require.Regexp(t, segment, got[i])
		require.NotContains(t, []string{".", ".."}, got[i])
		plain, err := url.PathUnescape(got[i])
		require.NoError(t, err)
		require.Equal(t, want[i], plain)
	}
}

// Numbers are in the path as they are, and only if they can be one of a table,
// a user or an operation.
func FuzzNumbersInPaths(f *testing.F) {
	for _, seed := range []int64{0, 1, -1, 3906, math.MaxInt64, math.MinInt64} {
		f.Add(seed)
	}
	out := &recorder{status: http.StatusNotFound, answer: `{}`}
	client := recorded(f, out)
	f.Fuzz(func(t *testing.T, n int64) {
		for path, call := range map[string]func() error{
			"/proxy/oserve/v1/table/%d/":                  func() error { return client.Tables.Delete(t.Context(), minapp.TableID(n)) },
			"/proxy/oserve/v2.4/table/%d/record/5a/":      func() error { return client.Records.Delete(t.Context(), minapp.TableID(n), "5a") },
			"/proxy/oserve/v2.2/miniapp/user_profile/%d/": func() error { _, err := client.Users.Get(t.Context(), n); return err },
			"/proxy/oserve/v1/bulk-operation/%d/":         func() error { _, err := client.Bulk.Operation(t.Context(), minapp.OperationID(n)); return err },
			"/proxy/oserve/v1.5/table/%d/export/j/": func() error {
				_, err := client.Exports.Get(t.Context(), minapp.ExportRef{Table: minapp.TableID(n), Job: "j"})
				return err
			},
			"/proxy/oserve/v2.6/schema/%d/index/name_1/": func() error { return client.Tables.DeleteIndex(t.Context(), minapp.TableID(n), "name_1") },
		} {
			out.asked = nil
			err := call()
			if n <= 0 {
				require.ErrorIs(t, err, minapp.ErrInvalid)
				require.Empty(t, out.asked)
				continue
			}
			require.Len(t, out.asked, 1)
			require.Equal(t, fmt.Sprintf(path, n), out.asked[0].URL.RequestURI())
		}
	})
}

// A filter arrives as it was built, as one parameter that is valid JSON, or is
// refused.
func FuzzWhereInQueries(f *testing.F) {
	f.Add("price", "包&limit=1#", `{"a":{"$eq":1}}`)
	f.Add("", "\xff", `{"a":1}{`)
	f.Add("$or", `"}`, ` { "a" : [ "\u0026" ] } `)
	out := &recorder{status: http.StatusNotFound, answer: `{}`}
	client := recorded(f, out)
	f.Fuzz(func(t *testing.T, field, text, raw string) {
		for _, cond := range []where.Cond{
			where.Eq(field, text), where.In(field, text, raw), where.Contains(field, text).Or(where.IsNull(raw)),
			where.Raw(json.RawMessage(raw)), where.Raw(json.RawMessage(raw)).And(where.Ne(field, text)),
		} {
			out.asked = nil
			_, err := client.Records.Page(t.Context(), 1, minapp.Query{Where: cond})
			if len(out.asked) == 0 {
				require.True(t, cond.Err() != nil && errors.Is(err, minapp.ErrInvalid) || errors.Is(err, minapp.ErrTooLong), "%v", err)
				continue
			}
			require.NoError(t, cond.Err())
			values, err := url.ParseQuery(out.asked[0].URL.RawQuery)
			require.NoError(t, err)
			require.Equal(t, url.Values{"where": {cond.String()}, "limit": {"1000"}, "order_by": {"created_at,id"}}, values)
			var filter map[string]any
			require.NoError(t, json.Unmarshal([]byte(cond.String()), &filter))
			require.NotEmpty(t, filter)
		}
	})
}

// Whatever is answered to a list, reading it ends, and what is returned without
// an error is what encoding/json finds in it.
func FuzzPages(f *testing.F) {
	for _, seed := range []string{
		`{"meta":{"limit":20,"next":null,"offset":0,"total_count":1},"objects":[{"id":"5a","name":"a","price":1}]}`,
		`{"meta":{"next":"/x?offset=1"},"objects":[{"id":"1","name":7},{"name":"b"},null,3]}`, `{"meta":{"next":"/x"},"objects":[]}`,
		`{"objects":[{}]}`, `{"meta":null,"objects":[{"id":1}]}`, `{"meta":{"offset":7},"objects":[{"id":{}}]}`, `{"meta":{"total_count":null},"objects":null}`,
		`[]`, ``, `{"meta":{},"objects":[{"id":"1"},`, `{"meta":{},"objects":[{"_id":"1","created_at":"1"},{"_id":"1"}]}`, `{"meta":{"next":1},"objects":[]}`,
		`{"meta":{},"objects":[{"id":"1","created_at":1e300}]}`, `{"meta":{},"objects":[{"name":"unique","unique":true,"fields":["a"]}]}`,
	} {
		f.Add(seed)
	}
	out := &recorder{status: http.StatusOK}
	client := recorded(f, out)
	articles := minapp.TableOf[article](client, 1)
	f.Fuzz(func(t *testing.T, body string) {
		out.answer = body
		page, err := client.Records.Page(t.Context(), 1, minapp.Query{PageSize: 2})
		if err == nil {
			checkPage(t, body, page)
		}
		typed, err := articles.Page(t.Context(), minapp.Query{PageSize: 2})
		if typed == nil {
			require.True(t, errors.Is(err, minapp.ErrProtocol) || errors.Is(err, minapp.ErrUnavailable), "%v", err)
		}
		out.asked = nil
		for record, err := range articles.All(t.Context(), minapp.Query{PageSize: 2}) {
			require.True(t, record != nil || err != nil)
		}
		require.LessOrEqual(t, len(out.asked), 3, "the same page again does not move forward")
		out.asked = nil
		for chunk, err := range articles.Chunks(t.Context(), minapp.ScanRange{By: minapp.ByCreatedAt, From: 0, To: 1 << 40, PageSize: 2}) {
			require.True(t, chunk != nil || err != nil)
		}
		require.LessOrEqual(t, len(out.asked), 200)
		_, _ = client.Tables.Page(t.Context(), minapp.TableQuery{})
		_, _ = client.Tables.Indexes(t.Context(), 1)
		_, _ = client.Users.Page(t.Context(), minapp.Query{})
		_, _ = client.Files.Page(t.Context(), minapp.FileQuery{})
		_, _ = client.Exports.Page(t.Context(), 1, minapp.ExportQuery{})
		_, _ = client.ExportTasks.Page(t.Context(), byoa.TaskQuery{})
		_, _ = client.Records.Count(t.Context(), 1, where.Everything())
	})
}

func checkPage(t *testing.T, body string, page *minapp.Page[minapp.Fields]) {
	t.Helper()
	var want struct {
		Meta struct {
			Next  string `json:"next"`
			Total *int64 `json:"total_count"`
		} `json:"meta"`
		Objects []json.RawMessage `json:"objects"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &want), "%s", body)
	require.Len(t, page.Records, len(want.Objects), "%s", body)
	for i, record := range page.Records {
		require.JSONEq(t, string(want.Objects[i]), string(record.Raw))
	}
	total := int64(-1)
	if want.Meta.Total != nil {
		total = *want.Meta.Total
	}
	require.Equal(t, total, page.Total)
	require.Equal(t, want.Meta.Next != "", page.More)
}

// A timestamp is a whole number of seconds, as a number or as its digits, and
// nothing else; a scan that meets something else as created_at ends.
func FuzzTimestamps(f *testing.F) {
	for _, seed := range []string{
		`1541666168`, `"1541666168"`, `null`, `"null"`, `""`, `1.5`, `"1e3"`, `-1`, `"-1"`, `9223372036854775807`, `9223372036854775808`, `+1`, `"+1"`,
		`"2018-11-08T16:36:08+08:00"`, `"1_0"`, `{}`, `"\u0031"`, `"0x1"`, `01`, `"01"`, `9007199254740993`, `1e300`,
	} {
		f.Add(seed)
	}
	out := &recorder{status: http.StatusOK}
	client := recorded(f, out)
	fields := minapp.TableOf[minapp.Fields](client, 1)
	f.Fuzz(func(t *testing.T, text string) {
		var at minapp.Timestamp
		if json.Unmarshal([]byte(text), &at) == nil {
			checkTimestamp(t, text, at)
		}
		_ = at.UnmarshalJSON([]byte(text)) // also what no decoder would hand over

		out.answer, out.asked = `{"meta":{},"objects":[{"id":"1","created_at":`+text+`}]}`, nil
		rows := 0
		for chunk, err := range fields.Chunks(t.Context(), minapp.ScanRange{By: minapp.ByCreatedAt, From: -1 << 53, To: 1 << 53, PageSize: 5}) {
			if err == nil {
				rows += len(chunk.Rows)
			}
		}
		require.LessOrEqual(t, rows, 1, text)
		require.LessOrEqual(t, len(out.asked), 2, text)

		out.answer = `{"time":` + text + `}`
		_, _ = client.ServerTime(t.Context())
		out.answer = `{"id":"1","created_at":` + text + `,"updated_at":` + text + `,"created_by":` + text + `}`
		if record, err := client.Records.Get(t.Context(), 1, "1"); err == nil {
			_, _ = record.Meta()
			_, _ = record.CreatedAt(), record.UpdatedAt()
		}
	})
}

func checkTimestamp(t *testing.T, text string, at minapp.Timestamp) {
	t.Helper()
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&value))
	var want int64
	var err error
	switch v := value.(type) {
	case nil:
	case json.Number:
		want, err = strconv.ParseInt(v.String(), 10, 64)
	case string:
		want, err = strconv.ParseInt(v, 10, 64)
	default:
		t.Fatalf("%s is %d", text, at)
	}
	require.NoError(t, err, text)
	require.Equal(t, want, int64(at), text)
	require.Equal(t, want, at.Time().Unix())
	require.NotEmpty(t, at.String())
	if year := at.Time().Year(); year >= 0 && year <= 9999 {
		parsed, err := time.Parse(time.RFC3339, at.String())
		require.NoError(t, err)
		require.Equal(t, at, minapp.TimestampOf(parsed))
	}
	written, err := json.Marshal(at)
	require.NoError(t, err)
	var again minapp.Timestamp
	require.NoError(t, json.Unmarshal(written, &again))
	assert.Equal(t, at, again)
}

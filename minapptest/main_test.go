package minapptest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// emulator is a server with one product table and a clock at start.
type emulator struct {
	*minapptest.Server
	t     *testing.T
	clock *minapptest.Clock
	table int64
}

const start = 1_700_000_000

// products is a table with a column of every type.
var products = minapptest.Table{
	ID:   3906,
	Name: "product",
	Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "name", Type: "string"},
		{Name: "price", Type: "number"},
		{Name: "amount", Type: "integer"},
		{Name: "pretty", Type: "boolean"},
		{Name: "tags", Type: "array", Items: &minapptest.Items{Type: "string"}},
		{Name: "sizes", Type: "array", Items: &minapptest.Items{Type: "integer"}},
		{Name: "parts", Type: "array", Items: &minapptest.Items{Type: "object"}},
		{Name: "obj", Type: "object"},
		{Name: "geo", Type: "geojson", Format: "default", CoordinateType: "wgs84"},
		{Name: "file", Type: "file"},
		{Name: "day", Type: "date"},
		{Name: "maker", Type: "reference", SchemaID: "41"},
	}},
	RowReadPerm: []string{"user:*"}, RowWritePerm: []string{"user:*"}, WritePerm: []string{"user:*"},
}

func newEmulator(t *testing.T, opts ...minapptest.Option) *emulator {
	t.Helper()
	clock := minapptest.NewClock(time.Unix(start, 0))
	s := minapptest.NewServer(t, append([]minapptest.Option{minapptest.WithClock(clock.Now)}, opts...)...)
	_, err := s.CreateTable(minapptest.Table{ID: 41, Name: "maker", Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "title", Type: "string"}, {Name: "city", Type: "string"},
	}}})
	require.NoError(t, err)
	id, err := s.CreateTable(products)
	require.NoError(t, err)
	return &emulator{Server: s, t: t, clock: clock, table: id}
}

// reply is an answer, decoded.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// send makes a request without following redirects.
func (e *emulator) send(method, path, body string, header ...string) reply {
	e.t.Helper()
	return e.sendBy(e.Client().Transport, method, path, body, header...)
}

func (e *emulator) sendBy(network http.RoundTripper, method, path, body string, header ...string) reply {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.URL()+path, strings.NewReader(body))
	require.NoError(e.t, err)
	req.Header.Set("Authorization", "Bearer token")
	for i := 0; i < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := network.RoundTrip(req)
	require.NoError(e.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(e.t, err)
	r := reply{status: resp.StatusCode, header: resp.Header, text: string(text)}
	dec := json.NewDecoder(strings.NewReader(r.text))
	dec.UseNumber()
	_ = dec.Decode(&r.json) // not every answer is an object
	return r
}

const (
	recordURL = "/oserve/v2.4/table/3906/record/"
	updateURL = "/oserve/v2.6/table/3906/record/"
)

// list asks for rows; params are names and values in turn.
func (e *emulator) list(params ...string) reply {
	e.t.Helper()
	return e.send("GET", recordURL+query(params...), "")
}

func query(params ...string) string {
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	return "?" + q.Encode()
}

// column returns one column of the rows of a list.
func (r reply) column(name string) []any {
	out := []any{}
	objects, _ := r.json["objects"].([]any)
	for _, o := range objects {
		out = append(out, o.(map[string]any)[name])
	}
	return out
}

func (e *emulator) seed(rows ...string) []string {
	e.t.Helper()
	list := make([]any, len(rows))
	for i, r := range rows {
		list[i] = json.RawMessage(r)
	}
	ids, err := e.Seed(e.table, list...)
	require.NoError(e.t, err)
	return ids
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	gojson "github.com/goccy/go-json"

	"github.com/minapp-go/minapp"
)

// canned answers every request with the same bytes, without a network.
type canned []byte

func (body canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

func cannedTable[T any](b *testing.B, body []byte, opts ...minapp.Option) *minapp.Table[T] {
	b.Helper()
	e := &env{base: "http://127.0.0.1", rows: pageSize}
	table, err := tableOf[T](e, append(opts, minapp.WithHTTPClient(&http.Client{Transport: canned(body)})))
	check(b, err)
	return table
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// repeat measures one operation, with its allocations and bytes per second.
func repeat(b *testing.B, bytes int, op func() error) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(bytes))
	for b.Loop() {
		check(b, op())
	}
}

// A page of 1000 rows: by a codec alone, and through the client, network
// excluded.
func BenchmarkDecodePage(b *testing.B) {
	rows, err := prepare()
	check(b, err)
	body := rows.appendRows([]byte(`{"meta":{"limit":1000,"next":null,"offset":0,"previous":null},"objects":[`), 0, pageSize)
	body = append(body, "]}"...)
	b.Run("encoding/json", func(b *testing.B) {
		repeat(b, len(body), func() error { return json.Unmarshal(body, new(Page)) })
	})
	b.Run("goccy", func(b *testing.B) {
		repeat(b, len(body), func() error { return gojson.Unmarshal(body, new(Page)) })
	})
	page := func(table *minapp.Table[Row]) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			repeat(b, len(body), func() error {
				_, err := table.Page(b.Context(), minapp.Query{})
				return err
			})
		}
	}
	b.Run("Page", page(cannedTable[Row](b, body)))
	b.Run("Page, goccy", page(cannedTable[Row](b, body, fast())))
	b.Run("Page, undecoded", func(b *testing.B) {
		table := cannedTable[json.RawMessage](b, body)
		repeat(b, len(body), func() error {
			_, err := table.Page(b.Context(), minapp.Query{})
			return err
		})
	})
}

// A batch of 1000 rows: by a codec alone, and through the client with the
// answer read, network excluded.
func BenchmarkEncodeBatch(b *testing.B) {
	batch := make([]Product, pageSize)
	for i := range batch {
		batch[i] = product(i)
	}
	encoded, err := json.Marshal(batch)
	check(b, err)
	reply := []byte(`{"operation_result":[`)
	reply = append(reply, bytes.Repeat([]byte(success), pageSize)...)
	reply = append(reply[:len(reply)-1], `],"total_count":1000,"succeed":1000}`...)
	codec := func(marshal func(any) ([]byte, error)) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			repeat(b, len(encoded), func() error {
				_, err := marshal(batch)
				return err
			})
		}
	}
	b.Run("encoding/json", codec(json.Marshal))
	b.Run("goccy", codec(gojson.Marshal))
	create := func(table *minapp.Table[Product]) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			repeat(b, len(encoded), func() error {
				_, err := table.CreateMany(b.Context(), batch)
				return err
			})
		}
	}
	b.Run("CreateMany", create(cannedTable[Product](b, reply)))
	b.Run("CreateMany, goccy", create(cannedTable[Product](b, reply, fast())))
}

// One record, over a connection to a server in another process.
func BenchmarkGet(b *testing.B) {
	server, stop, err := startServer(b.Context())
	check(b, err)
	defer func() { check(b, stop()) }()
	e, err := newEnv(server, 0, pageSize)
	check(b, err)
	url := e.rowURL(7)
	for _, other := range []struct {
		name string
		make func() caller
	}{{"by hand", newByHand}, {"go-retryablehttp", newRetryable}, {"resty", newResty}} {
		b.Run(other.name, func(b *testing.B) {
			c := other.make()
			repeat(b, e.row.width, func() error { return c.get(b.Context(), url, new(Row)) })
		})
	}
	ours := func(opts ...minapp.Option) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			table, err := tableOf[Row](e, opts)
			check(b, err)
			id := rowID(7)
			repeat(b, e.row.width, func() error {
				_, err := table.Get(b.Context(), id)
				return err
			})
		}
	}
	b.Run("Get", ours())
	b.Run("Get, goccy", ours(fast()))
	b.Run("limit: body thrown away", func(b *testing.B) {
		c := new(http.Client)
		repeat(b, e.row.width, func() error {
			_, err := throwAway(b.Context(), c, http.MethodGet, url, nil)
			return err
		})
	})
}

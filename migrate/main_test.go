package migrate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// city is a row of the source, place one of the sink.
type city struct {
	Name   string `json:"name"`
	People int64  `json:"people"`
}

type place struct {
	Name string `json:"name"`
	Size string `json:"size"`
}

// world is an emulator with a table of cities, and an empty one of places,
// unique by name.
type world struct {
	*minapptest.Server
	client *minapp.Client
	cities *minapp.Table[city]
	places *minapp.Table[place]
}

func newWorld(t *testing.T, cities int, opts ...minapptest.Option) *world {
	t.Helper()
	w := &world{Server: minapptest.NewServer(t, opts...)}
	from, err := w.CreateTable(minapptest.Table{Name: "city", Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "name", Type: "string"}, {Name: "people", Type: "integer"},
	}}})
	require.NoError(t, err)
	to, err := w.CreateTable(minapptest.Table{Name: "place", Indexes: [][]string{{"name"}}, Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "name", Type: "string"}, {Name: "size", Type: "string"},
	}}})
	require.NoError(t, err)
	rows := make([]any, cities)
	for i := range rows {
		rows[i] = map[string]any{"name": cityName(i), "people": i, "created_at": 1_500_000_000 + i/3}
	}
	_, err = w.Seed(from, rows...)
	require.NoError(t, err)
	w.client, err = minapp.NewClient(w.Options()...)
	require.NoError(t, err)
	t.Cleanup(w.client.CloseIdleConnections)
	w.cities = minapp.TableOf[city](w.client, minapp.TableID(from))
	w.places = minapp.TableOf[place](w.client, minapp.TableID(to))
	return w
}

func cityName(i int) string { return fmt.Sprintf("c%05d", i) }

// plan moves the cities, 10 in a chunk.
func (w *world) plan() migrate.Plan[*minapp.Record[city], place] {
	return migrate.Plan[*minapp.Record[city], place]{
		Source:    migrate.FromTable(w.cities, migrate.FromTableOptions{PageSize: 10}),
		Transform: toPlace,
		Sink:      migrate.ToTable(w.places, migrate.ToTableOptions{}),
	}
}

func toPlace(r *minapp.Record[city]) ([]place, error) {
	return []place{{Name: r.Value.Name, Size: strconv.FormatInt(r.Value.People, 10)}}, nil
}

// requirePlaces checks that the table of places holds exactly these cities,
// each of them once and as it should be.
func (w *world) requirePlaces(t *testing.T, cities ...int) {
	t.Helper()
	want := make(map[string]string, len(cities))
	for _, i := range cities {
		want[cityName(i)] = strconv.Itoa(i)
	}
	got := make(map[string]string)
	for _, row := range w.Rows(int64(w.places.ID())) {
		name := row["name"].(string)
		require.NotContains(t, got, name, "there twice")
		got[name] = row["size"].(string)
	}
	require.Equal(t, want, got)
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// rejections reads a file of rejected rows.
func rejections(t *testing.T, path string) []migrate.Rejection {
	t.Helper()
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	var list []migrate.Rejection
	for d := json.NewDecoder(file); d.More(); {
		var r migrate.Rejection
		require.NoError(t, d.Decode(&r))
		list = append(list, r)
	}
	return list
}

// bodyOf reads the body of a request that goes on afterwards.
func bodyOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}

// refusal is the 400 of the service.
func refusal(r *http.Request, body string) *http.Response {
	return &http.Response{StatusCode: 400, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

package migrate_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// No test may leave a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func newWorld(t *testing.T, cities int) *world {
	t.Helper()
	w := &world{Server: minapptest.NewServer(t)}
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

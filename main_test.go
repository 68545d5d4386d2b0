package minapp_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// No test may leave a goroutine behind: neither a page on its way nor a
// connection.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// article is a row of the table that most tests use.
type article struct {
	Name  string   `json:"name"`
	Price int64    `json:"price"`
	Tags  []string `json:"tags,omitempty"`
}

var articleSchema = minapptest.Schema{Fields: []minapptest.Field{
	{Name: "name", Type: "string"},
	{Name: "price", Type: "integer"},
	{Name: "tags", Type: "array", Items: &minapptest.Items{Type: "string"}},
	{Name: "place", Type: "geojson", Format: "default", CoordinateType: "wgs84"},
}}

// emulated is an emulator with a table of products, unique by name, and a
// client for it.
func emulated(t *testing.T) (*minapptest.Server, *minapp.Table[article]) {
	t.Helper()
	s := minapptest.NewServer(t)
	id, err := s.CreateTable(minapptest.Table{Name: "product", Schema: articleSchema, Indexes: [][]string{{"name"}}})
	require.NoError(t, err)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return s, minapp.TableOf[article](client, minapp.TableID(id))
}

// seed puts rows n0, n1, … into the table, created one second apart.
func seed(t *testing.T, s *minapptest.Server, table minapp.TableID, n int) {
	t.Helper()
	rows := make([]any, n)
	for i := range rows {
		rows[i] = map[string]any{"name": name(i), "price": i, "created_at": 1_500_000_000 + i}
	}
	_, err := s.Seed(int64(table), rows...)
	require.NoError(t, err)
}

package migrate_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// A pointer is read with the name of its table, and is written as it was read:
// into a table, and into a file as its id.
func TestPointersAreMovedAsTheyAreRead(t *testing.T) {
	s := minapptest.NewServer(t)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	create := func(name string, f minapp.Field) minapp.TableID {
		info, err := client.Tables.Create(t.Context(), minapp.TableSpec{Name: name, Fields: []minapp.Field{f}})
		require.NoError(t, err)
		return info.ID
	}
	authors := create("author", minapp.Field{Name: "name", Type: minapp.TypeString})
	pointer := minapp.Field{Name: "author", Type: minapp.TypePointer, SchemaID: minapp.TableRef(authors)}
	books, copies := create("book", pointer), create("copy", pointer)
	author, err := client.Records.Create(t.Context(), authors, minapp.Fields{"name": "鲁迅"})
	require.NoError(t, err)
	book, err := client.Records.Create(t.Context(), books, minapp.Fields{"author": author.ID()})
	require.NoError(t, err)

	p := migrate.Plan[*minapp.Record[minapp.Fields], minapp.Fields]{
		Source:    migrate.FromTable(minapp.TableOf[minapp.Fields](client, books), migrate.FromTableOptions{}),
		Transform: migrate.Value[minapp.Fields],
		Sink:      migrate.ToTable(minapp.TableOf[minapp.Fields](client, copies), migrate.ToTableOptions{}),
	}
	_, err = migrate.Run(t.Context(), p)
	require.NoError(t, err)
	rows := s.Rows(int64(copies))
	require.Len(t, rows, 1)
	assert.Equal(t, s.Rows(int64(books))[0]["author"], rows[0]["author"])

	path := filepath.Join(t.TempDir(), "books.csv")
	p.Sink = migrate.ToCSV[minapp.Fields](path, migrate.ToCSVOptions{Columns: []minapp.Field{{Name: "id", Type: "id"}, pointer}})
	_, err = migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, "id,author\n"+book.ID()+","+author.ID()+"\n", contentOf(t, path))
}

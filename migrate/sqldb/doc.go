// Package sqldb moves rows between minapp tables and MySQL, MariaDB or
// MatrixOne, as a source and a sink of [github.com/minapp-go/minapp/migrate].
// Connections are those of go-sql-driver/mysql.
//
//	mapping, err := sqldb.Schema(info, sqldb.TypeOptions{})
//	ddl, err := mapping.CreateTable("app.orders")
//	_, err = db.ExecContext(ctx, ddl)
//	report, err := migrate.Run(ctx, migrate.Plan[*minapp.Record[minapp.Fields], sqldb.Row]{
//		Source:    migrate.FromTable(orders, migrate.FromTableOptions{}),
//		Transform: mapping.ToSQL,
//		Sink:      sqldb.To(db, "app.orders", sqldb.ToOptions{}),
//		Key:       "id",
//	})
//
// and back with [From] and [Mapping.FromSQL]. What becomes of which type, and
// what a value that does not fit gets, is in docs/types.md. A table that is
// filled the first time is faster with a [Load], beside the one in use ([Stage])
// until [Swap] puts it into its place.
//
// # Nothing changed on the way
//
// A server that is not in strict mode cuts values and says nothing: such a
// server is refused. A value that its column could not hold as it is, such as
// a number with more digits, is an error of its row. Moments are written as
// the clocks of one named zone show them, whatever zone the session has.
//
// # Names
//
// A table is named database.table; the name is also what checkpoints and errors
// say. Nothing of the data source name, which holds the password, appears
// there. Names are quoted, and what no server takes for a name is refused.
package sqldb

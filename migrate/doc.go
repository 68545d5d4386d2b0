// Package migrate moves rows from where they are to where they shall be, and
// survives being killed.
//
// A [Plan] names a [Source], a [Sink], and what happens to a row in between.
// [Run] reads the source in parts, several at a time, and writes chunk by
// chunk. What each chunk is about to do is stored in a checkpoint before it is
// sent, and what became of it afterwards: a run that was killed goes on where
// it stood.
//
//	report, err := migrate.Run(ctx, migrate.Plan[*minapp.Record[Book], Title]{
//		Source:     migrate.FromTable(books, migrate.FromTableOptions{}),
//		Transform:  func(r *minapp.Record[Book]) ([]Title, error) { … },
//		Sink:       migrate.ToTable(titles, migrate.ToTableOptions{}),
//		Key:        "isbn",
//		Checkpoint: migrate.FileCheckpoint("books.checkpoint"),
//		Rejected:   "books.rejected.jsonl",
//	})
//
// # Nothing lost, nothing doubled
//
// Every row that was read ends as written, dropped by Transform, or rejected
// with a reason. Rows whose outcome nobody knows, because the answer was lost
// or the process was killed, are settled by [Plan].Key: a column of the sink
// in which no two rows have the same value. Without a key the run ends, and the
// next one does not begin, with a [DoubtError] that names these rows, unless
// [Plan].InDoubt can tell what became of them.
//
// # Before and after
//
// [Plan.Estimate] tells what a run will take, and [Plan].DryRun checks every row
// and writes nothing. [Verify] compares both sides afterwards, [Sync] keeps them
// in step from then on.
//
// # From one application to another
//
// [PlanSchema] compares tables of two applications and says what is missing, and
// [SchemaPlan.Apply] creates it: tables, columns, permissions, unique indexes. It
// never changes or deletes what is there. [SchemaPlan.Rows] are the plans that
// copy the rows behind; their pointers follow through [IDs].
//
// # Sources and sinks
//
// Tables ([FromTable], [ToTable]), files of JSON Lines and CSV ([FromJSONLines],
// [ToJSONLines], [FromCSV], [ToCSV]), exported files ([FromExport]), rejected
// rows ([FromRejected]) and values of the program ([FromSlice], [FromSeq]) are
// in this package. Files are plain or gzip, and a row that cannot be read is
// rejected with its line.
//
// Tables of MySQL, MariaDB and MatrixOne are sources and sinks of
// github.com/minapp-go/minapp/migrate/sqldb, a module of its own, so that this
// one needs no driver: sqldb.From, sqldb.To, and sqldb.Schema for the types.
//
// A source or a sink of one's own is a type with three methods.
package migrate

package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// ToOptions steers [To].
type ToOptions struct {
	// Load is how rows are sent; the zero value is INSERT.
	Load Load
}

// To writes into a table (database.table) of MySQL, MariaDB or MatrixOne, as
// many rows with each statement as @@max_allowed_packet (up to 4 MiB) and
// 65,535 placeholders allow.
//
// With a key ([migrate.Plan].Key) rows that are there are updated: the columns
// that the row names, INSERT … ON DUPLICATE KEY UPDATE. The column needs a
// primary or unique index of its own, a comparison that tells Tom from tom, and
// no other unique index beside it, by which a row could change another one; an
// AUTO_INCREMENT column may have one. Without a key rows are inserted, and one
// that is there is rejected.
//
// A statement that the server refuses for what a row holds is sent in halves
// until the row is found, which is rejected. An error that does not say whether
// a row is to blame (1105, with which MatrixOne answers much) rejects it only if
// other rows of the chunk are written, and ends the run otherwise. After
// deadlocks and lost connections a statement is repeated automatically, up to 5
// times; without a key one that may have arrived is not repeated, and its rows
// are [minapp.Unknown]. Each statement is a transaction: the session needs
// strict mode and, without a key, the table an engine with transactions.
//
// What a row may hold is said at [Row]; a [time.Time] is rejected, because it
// does not say in which zone: format it with [DateTime].
func To(db *sql.DB, table string, o ToOptions) migrate.Sink[Row] {
	return &sink{db: db, name: table, options: o}
}

type sink struct {
	db      *sql.DB
	name    string
	options ToOptions
	setup   migrate.Setup
	table   tableName
	columns []string
	counter string // the AUTO_INCREMENT column that rows leave out
	packet  int    // bytes that the server takes at once
}

// String names database and table.
func (s *sink) String() string { return "sql table " + s.name }

// Begin reads the columns and the indexes of the table.
func (s *sink) Begin(ctx context.Context, setup migrate.Setup) error {
	s.setup = setup
	var err error
	if s.table, err = parseTable(s.name); err != nil {
		return err
	}
	info, err := describe(ctx, s.db, s.table)
	if err != nil {
		return err
	}
	s.columns = info.names()
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if setup.Key != "" {
		s.counter, err = info.checkKey(setup.Key)
		return err
	}
	return info.checkEngine()
}

// checkServer reads the limits of the server, and refuses one that changes what
// it cannot store.
func (s *sink) checkServer(ctx context.Context) error {
	var mode string
	if err := s.db.QueryRowContext(ctx, "SELECT @@max_allowed_packet, @@sql_mode").Scan(&s.packet, &mode); err != nil {
		return err
	}
	if !strings.Contains(mode, "STRICT_TRANS_TABLES") && !strings.Contains(mode, "STRICT_ALL_TABLES") && !strings.Contains(mode, "TRADITIONAL") {
		return errors.New("the sessions are not in strict mode, in which the server would cut values and say nothing: " +
			"give the data source name sql_mode='STRICT_TRANS_TABLES'")
	}
	return s.options.Load.check(ctx, s.db)
}

// tableInfo is what the server says of a table.
type tableInfo struct {
	name    tableName
	engine  string
	columns []columnInfo
	unique  []index
}

type columnInfo struct {
	name, dataType, collation, extra string
}

// index is a unique index.
type index struct {
	name    string
	columns []string
	prefix  bool // of the beginning of values only
}

func describe(ctx context.Context, db *sql.DB, table tableName) (*tableInfo, error) {
	info := &tableInfo{name: table}
	err := query(ctx, db, func(text func(string) string) {
		info.columns = append(info.columns, columnInfo{
			text("column_name"), strings.ToLower(text("data_type")), strings.ToLower(text("collation_name")), strings.ToLower(text("extra")),
		})
	}, "SELECT column_name, data_type, collation_name, extra FROM information_schema.columns "+
		"WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position", table.database, table.name)
	if err == nil && len(info.columns) == 0 {
		err = fmt.Errorf("there is no table %s, or it cannot be seen", table)
	}
	if err != nil {
		return nil, err
	}
	err = query(ctx, db, func(text func(string) string) { info.engine = text("engine") },
		"SELECT engine FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", table.database, table.name)
	if err != nil {
		return nil, err
	}
	return info, query(ctx, db, info.addIndex, "SHOW INDEX FROM "+table.quoted())
}

// addIndex takes one line of SHOW INDEX.
func (t *tableInfo) addIndex(text func(string) string) {
	if text("non_unique") != "0" {
		return
	}
	name := text("key_name")
	at := slices.IndexFunc(t.unique, func(i index) bool { return i.name == name })
	if at < 0 {
		at = len(t.unique)
		t.unique = append(t.unique, index{name: name})
	}
	i := &t.unique[at]
	i.columns = append(i.columns, text("column_name"))
	i.prefix = i.prefix || text("sub_part") != ""
}

func (t *tableInfo) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

func (t *tableInfo) column(name string) (columnInfo, bool) {
	i := slices.IndexFunc(t.columns, func(c columnInfo) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return columnInfo{}, false
	}
	return t.columns[i], true
}

// checkKey refuses a key that does not tell rows apart.
func (t *tableInfo) checkKey(key string) (counter string, err error) {
	c, ok := t.column(key)
	if !ok || c.name != key {
		return "", fmt.Errorf("the key %q is no column of %q", key, t.names())
	}
	if c.collation != "" && !strings.HasSuffix(c.collation, "_bin") && c.collation != "binary" {
		return "", fmt.Errorf("the key %q compares by %s, for which Tom and tom can be one: give the column a collation that ends in _bin", key, c.collation)
	}
	found := false
	for _, i := range t.unique {
		switch {
		case len(i.columns) == 1 && i.columns[0] == c.name && !i.prefix:
			found = true
		case len(i.columns) == 1 && t.counts(i.columns[0]):
			counter = i.columns[0]
		default:
			return "", fmt.Errorf("beside the key %q the index %q is unique: by it a row could change another one, with another key", key, i.name)
		}
	}
	if !found {
		return "", fmt.Errorf("the key %q has no unique index of its own", key)
	}
	return counter, nil
}

func (t *tableInfo) counts(column string) bool {
	c, _ := t.column(column)
	return strings.Contains(c.extra, "auto_increment")
}

// checkEngine refuses tables in which a statement that fails leaves rows
// behind. Source: mariadb.com/kb/en/choosing-the-right-storage-engine.
func (t *tableInfo) checkEngine() error {
	for _, engine := range [...]string{"MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV"} {
		if strings.EqualFold(t.engine, engine) {
			return fmt.Errorf("%s has no transactions: a statement that fails leaves some of its rows behind; Plan.Key lets them be written again", engine)
		}
	}
	return nil
}

// query runs a query that reads the catalogue; names of columns are compared
// without case. NULL is "".
func query(ctx context.Context, db *sql.DB, each func(text func(string) string), statement string, args ...any) error {
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return advise(err)
	}
	defer func() { _ = rows.Close() }() // rows.Err counts
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		each(func(name string) string {
			i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
			if i < 0 {
				return ""
			}
			return values[i].String
		})
	}
	return rows.Err()
}

// Estimate counts statements for rows of usual size, 1000 in a chunk.
func (s *sink) Estimate(_ context.Context, rows int64) (migrate.Cost, error) {
	return migrate.Cost{Rows: rows, Requests: (rows + 999) / 1000}, nil
}

// Write sends the rows. Those that name the same columns go together.
func (s *sink) Write(ctx context.Context, rows []Row) ([]minapp.Outcome, error) {
	w := newWrite(s, len(rows))
	for i, row := range rows {
		w.take(i, row)
	}
	var err error
	for _, p := range w.pieces() {
		switch {
		case s.setup.DryRun:
			s.setup.Planned(1)
		case err != nil:
			w.mark(p.rows, minapp.NotSent, err)
		default:
			err = w.send(ctx, p)
		}
	}
	if refusal := w.settleSuspects(); err == nil {
		err = refusal
	}
	return w.outcomes, err
}

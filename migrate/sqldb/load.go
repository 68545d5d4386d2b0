package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"
)

// Load is how rows are sent. Loading is meant for a table that is filled the
// first time: see [Stage]. Rows that cannot be loaded are inserted, so that the
// choice changes nothing but the speed.
type Load int

const (
	// Insert sends INSERT statements.
	Insert Load = iota
	// LoadLocal sends LOAD DATA LOCAL INFILE from memory (MySQL, MariaDB); the
	// server needs local_infile=1. A LOCAL load makes warnings of errors, and
	// skips rows that are there: so it is a transaction, which is undone where
	// there was a warning or a row is missing, and the rows are inserted.
	LoadLocal
	// LoadInline sends LOAD DATA INLINE (MatrixOne). inferred: the quoting, from
	// what MatrixOne's own programs send; rows with a backslash or a line break
	// are inserted, because no document says how the data escapes them. Source:
	// docs.matrixorigin.cn, Data-Manipulation-Language/load-data-inline.
	LoadInline
)

// check asks whether the server takes loads.
func (l Load) check(ctx context.Context, db *sql.DB) error {
	if l != LoadLocal {
		return nil
	}
	var on bool
	if err := db.QueryRowContext(ctx, "SELECT @@local_infile").Scan(&on); err != nil {
		return err
	}
	if !on {
		return errors.New("LOAD DATA LOCAL needs local_infile=1 on the server, or no ToOptions.Load")
	}
	return nil
}

// takes reports whether rows can be loaded: all columns of the table, since a
// load without one has its own idea of a default, and no bytes, since a load
// is text.
func (l Load) takes(p piece, columns []string) bool {
	if l == Insert || len(p.columns) < len(columns) {
		return false
	}
	for _, r := range p.rows {
		for _, v := range r.values {
			if _, ok := v.([]byte); ok {
				return false
			}
			if text, ok := v.(string); ok && l == LoadInline && strings.ContainsAny(text, "\\\r\n\x00") {
				return false
			}
		}
	}
	return true
}

// load sends rows in a transaction. It is not done if the rows have to be
// inserted instead.
func (w *write) load(ctx context.Context, conn *sql.Conn, p piece) (done bool, v verdict, err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return true, unsent, err
	}
	whole, err := w.loadInto(ctx, tx, p)
	if err == nil && whole {
		err = tx.Commit()
		return true, judge(err), err
	}
	if undone := tx.Rollback(); undone != nil && !errors.Is(undone, sql.ErrTxDone) {
		return true, unsent, errors.Join(err, undone) // the connection is lost, and so is the transaction
	}
	switch v := judge(err); v {
	case fine, badData, suspect:
		return false, v, nil
	case uncertain: // not committed
		return true, unsent, err
	default:
		return true, v, err
	}
}

// loadInto reports whether all rows were taken as they are.
func (w *write) loadInto(ctx context.Context, tx *sql.Tx, p piece) (bool, error) {
	statement := w.inline(p)
	if w.options.Load == LoadLocal {
		name := fmt.Sprintf("minapp-sqldb-%d", handlers.Add(1))
		mysql.RegisterReaderHandler(name, func() io.Reader { return strings.NewReader(p.lines()) })
		defer mysql.DeregisterReaderHandler(name)
		statement = w.local(p, name)
	}
	result, err := tx.ExecContext(ctx, statement)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n != int64(len(p.rows)) {
		return false, err
	}
	if w.options.Load != LoadLocal {
		return true, nil
	}
	var warnings int
	err = tx.QueryRowContext(ctx, "SELECT @@warning_count").Scan(&warnings)
	return warnings == 0, err
}

// handlers counts the names of readers, which are global to the driver.
var handlers atomic.Int64

func (w *write) local(p piece, reader string) string {
	return fmt.Sprintf(`LOAD DATA LOCAL INFILE 'Reader::%s' INTO TABLE %s CHARACTER SET utf8mb4 `+
		`FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (%s)`, reader, w.table.quoted(), quoteAll(p.columns))
}

// escaped is what LOAD DATA takes back. Source:
// dev.mysql.com/doc/refman/8.0/en/load-data.html.
var escaped = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

// lines are the rows as LOAD DATA LOCAL reads them.
func (p piece) lines() string {
	var b strings.Builder
	for _, r := range p.rows {
		for i, v := range r.values {
			if i > 0 {
				b.WriteByte('\t')
			}
			switch v := v.(type) {
			case nil:
				b.WriteString(`\N`)
			case string:
				b.WriteString(escaped.Replace(v))
			default:
				b.WriteString(number(v))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// inline is a LOAD DATA INLINE: lines of CSV in a literal, NULL is \N, of which
// the literal doubles the backslash.
func (w *write) inline(p piece) string {
	var b strings.Builder
	for _, r := range p.rows {
		for i, v := range r.values {
			if i > 0 {
				b.WriteByte(',')
			}
			switch v := v.(type) {
			case nil:
				b.WriteString(`\\N`)
			case string:
				b.WriteString(`"` + strings.NewReplacer(`"`, `""`, `'`, `''`).Replace(v) + `"`)
			default:
				b.WriteString(number(v))
			}
		}
		b.WriteString(`\n`)
	}
	return fmt.Sprintf(`LOAD DATA INLINE FORMAT='csv', DATA='%s' INTO TABLE %s FIELDS TERMINATED BY ',' ENCLOSED BY '"' (%s)`,
		b.String(), w.table.quoted(), quoteAll(p.columns))
}

// The tables beside the one that is to be filled.
const (
	stagingSuffix = "__staging"
	oldSuffix     = "__old"
)

// Stage makes a table like this one (database.table), to be filled while the
// other one is in use, and returns its name for [To]; [Swap] puts it into its
// place. resume keeps the rows that an interrupted run has written there, whose
// checkpoint goes on; without it the table is empty. It is not repeated, and may
// be called again.
func Stage(ctx context.Context, db *sql.DB, table string, resume bool) (string, error) {
	live, err := parseTable(table)
	if err != nil {
		return "", fmt.Errorf("sqldb: %w", err)
	}
	staging, err := parseTable(table + stagingSuffix)
	if err != nil {
		return "", fmt.Errorf("sqldb: %w", err)
	}
	var statements []string
	if !resume {
		statements = append(statements, "DROP TABLE IF EXISTS "+staging.quoted())
	}
	statements = append(statements, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s LIKE %s", staging.quoted(), live.quoted()))
	if err := executeAll(ctx, db, statements); err != nil {
		return "", fmt.Errorf("sqldb: %s: %w", live, err)
	}
	return staging.String(), nil
}

// Swap puts the table that [Stage] made into the place of the other one, in one
// step. What was there is kept as table__old; one of that name from an earlier
// swap is dropped. The connections need the table's database as theirs, because
// MatrixOne renames nowhere else. It is not repeated: after an error
// it has happened if the table of [Stage] is gone.
func Swap(ctx context.Context, db *sql.DB, table string) error {
	live, err := parseTable(table)
	if err != nil {
		return fmt.Errorf("sqldb: %w", err)
	}
	var current sql.NullString
	if err := db.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&current); err != nil {
		return fmt.Errorf("sqldb: %s: %w", live, err)
	}
	if current.String != live.database {
		return fmt.Errorf("sqldb: %s: the connections have the database %q: give the data source name %q", live, current.String, live.database)
	}
	if _, err := describe(ctx, db, tableName{live.database, live.name + stagingSuffix}); err != nil {
		return fmt.Errorf("sqldb: %w (Stage makes it)", err)
	}
	err = executeAll(ctx, db, []string{
		"DROP TABLE IF EXISTS " + quote(live.name+oldSuffix),
		fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s",
			quote(live.name), quote(live.name+oldSuffix), quote(live.name+stagingSuffix), quote(live.name)),
	})
	if err != nil {
		return fmt.Errorf("sqldb: %s: %w", live, err)
	}
	return nil
}

func executeAll(ctx context.Context, db *sql.DB, statements []string) error {
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return advise(err)
		}
	}
	return nil
}

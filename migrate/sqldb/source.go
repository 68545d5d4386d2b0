package sqldb

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minapp-go/minapp/migrate"
)

// FromOptions steers [From]. The zero value reads the whole table.
type FromOptions struct {
	Columns []string // to read; nil is all. [Mapping.Columns] has those of a mapping
	Where   string   // a condition in SQL, with ? for Args. It is part of the statement: no text of others
	Args    []any    // for Where; checkpoints and errors say them, so no secrets
	Chunk   int      // rows of a query and a chunk, which ends at 16 MiB, too; 0 is 1000
}

// maxChunk ends a chunk whose rows have so many bytes, so that memory is bounded
// also where rows are long.
const maxChunk = 16 << 20

// From reads a table (database.table) of MySQL, MariaDB or MatrixOne by its
// primary key, which consists of integers, CHAR, VARCHAR, BINARY or VARBINARY:
// each chunk is a query of its own for the rows behind the last key, so no
// cursor stays open. Rows that exist all the while under one key are read
// exactly once. Reading is repeated automatically, up to 5 times, where the
// connection is lost.
//
// TIMESTAMP columns depend on the zone of the session; those of [Mapping] are
// DATETIME, which do not.
func From(db *sql.DB, table string, o FromOptions) migrate.Source[Row] {
	if o.Chunk <= 0 {
		o.Chunk = 1000
	}
	return &source{db: db, name: table, options: o}
}

type source struct {
	db      *sql.DB
	name    string
	options FromOptions
}

// String names the table and everything that decides what is read of it.
func (s *source) String() string {
	name := "sql table " + s.name
	if s.options.Columns != nil {
		name += fmt.Sprintf(" columns %q", s.options.Columns)
	}
	if s.options.Where != "" {
		name += " where " + s.options.Where
	}
	if len(s.options.Args) > 0 {
		name += fmt.Sprintf(" %v", s.options.Args)
	}
	return name
}

// reader is a source whose table is known.
type reader struct {
	*source
	table   tableName
	columns []string
	key     []string
}

// keyTypes are the types whose order in an index is that of comparisons.
var keyTypes = []string{"tinyint", "smallint", "mediumint", "int", "bigint", "char", "varchar", "binary", "varbinary"}

// open reads what there is to know of the table.
func (s *source) open(ctx context.Context) (*reader, error) {
	table, err := parseTable(s.name)
	if err != nil {
		return nil, err
	}
	info, err := describe(ctx, s.db, table)
	if err != nil {
		return nil, err
	}
	r := &reader{source: s, table: table, columns: s.options.Columns}
	if r.columns == nil {
		r.columns = info.names()
	}
	for _, name := range r.columns {
		if _, ok := info.column(name); !ok {
			return nil, fmt.Errorf("the table has no column %q", name)
		}
	}
	primary := slices.IndexFunc(info.unique, func(i index) bool { return strings.EqualFold(i.name, "PRIMARY") })
	if primary < 0 {
		return nil, errors.New("the table has no primary key, by which it could be read in chunks")
	}
	r.key = info.unique[primary].columns
	for _, name := range r.key {
		if c, _ := info.column(name); !slices.Contains(keyTypes, baseType(c.dataType)) {
			return nil, fmt.Errorf("the type %s of the primary key does not do for reading in chunks", c.dataType)
		}
	}
	return r, nil
}

// baseType is a type without its length, which some servers say with it.
func baseType(dataType string) string {
	if end := strings.IndexAny(dataType, "( "); end >= 0 {
		return dataType[:end]
	}
	return dataType
}

// span is what is left to read: keys above After, up to Until. nil is no bound.
type span struct {
	After []keyValue `json:"after,omitempty"`
	Until []keyValue `json:"until,omitempty"`
}

// keyValue is a value of a key in a checkpoint: a number, a text, or bytes.
type keyValue struct{ v any }

// MarshalJSON writes bytes as an object, so that they are no text.
func (k keyValue) MarshalJSON() ([]byte, error) {
	if b, ok := k.v.([]byte); ok {
		return json.Marshal(map[string][]byte{"bytes": b})
	}
	return json.Marshal(k.v)
}

// UnmarshalJSON reads the three forms.
func (k *keyValue) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("{")) {
		var b struct{ Bytes []byte }
		err := json.Unmarshal(data, &b)
		k.v = b.Bytes
		return err
	}
	if bytes.HasPrefix(data, []byte(`"`)) {
		var text string
		err := json.Unmarshal(data, &text)
		k.v = text
		return err
	}
	if n, err := strconv.ParseInt(string(data), 10, 64); err == nil {
		k.v = n
		return nil
	}
	n, err := strconv.ParseUint(string(data), 10, 64)
	k.v = n
	return err
}

// Estimate counts the rows.
func (s *source) Estimate(ctx context.Context) (migrate.Cost, error) {
	table, err := parseTable(s.name)
	if err != nil {
		return migrate.Cost{}, err
	}
	where, args := (&reader{source: s}).where(span{})
	var n int64
	err = again(ctx, func() error {
		return s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table.quoted()+where, args...).Scan(&n)
	})
	return migrate.Cost{Rows: n, Requests: n/int64(s.options.Chunk) + 1}, err
}

// Parts walks the primary key once, and cuts it into pieces of as many rows.
func (s *source) Parts(ctx context.Context, n int) ([]migrate.Part, error) {
	r, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	cost, err := s.Estimate(ctx)
	if err != nil {
		return nil, err
	}
	step := max(cost.Rows/int64(max(n, 1)), int64(s.options.Chunk))
	var parts []migrate.Part
	left := span{}
	for len(parts)+1 < n {
		edge, err := r.ahead(ctx, left, step)
		if err != nil {
			return nil, err
		}
		if edge == nil {
			break
		}
		parts = append(parts, encode(span{left.After, edge}))
		left.After = edge
	}
	return append(parts, encode(left)), nil
}

func encode(s span) migrate.Part {
	part, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("sqldb: %v is no part: %v", s, err))
	}
	return part
}

// ahead is the key of the row so many rows ahead, nil if there are fewer.
func (r *reader) ahead(ctx context.Context, from span, rows int64) ([]keyValue, error) {
	where, args := r.where(from)
	statement := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT 1 OFFSET ?", quoteAll(r.key), r.table.quoted(), where, quoteAll(r.key))
	var key []keyValue
	err := again(ctx, func() error {
		key = nil
		return r.read(ctx, statement, append(args, rows-1), func(values []any, _ int) bool {
			key = keyOf(values)
			return true
		})
	})
	return key, err
}

func keyOf(values []any) []keyValue {
	key := make([]keyValue, len(values))
	for i, v := range values {
		key[i].v = v
	}
	return key
}

// where selects the rows of a span.
func (r *reader) where(s span) (string, []any) {
	var conditions []string
	var args []any
	if r.options.Where != "" {
		conditions, args = append(conditions, "("+r.options.Where+")"), append(args, r.options.Args...)
	}
	bound := func(values []keyValue, operator, last string) {
		if values == nil {
			return
		}
		condition, bounds := compare(r.key, values, operator, last)
		conditions, args = append(conditions, condition), append(args, bounds...)
	}
	bound(s.After, ">", ">")
	bound(s.Until, "<", "<=")
	if conditions == nil {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

// compare is the comparison of a key of one or several columns, in a form that
// uses the index: a ≥ ? AND (a > ? OR a = ? AND (…)).
func compare(names []string, values []keyValue, operator, last string) (string, []any) {
	name, v := quote(names[0]), values[0].v
	if len(names) == 1 {
		return fmt.Sprintf("%s %s ?", name, last), []any{v}
	}
	rest, args := compare(names[1:], values[1:], operator, last)
	return fmt.Sprintf("%s %s= ? AND (%s %s ? OR %s = ? AND (%s))", name, operator, name, operator, name, rest),
		append([]any{v, v, v}, args...)
}

// Chunks reads a part, one query after the other.
func (s *source) Chunks(ctx context.Context, p migrate.Part) iter.Seq2[migrate.Chunk[Row], error] {
	return func(yield func(migrate.Chunk[Row], error) bool) {
		var left span
		if err := json.Unmarshal(p, &left); err != nil {
			yield(migrate.Chunk[Row]{}, fmt.Errorf("part %s: %w", p, err))
			return
		}
		r, err := s.open(ctx)
		for more := true; more && err == nil; {
			var chunk migrate.Chunk[Row]
			if chunk, left, more, err = r.chunk(ctx, left); err != nil {
				break
			}
			if more {
				chunk.Rest = encode(left)
			}
			if len(chunk.Rows) > 0 && !yield(chunk, nil) {
				return
			}
		}
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			yield(migrate.Chunk[Row]{}, err)
		}
	}
}

// chunk reads the next rows, and says what is left behind them.
func (r *reader) chunk(ctx context.Context, from span) (chunk migrate.Chunk[Row], left span, more bool, err error) {
	where, args := r.where(from)
	statement := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT ?",
		quoteAll(slices.Concat(r.columns, r.key)), r.table.quoted(), where, quoteAll(r.key))
	err = again(ctx, func() error {
		chunk.Rows, left, more = nil, from, false
		bytes := 0
		return r.read(ctx, statement, append(args, r.options.Chunk), func(values []any, size int) bool {
			left.After = keyOf(values[len(r.columns):])
			chunk.Rows = append(chunk.Rows, r.row(values))
			bytes += size
			more = len(chunk.Rows) == r.options.Chunk || bytes >= maxChunk
			return !more
		})
	})
	return chunk, left, more, err
}

func (r *reader) row(values []any) migrate.Row[Row] {
	row := make(Row, len(r.columns))
	for i, name := range r.columns {
		row[name] = values[i]
	}
	names := make([]string, 0, len(r.key))
	for _, v := range values[len(r.columns):] {
		if b, ok := v.([]byte); ok {
			v = hex.EncodeToString(b)
		}
		names = append(names, strings.ReplaceAll(fmt.Sprint(v), ",", `\,`))
	}
	return migrate.Row[Row]{Value: row, At: strings.Join(names, ",")}
}

// read runs a query until each returns false. The rows that are left then are
// thrown away.
func (r *reader) read(ctx context.Context, statement string, args []any, each func(values []any, size int) bool) error {
	rows, err := r.db.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err counts
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, targets := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		size := 0
		for i, t := range types {
			size += sizeOf(values[i])
			values[i] = normal(values[i], t.DatabaseTypeName())
		}
		if !each(values, size) {
			return nil
		}
	}
	return rows.Err()
}

func sizeOf(v any) int {
	if b, ok := v.([]byte); ok {
		return len(b)
	}
	return 8
}

// normal makes one form of what the driver gives in several: depending on the
// statement being prepared or not, and on parseTime.
func normal(v any, typeName string) any {
	switch v := v.(type) {
	case float32:
		f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		if err == nil {
			return f
		}
	case time.Time:
		return v.Format(DateTime)
	case []byte:
		return normalBytes(v, typeName)
	}
	return v
}

func normalBytes(b []byte, typeName string) any {
	name, unsigned := strings.CutPrefix(typeName, "UNSIGNED ")
	switch name {
	case "BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "BIT", "GEOMETRY":
		return b
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR":
		if n, err := strconv.ParseUint(string(b), 10, 64); unsigned && err == nil {
			return n
		}
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return n
		}
	case "DOUBLE", "FLOAT":
		if f, err := strconv.ParseFloat(string(b), 64); err == nil {
			return f
		}
	}
	return string(b)
}

// again repeats what only reads, where the connection or the server's other
// work is to blame.
func again(ctx context.Context, f func() error) error {
	for attempt := 0; ; attempt++ {
		err := f()
		v := judge(err)
		passing := v == conflict || v == unsent || v == uncertain
		if !passing || ctx.Err() != nil || !pause(ctx, attempt) {
			return advise(err)
		}
	}
}

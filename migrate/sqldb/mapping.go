package sqldb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
)

// Row is a row of an SQL table: values by column. They are nil, bool, integers,
// float64, string and []byte. Text, DECIMAL, JSON, and DATETIME as the clock
// shows it ("2006-01-02 15:04:05.000000") are strings.
type Row map[string]any

// TypeOptions steers [Schema]. The zero value is the table of docs/types.md.
type TypeOptions struct {
	// Location is the zone whose clocks DATETIME columns show; nil is UTC. In a
	// zone that sets its clocks back, a moment that they show twice is an error
	// of its row.
	Location *time.Location
	// Number is the SQL type of number columns: "" is DOUBLE, which holds what
	// JSON usually does; DECIMAL(38,10) is exact and has fewer digits.
	Number string
	// Nulls names a column of SQL, of type JSON, that keeps which columns of a
	// row are null, as opposed to missing. "" makes both NULL, and what is NULL
	// missing.
	Nulls string
	// Columns differ from the table, by their name in minapp.
	Columns map[string]Column
}

// Column is how a column differs from what its type becomes by default.
type Column struct {
	Name string // in SQL; "" is the name in minapp
	Type string // in SQL, such as VARCHAR(100) or DECIMAL(20,4)
	Omit bool   // leaves the column out, both ways
	// ToSQL and FromSQL replace the conversion. They need Type, and never see
	// nil or a missing value; numbers from minapp are json.Number.
	ToSQL, FromSQL func(v any) (any, error)
}

// Mapping says what the columns of a minapp table are in SQL. It is immutable
// and safe for concurrent use.
type Mapping struct {
	columns []column
	omitted []string
	nulls   string
}

// column is a column of both sides.
type column struct {
	minapp, sql string
	kind        string // the type in minapp, or one of the system columns
	comment     string
	typ         sqlType
	codec
}

// The kinds of the columns that every table has.
const (
	kindID    = "id"
	kindUser  = "user"
	kindStamp = "timestamp"
	kindPerm  = "permissions"
)

// system are the columns that every table has, first and last.
var (
	first = []column{{minapp: "id", kind: kindID}}
	last  = []column{
		{minapp: "created_by", kind: kindUser},
		{minapp: "created_at", kind: kindStamp},
		{minapp: "updated_at", kind: kindStamp},
		{minapp: "read_perm", kind: kindPerm},
		{minapp: "write_perm", kind: kindPerm},
	}
)

// Schema makes the mapping of a table, with the columns that the service adds
// to every table: id is the primary key.
func Schema(info *minapp.TableInfo, o TypeOptions) (*Mapping, error) {
	if o.Location == nil {
		o.Location = time.UTC
	}
	m := &Mapping{nulls: o.Nulls}
	all := slices.Clone(first)
	system := slices.Concat(first, last)
	for _, f := range info.Fields {
		if !slices.ContainsFunc(system, func(c column) bool { return c.minapp == f.Name }) && !strings.HasPrefix(f.Name, "_") {
			all = append(all, column{minapp: f.Name, kind: f.Type, comment: comment(f)})
		}
	}
	var errs []error
	unknown := maps.Clone(o.Columns)
	for _, c := range slices.Concat(all, last) {
		override := o.Columns[c.minapp]
		delete(unknown, c.minapp)
		if override.Omit {
			m.omitted = append(m.omitted, c.minapp)
			continue
		}
		if err := c.define(override, o); err != nil {
			errs = append(errs, fmt.Errorf("column %q: %w", c.minapp, err))
		}
		m.columns = append(m.columns, c)
	}
	for name := range unknown {
		errs = append(errs, fmt.Errorf("TypeOptions.Columns: the table has no column %q", name))
	}
	errs = append(errs, m.checkNames())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sqldb: table %q: %w", info.Name, err)
	}
	return m, nil
}

// checkNames refuses two columns that are one in SQL, where upper and lower
// case of the names of columns are the same.
func (m *Mapping) checkNames() error {
	seen := make(map[string]string)
	var errs []error
	for _, name := range m.Columns() {
		errs = append(errs, checkName(name))
		if other, there := seen[strings.ToLower(name)]; there {
			errs = append(errs, fmt.Errorf("%q and %q are one column in SQL: give one another Column.Name", other, name))
		}
		seen[strings.ToLower(name)] = name
	}
	return errors.Join(errs...)
}

// Columns lists the names in SQL, for [FromOptions].
func (m *Mapping) Columns() []string {
	names := make([]string, 0, len(m.columns)+1)
	for _, c := range m.columns {
		names = append(names, c.sql)
	}
	if m.nulls != "" {
		names = append(names, m.nulls)
	}
	return names
}

// CreateTable is the statement that creates the table (database.table) if it is
// not there. What minapp knows of a column is in its comment, such as the
// coordinates that shapes are given in.
func (m *Mapping) CreateTable(table string) (string, error) {
	name, err := parseTable(table)
	if err != nil {
		return "", fmt.Errorf("sqldb: %w", err)
	}
	var lines []string
	key := ""
	for _, c := range m.columns {
		null := " NULL"
		if c.kind == kindID {
			null, key = " NOT NULL", c.sql
		}
		lines = append(lines, fmt.Sprintf("\t%s %s%s COMMENT %s", quote(c.sql), c.typ.text, null, literal("minapp "+c.comment)))
	}
	if m.nulls != "" {
		lines = append(lines, fmt.Sprintf("\t%s JSON NULL COMMENT 'columns that are null, not missing'", quote(m.nulls)))
	}
	if key != "" {
		lines = append(lines, fmt.Sprintf("\tPRIMARY KEY (%s)", quote(key)))
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (\n%s\n) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
		name.quoted(), strings.Join(lines, ",\n")), nil
}

// comment is what minapp knows of a column and its SQL type does not say.
func comment(f minapp.Field) string {
	text := f.Type
	switch {
	case f.CoordinateType != "":
		text += ", coordinates " + f.CoordinateType
	case f.Type == minapp.TypePointer:
		text += fmt.Sprintf(" to table %d", f.SchemaID)
	case f.Items != nil:
		text += " of " + comment(minapp.Field{Type: f.Items.Type, CoordinateType: f.Items.CoordinateType})
	}
	return strings.ReplaceAll(text, `\`, "/")
}

// ToSQL makes the row of a record; as a Transform it writes tables into SQL. A
// value that its column would change is an error, and so is a value of a column
// that the mapping does not know.
func (m *Mapping) ToSQL(r *minapp.Record[minapp.Fields]) ([]Row, error) {
	row := make(Row, len(m.columns)+1)
	nulls := []any{}
	for _, c := range m.columns {
		v, there := r.Value[c.minapp]
		if v == nil {
			if c.kind == kindID {
				return nil, fmt.Errorf("the row has no %s", c.minapp)
			}
			if there {
				nulls = append(nulls, c.minapp)
			}
			row[c.sql] = nil
			continue
		}
		value, err := c.to(v)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.minapp, err)
		}
		row[c.sql] = value
	}
	if err := m.checkKnown(r.Value); err != nil {
		return nil, err
	}
	if m.nulls != "" {
		row[m.nulls] = nil
		if len(nulls) > 0 {
			text, err := jsonText(nulls)
			if err != nil {
				return nil, err
			}
			row[m.nulls] = text
		}
	}
	return []Row{row}, nil
}

// checkKnown refuses values that would get lost.
func (m *Mapping) checkKnown(fields minapp.Fields) error {
	for name, v := range fields {
		known := slices.ContainsFunc(m.columns, func(c column) bool { return c.minapp == name })
		if v != nil && !known && !slices.Contains(m.omitted, name) && !strings.HasPrefix(name, "_") {
			return fmt.Errorf("the mapping has no column %q: make it anew from the table, or leave the column out with Column.Omit", name)
		}
	}
	return nil
}

// FromSQL makes the fields of a row; as a Transform it writes SQL into tables.
// What is NULL is missing, unless [TypeOptions].Nulls says null. A column that
// the mapping does not know is an error: name those to be read in
// [FromOptions].Columns.
func (m *Mapping) FromSQL(r Row) ([]minapp.Fields, error) {
	fields := make(minapp.Fields, len(r))
	known := 0
	for _, c := range m.columns {
		v, there := r[c.sql]
		if there {
			known++
		}
		if v == nil {
			continue
		}
		value, err := c.from(v)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.sql, err)
		}
		fields[c.minapp] = value
	}
	if v, there := r[m.nulls]; there && m.nulls != "" {
		known++
		if err := setNulls(fields, v); err != nil {
			return nil, fmt.Errorf("column %q: %w", m.nulls, err)
		}
	}
	if known < len(r) {
		return nil, fmt.Errorf("the mapping does not know all of the columns %q: read only Mapping.Columns", slices.Sorted(maps.Keys(r)))
	}
	return []minapp.Fields{fields}, nil
}

func setNulls(fields minapp.Fields, v any) error {
	if v == nil {
		return nil
	}
	list, err := fromJSON(v)
	if err != nil {
		return err
	}
	names, _ := list.([]any)
	for _, name := range names {
		if text, ok := name.(string); ok && fields[text] == nil {
			fields[text] = nil
		}
	}
	return nil
}

// define decides the name, the type and the conversions of a column.
func (c *column) define(override Column, o TypeOptions) error {
	c.sql = c.minapp
	if override.Name != "" {
		c.sql = override.Name
	}
	if c.comment == "" {
		c.comment = c.kind
	}
	text := override.Type
	if text == "" {
		text = defaultType(c.kind, o.Number)
	}
	var err error
	if c.typ, err = parseType(text); err != nil {
		return err
	}
	if override.ToSQL != nil || override.FromSQL != nil {
		if override.ToSQL == nil || override.FromSQL == nil || override.Type == "" {
			return errors.New("a conversion of one's own is ToSQL, FromSQL and Type")
		}
		c.codec = codec{override.ToSQL, override.FromSQL}
		return nil
	}
	c.codec, err = codecOf(c.kind, c.typ, o.Location)
	return err
}

// defaultType is the SQL type of a kind of column. docs/types.md is about this
// table.
func defaultType(kind, number string) string {
	switch kind {
	case kindID, minapp.TypePointer:
		return "CHAR(24) COLLATE utf8mb4_bin"
	case minapp.TypeString:
		return "LONGTEXT COLLATE utf8mb4_bin"
	case minapp.TypeInteger, kindUser:
		return "BIGINT"
	case minapp.TypeNumber:
		if number != "" {
			return number
		}
		return "DOUBLE"
	case minapp.TypeBoolean:
		return "BOOLEAN"
	case minapp.TypeDate, kindStamp:
		return "DATETIME(6)"
	}
	return "JSON" // arrays, objects, files, shapes, permissions, and what is not known
}

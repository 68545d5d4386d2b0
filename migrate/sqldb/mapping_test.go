package sqldb_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/migrate/sqldb"
)

const anID = "5a2f81c95b39e31b5c0c1d52"

// value is a value on its way from minapp to SQL and back.
type value struct {
	field minapp.Field
	typ   string // in SQL; "" is the default
	in    string // as the service gives it
	sql   any    // in the Row
	back  string // "" is what it was
}

func shanghai(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	return zone
}

func field(kind string) minapp.Field { return minapp.Field{Type: kind} }

// values are the promises of docs/types.md, value by value. DATETIME columns
// show the clocks of Shanghai.
var values = []value{
	{field(minapp.TypeString), "", `""`, "", ""},
	{field(minapp.TypeString), "", `" space, 'quote', \"quotes\", back\\slash, tab\t, \r\n, <&> \u0000 "`, " space, 'quote', \"quotes\", back\\slash, tab\t, \r\n, <&> \x00 ", ""},
	{field(minapp.TypeString), "", `"知晓云 😀 👨‍👩‍👧"`, "知晓云 😀 👨‍👩‍👧", ""},
	{field(minapp.TypeString), "", `"\\N"`, `\N`, ""},
	{field(minapp.TypeString), "VARCHAR(3)", `"😀😀😀"`, "😀😀😀", ""},

	{field(minapp.TypeInteger), "", `9223372036854775807`, int64(9223372036854775807), ""},
	{field(minapp.TypeInteger), "", `-9223372036854775808`, int64(-9223372036854775808), ""},
	{field(minapp.TypeInteger), "", `9007199254740993`, int64(9007199254740993), ""},
	{field(minapp.TypeInteger), "", `0`, int64(0), ""},
	{field(minapp.TypeInteger), "DECIMAL(20,0)", `-9223372036854775808`, "-9223372036854775808", ""},
	{field(minapp.TypeInteger), "VARCHAR(20)", `-9223372036854775808`, "-9223372036854775808", ""},

	{field(minapp.TypeNumber), "", `0.1`, 0.1, ""},
	{field(minapp.TypeNumber), "", `-1.7976931348623157e+308`, -1.7976931348623157e+308, ""},
	{field(minapp.TypeNumber), "", `39.90469`, 39.90469, ""},
	{field(minapp.TypeNumber), "", `1e2`, 100.0, `100`},
	{field(minapp.TypeNumber), "", `9007199254740992`, 9007199254740992.0, `9007199254740992`},
	{field(minapp.TypeNumber), "DECIMAL(38,10)", `1234567890123456789012345678.0123456789`, "1234567890123456789012345678.0123456789", ""},
	{field(minapp.TypeNumber), "DECIMAL(38,10)", `-0.0000000001`, "-0.0000000001", ""},
	{field(minapp.TypeNumber), "DECIMAL(38,10)", `12.50`, "12.5", `12.5`},
	{field(minapp.TypeNumber), "DECIMAL(38,10)", `1.5e3`, "1500", `1500`},
	{field(minapp.TypeNumber), "DECIMAL(38,10)", `0`, "0", ""},
	{field(minapp.TypeNumber), "VARCHAR(60)", `0.1000000000000000055511151231257827`, "0.1000000000000000055511151231257827", ""},

	{field(minapp.TypeBoolean), "", `true`, true, ""},
	{field(minapp.TypeBoolean), "", `false`, false, ""},
	{field(minapp.TypeBoolean), "TINYINT", `true`, true, ""},

	{field(minapp.TypeDate), "", `"2018-09-26T11:22:51.100000+08:00"`, "2018-09-26 11:22:51.100000", ""},
	{field(minapp.TypeDate), "", `"2018-09-26T03:22:51.1Z"`, "2018-09-26 11:22:51.100000", `"2018-09-26T11:22:51.100000+08:00"`},
	{field(minapp.TypeDate), "", `"2018-09-25T19:22:51.123456-08:00"`, "2018-09-26 11:22:51.123456", `"2018-09-26T11:22:51.123456+08:00"`},
	{field(minapp.TypeDate), "", `"2018-12-31T23:59:59.999999+0800"`, "2018-12-31 23:59:59.999999", `"2018-12-31T23:59:59.999999+08:00"`},
	{field(minapp.TypeDate), "", `"1969-07-20T20:17:40Z"`, "1969-07-21 04:17:40.000000", `"1969-07-21T04:17:40.000000+08:00"`},
	{field(minapp.TypeDate), "", `"9999-12-31T15:59:59.999999Z"`, "9999-12-31 23:59:59.999999", `"9999-12-31T23:59:59.999999+08:00"`},
	{field(minapp.TypeDate), "DATETIME", `"2018-09-26T11:22:51+08:00"`, "2018-09-26 11:22:51.000000", `"2018-09-26T11:22:51.000000+08:00"`},
	{field(minapp.TypeDate), "VARCHAR(40)", `"2018-09-25T19:22:51.123456-08:00"`, "2018-09-25T19:22:51.123456-08:00", ""},

	{field(minapp.TypeArray), "", `[]`, `[]`, ""},
	{field(minapp.TypeArray), "", `["a","",null,"😀 <&>"]`, `["a","",null,"😀 <&>"]`, ""},
	{field(minapp.TypeArray), "", `[1,-2,0.5]`, `[1,-2,0.5]`, ""},
	{field(minapp.TypeArray), "", manyDigits, manyDigits, ""},
	{field(minapp.TypeArray), "LONGTEXT", `[12345678901234567890.5]`, `[12345678901234567890.5]`, ""},
	{field(minapp.TypeObject), "", `{}`, `{}`, ""},
	{field(minapp.TypeObject), "", `{"b":{"c":[]},"a":null}`, `{"a":null,"b":{"c":[]}}`, ""},
	{field(minapp.TypeFile), "", `{"id":"5a2","name":"猫.png","path":"https://x/y?a=1&b=2","size":120}`, `{"id":"5a2","name":"猫.png","path":"https://x/y?a=1&b=2","size":120}`, ""},
	{minapp.Field{Type: minapp.TypeGeoJSON, CoordinateType: minapp.CoordGCJ02}, "", `{"type":"Point","coordinates":[116.397428,39.90923]}`, `{"coordinates":[116.397428,39.90923],"type":"Point"}`, ""},
	{minapp.Field{Type: minapp.TypeGeoJSON, CoordinateType: minapp.CoordWGS84}, "", `{"type":"Polygon","coordinates":[[[30,10],[40,40],[20,40],[30,10]]]}`, `{"coordinates":[[[30,10],[40,40],[20,40],[30,10]]],"type":"Polygon"}`, ""},
	{field("vector"), "", `[0.25]`, `[0.25]`, ""},

	{field(minapp.TypePointer), "", `"` + anID + `"`, anID, ""},
	{field(minapp.TypePointer), "", `{"_table":"user","id":"` + anID + `"}`, anID, `"` + anID + `"`},
	{field(minapp.TypePointer), "", `{"id":"` + anID + `","name":"expanded"}`, anID, `"` + anID + `"`},
	{field(minapp.TypePointer), "BIGINT", `36395395`, int64(36395395), `"36395395"`},
}

// manyDigits are integers that JSON columns keep, but not those of
// go-mysql-server, which reads all numbers in them as float64.
const manyDigits = `[9223372036854775807,-9223372036854775808,9007199254740993]`

// system are values of the columns that every table has.
var system = []struct{ column, in, back string }{
	{"created_by", `36395395`, ""},
	{"created_by", `{"id":36395395,"nickname":"x"}`, `36395395`},
	{"created_at", `1537932171`, ""},
	{"updated_at", `"1537932171"`, `1537932171`},
	{"read_perm", `["user:*","gid:12"]`, ""},
	{"write_perm", `[]`, ""},
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var f minapp.Fields
	require.NoError(t, json.Unmarshal([]byte(`{"v":`+text+`}`), &f))
	return f["v"]
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// same is a JSON text in the form of encode, with every digit of its numbers.
func same(t *testing.T, text string) string {
	t.Helper()
	return encode(t, decode(t, text))
}

// one is the mapping of a table with one column.
func one(f minapp.Field, o sqldb.TypeOptions) (*sqldb.Mapping, error) {
	f.Name = "v"
	return sqldb.Schema(&minapp.TableInfo{Name: "t", Fields: []minapp.Field{f}}, o)
}

func TestValuesBothWays(t *testing.T) {
	for _, v := range values {
		m, err := one(v.field, sqldb.TypeOptions{Location: shanghai(t), Columns: map[string]sqldb.Column{"v": {Type: v.typ}}})
		require.NoError(t, err, v)
		rows, err := m.ToSQL(&minapp.Record[minapp.Fields]{Value: minapp.Fields{"id": anID, "v": decode(t, v.in)}})
		require.NoError(t, err, v)
		assert.Equal(t, v.sql, rows[0]["v"], v.in)
		fields, err := m.FromSQL(rows[0])
		require.NoError(t, err, v)
		if v.back == "" {
			v.back = v.in
		}
		assert.Equal(t, same(t, v.back), encode(t, fields[0]["v"]), v.in)
	}
}

// The same over the wire, each value in a column of one row: whatever the
// session and the data source name say of zones, and whether the driver sends
// values by themselves or in the statement.
func TestValuesSurviveTheWire(t *testing.T) {
	info := &minapp.TableInfo{Name: "t"}
	o := sqldb.TypeOptions{Location: shanghai(t), Columns: map[string]sqldb.Column{}}
	record := &minapp.Record[minapp.Fields]{Value: minapp.Fields{"id": anID}}
	for i, v := range values {
		v.field.Name = fmt.Sprintf("v%d", i)
		info.Fields = append(info.Fields, v.field)
		o.Columns[v.field.Name] = sqldb.Column{Type: v.typ}
		record.Value[v.field.Name] = decode(t, v.in)
	}
	m, err := sqldb.Schema(info, o)
	require.NoError(t, err)
	for name, change := range connections {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, change)
			ddl, err := m.CreateTable(w.table("t"))
			require.NoError(t, err)
			w.must(t, ddl)
			for _, load := range []sqldb.Load{sqldb.Insert, sqldb.LoadLocal} {
				w.must(t, "DELETE FROM t")
				_, err = migrate.Run(t.Context(), migrate.Plan[*minapp.Record[minapp.Fields], sqldb.Row]{
					Source: migrate.FromSlice("values", []*minapp.Record[minapp.Fields]{record}), Transform: m.ToSQL,
					Sink: sqldb.To(w.DB, w.table("t"), sqldb.ToOptions{Load: load}), Key: "id",
				})
				require.NoError(t, err)
				rows := readAll(t, w, "t", sqldb.FromOptions{})
				require.Len(t, rows, 1)
				fields, err := m.FromSQL(rows[0])
				require.NoError(t, err)
				requireValues(t, w, fields[0])
			}
		})
	}
}

func requireValues(t *testing.T, w *world, fields minapp.Fields) {
	t.Helper()
	for i, v := range values {
		name := fmt.Sprintf("v%d", i)
		if v.in == manyDigits && inProcess() {
			continue
		}
		want := v.back
		if want == "" {
			want = v.in
		}
		assert.Equal(t, same(t, want), encode(t, fields[name]), "%s as %s", v.in, v.field.Type)
		if v.field.Type == minapp.TypeDate {
			shown := w.lines(t, "SELECT CAST("+name+" AS CHAR) FROM t")[0]
			assert.Equal(t, v.sql.(string)[:19], shown[:19], "the server sees the clock, too")
		}
	}
}

func TestSystemColumnsBothWays(t *testing.T) {
	m, err := one(field(minapp.TypeString), sqldb.TypeOptions{Location: shanghai(t)})
	require.NoError(t, err)
	for _, v := range system {
		rows, err := m.ToSQL(&minapp.Record[minapp.Fields]{Value: minapp.Fields{"id": anID, v.column: decode(t, v.in)}})
		require.NoError(t, err)
		fields, err := m.FromSQL(rows[0])
		require.NoError(t, err)
		if v.back == "" {
			v.back = v.in
		}
		assert.Equal(t, same(t, v.back), encode(t, fields[0][v.column]))
	}
}

func TestMissingNullAndEmpty(t *testing.T) {
	info := &minapp.TableInfo{Name: "t", Fields: []minapp.Field{
		{Name: "missing", Type: minapp.TypeString},
		{Name: "null", Type: minapp.TypeString},
		{Name: "empty", Type: minapp.TypeString},
		{Name: "none", Type: minapp.TypeArray},
		{Name: "list", Type: minapp.TypeArray},
	}}
	in := minapp.Fields{"id": anID, "null": nil, "empty": "", "none": nil, "list": []any{}}
	for _, test := range []struct {
		nulls string
		want  string
	}{
		{"", `{"id":"` + anID + `","empty":"","list":[]}`},
		{"was_null", `{"id":"` + anID + `","empty":"","list":[],"null":null,"none":null}`},
	} {
		m, err := sqldb.Schema(info, sqldb.TypeOptions{Nulls: test.nulls})
		require.NoError(t, err)
		rows, err := m.ToSQL(&minapp.Record[minapp.Fields]{Value: in})
		require.NoError(t, err)
		assert.Nil(t, rows[0]["missing"])
		assert.Nil(t, rows[0]["null"])
		assert.Contains(t, rows[0], "missing", "an update makes it NULL")
		fields, err := m.FromSQL(rows[0])
		require.NoError(t, err)
		assert.JSONEq(t, test.want, encode(t, fields[0]))
	}
}

func TestValuesThatDoNotFit(t *testing.T) {
	for _, test := range []struct {
		kind, typ, in, reason string
	}{
		{minapp.TypeString, "", `1`, "1 is no text"},
		{minapp.TypeString, "VARCHAR(3)", `"😀😀😀😀"`, "4 characters"},
		{minapp.TypeInteger, "", `9223372036854775808`, "integer of 64 bits"},
		{minapp.TypeInteger, "", `1.5`, "integer of 64 bits"},
		{minapp.TypeInteger, "DECIMAL(5,0)", `123456`, "DECIMAL(5,0)"},
		{minapp.TypeNumber, "", `0.1000000000000000055511151231257827`, "DOUBLE would change"},
		{minapp.TypeNumber, "", `9007199254740993`, "DOUBLE would change"},
		{minapp.TypeNumber, "", `1e400`, "DOUBLE would change"},
		{minapp.TypeNumber, "", `1e-400`, "DOUBLE would change"},
		{minapp.TypeNumber, "DECIMAL(5,2)", `1000`, "DECIMAL(5,2)"},
		{minapp.TypeNumber, "DECIMAL(5,2)", `0.125`, "DECIMAL(5,2)"},
		{minapp.TypeNumber, "DECIMAL(5,2)", `1e999999999`, "DECIMAL(5,2)"},
		{minapp.TypeNumber, "DECIMAL(5,2)", `1e99999999999`, "no number"},
		{minapp.TypeBoolean, "", `1`, "no boolean"},
		{minapp.TypeDate, "", `"2018-09-26"`, "ISO 8601 with an offset"},
		{minapp.TypeDate, "", `"2018-09-26T11:22:51"`, "ISO 8601 with an offset"},
		{minapp.TypeDate, "", `""`, "ISO 8601 with an offset"},
		{minapp.TypeDate, "", `"0999-12-31T00:00:00Z"`, "year 999"},
		{minapp.TypeDate, "", `"2018-09-26T11:22:51.1234567Z"`, "6 digits"},
		{minapp.TypeDate, "DATETIME(3)", `"2018-09-26T11:22:51.1234Z"`, "3 digits"},
		{minapp.TypeDate, "", `"1988-09-11T01:30:00+09:00"`, "show 1988-09-11 01:30:00.000000 twice"},
		{minapp.TypeDate, "", `"1988-09-11T01:30:00+08:00"`, "show 1988-09-11 01:30:00.000000 twice"},
		{minapp.TypeArray, "", `[1,[12345678901234567890]]`, "JSON column would change"},
		{minapp.TypeObject, "", `{"a":{"b":0.1000000000000000055511151231257827}}`, "a: b: a JSON column would change"},
		{minapp.TypePointer, "", `true`, "no id"},
		{minapp.TypePointer, "", `{"name":"no id"}`, "no id"},
		{minapp.TypePointer, "BIGINT", `"` + anID + `"`, "integer"},
		{minapp.TypePointer, "", `"` + anID + `0"`, "25 characters"},
	} {
		m, err := one(field(test.kind), sqldb.TypeOptions{Location: shanghai(t), Columns: map[string]sqldb.Column{"v": {Type: test.typ}}})
		require.NoError(t, err)
		_, err = m.ToSQL(&minapp.Record[minapp.Fields]{Value: minapp.Fields{"id": anID, "v": decode(t, test.in)}})
		assert.ErrorContains(t, err, test.reason, test.in)
		assert.ErrorContains(t, err, `column "v"`, test.in)
	}
	m, err := one(field(minapp.TypeString), sqldb.TypeOptions{})
	require.NoError(t, err)
	_, err = m.ToSQL(&minapp.Record[minapp.Fields]{Value: minapp.Fields{"v": "x"}})
	assert.ErrorContains(t, err, "no id")
	_, err = m.ToSQL(&minapp.Record[minapp.Fields]{Value: minapp.Fields{"id": anID, "new": "x"}})
	assert.ErrorContains(t, err, `no column "new"`)
}

func TestSQLThatDoesNotFit(t *testing.T) {
	for _, test := range []struct {
		kind   string
		in     any
		reason string
	}{
		{minapp.TypeDate, "0000-00-00 00:00:00", "no DATETIME"},
		{minapp.TypeDate, "2018-09-26T11:22:51Z", "no DATETIME"},
		{minapp.TypeDate, "1986-05-04 02:30:00.000000", "never show"},
		{minapp.TypeInteger, "x", "no number"},
		{minapp.TypeBoolean, int64(2), "no boolean"},
		{minapp.TypeArray, "[1,", "no JSON"},
	} {
		m, err := one(field(test.kind), sqldb.TypeOptions{Location: shanghai(t)})
		require.NoError(t, err)
		_, err = m.FromSQL(sqldb.Row{"id": anID, "v": test.in})
		assert.ErrorContains(t, err, test.reason, test.in)
	}
	m, err := one(field(minapp.TypeString), sqldb.TypeOptions{})
	require.NoError(t, err)
	_, err = m.FromSQL(sqldb.Row{"id": anID, "v": "x", "audit": 1})
	assert.ErrorContains(t, err, "Mapping.Columns")
	_, err = m.FromSQL(sqldb.Row{"id": anID, "created_at": "2018-09-26 11:22:51.5"})
	assert.ErrorContains(t, err, "whole seconds")
}

func TestSchemaRefuses(t *testing.T) {
	for _, test := range []struct {
		fields []minapp.Field
		o      sqldb.TypeOptions
		reason string
	}{
		{[]minapp.Field{{Name: "a", Type: "string"}, {Name: "A", Type: "string"}}, sqldb.TypeOptions{}, "one column in SQL"},
		{[]minapp.Field{{Name: "a", Type: "string"}}, sqldb.TypeOptions{Nulls: "A"}, "one column in SQL"},
		{[]minapp.Field{{Name: "a", Type: "string"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"b": {}}}, `no column "b"`},
		{[]minapp.Field{{Name: "a", Type: "string"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"a": {Name: "x`; DROP TABLE y"}}}, "has the character"},
		{[]minapp.Field{{Name: "a", Type: "string"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"a": {Type: "LONGTEXT); DROP TABLE y"}}}, "no type"},
		{[]minapp.Field{{Name: "a", Type: "string"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"a": {Type: "VARCHAR"}}}, "needs its length"},
		{[]minapp.Field{{Name: "a", Type: "number"}}, sqldb.TypeOptions{Number: "DECIMAL"}, "needs its digits"},
		{[]minapp.Field{{Name: "a", Type: "number"}}, sqldb.TypeOptions{Number: "FLOAT"}, "not supported"},
		{[]minapp.Field{{Name: "a", Type: "date"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"a": {Type: "TIMESTAMP"}}}, "not supported"},
		{[]minapp.Field{{Name: "a", Type: "string"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"a": {Type: "BIGINT"}}}, "cannot hold"},
		{[]minapp.Field{{Name: "a", Type: "geojson", CoordinateType: "gcj02"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"a": {Type: "POINT"}}}, "not supported"},
		{[]minapp.Field{{Name: "a", Type: "string"}}, sqldb.TypeOptions{Columns: map[string]sqldb.Column{"a": {ToSQL: func(v any) (any, error) { return v, nil }}}}, "is ToSQL, FromSQL and Type"},
	} {
		_, err := sqldb.Schema(&minapp.TableInfo{Name: "t", Fields: test.fields}, test.o)
		assert.ErrorContains(t, err, test.reason)
	}
	m, err := one(field(minapp.TypeString), sqldb.TypeOptions{})
	require.NoError(t, err)
	for _, table := range []string{"t", "", "a.", ".t", "a.t`; DROP TABLE y", "a.b.c", "a.t ", "a.\x00", "a." + strings.Repeat("x", 65), "a.😀"} {
		_, err := m.CreateTable(table)
		assert.Error(t, err, table)
	}
}

func TestOwnConversion(t *testing.T) {
	o := sqldb.TypeOptions{Columns: map[string]sqldb.Column{
		"created_by": {Omit: true},
		"v": {
			Name: "order", Type: "VARCHAR(100)",
			ToSQL:   func(v any) (any, error) { return strings.Join(texts(v), ","), nil },
			FromSQL: func(v any) (any, error) { return strings.Split(v.(string), ","), nil },
		},
	}}
	m, err := one(field(minapp.TypeArray), o)
	require.NoError(t, err)
	rows, err := m.ToSQL(&minapp.Record[minapp.Fields]{Value: minapp.Fields{"id": anID, "v": []any{"a", "b"}, "created_by": json.Number("1")}})
	require.NoError(t, err)
	assert.Equal(t, "a,b", rows[0]["order"])
	assert.NotContains(t, rows[0], "created_by")
	fields, err := m.FromSQL(rows[0])
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, fields[0]["v"])
}

func texts(v any) []string {
	var list []string
	for _, e := range v.([]any) {
		list = append(list, e.(string))
	}
	return list
}

func TestCreateTable(t *testing.T) {
	m, err := sqldb.Schema(&minapp.TableInfo{Name: "order", Fields: []minapp.Field{
		{Name: "id", Type: "id"},
		{Name: "group", Type: minapp.TypeString},
		{Name: "price", Type: minapp.TypeNumber},
		{Name: "where", Type: minapp.TypeGeoJSON, CoordinateType: minapp.CoordGCJ02},
		{Name: "tags", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
		{Name: "user", Type: minapp.TypePointer, SchemaID: 42},
		{Name: "_hidden", Type: minapp.TypeString},
	}}, sqldb.TypeOptions{Number: "DECIMAL(20,4)", Nulls: "_nulls", Columns: map[string]sqldb.Column{"group": {Type: "VARCHAR(100) COLLATE utf8mb4_bin"}}})
	require.NoError(t, err)
	w := newWorld(t)
	ddl, err := m.CreateTable(w.table("order"))
	require.NoError(t, err)
	assert.Equal(t, "CREATE TABLE IF NOT EXISTS `"+w.name+"`.`order` (\n"+
		"\t`id` CHAR(24) COLLATE utf8mb4_bin NOT NULL COMMENT 'minapp id',\n"+
		"\t`group` VARCHAR(100) COLLATE utf8mb4_bin NULL COMMENT 'minapp string',\n"+
		"\t`price` DECIMAL(20,4) NULL COMMENT 'minapp number',\n"+
		"\t`where` JSON NULL COMMENT 'minapp geojson, coordinates gcj02',\n"+
		"\t`tags` JSON NULL COMMENT 'minapp array of string',\n"+
		"\t`user` CHAR(24) COLLATE utf8mb4_bin NULL COMMENT 'minapp reference to table 42',\n"+
		"\t`created_by` BIGINT NULL COMMENT 'minapp user',\n"+
		"\t`created_at` DATETIME(6) NULL COMMENT 'minapp timestamp',\n"+
		"\t`updated_at` DATETIME(6) NULL COMMENT 'minapp timestamp',\n"+
		"\t`read_perm` JSON NULL COMMENT 'minapp permissions',\n"+
		"\t`write_perm` JSON NULL COMMENT 'minapp permissions',\n"+
		"\t`_nulls` JSON NULL COMMENT 'columns that are null, not missing',\n"+
		"\tPRIMARY KEY (`id`)\n"+
		") DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", ddl)
	w.must(t, ddl, ddl)
	assert.NotContains(t, ddl, "4326", "no shape claims to be WGS 84")
}

// docs/types.md says what CreateTable does.
func TestDocumentedTypes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/types.md")
	require.NoError(t, err)
	for _, kind := range []string{
		minapp.TypeString, minapp.TypeInteger, minapp.TypeNumber, minapp.TypeBoolean, minapp.TypeDate, minapp.TypeArray, minapp.TypeObject,
		minapp.TypeFile, minapp.TypeGeoJSON, minapp.TypePointer,
	} {
		m, err := one(field(kind), sqldb.TypeOptions{})
		require.NoError(t, err)
		ddl, err := m.CreateTable("a.t")
		require.NoError(t, err)
		_, rest, _ := strings.Cut(ddl, "`v` ")
		typ, _, _ := strings.Cut(rest, " NULL")
		assert.Regexp(t, `(?m)^\|[^|]*\b`+kind+`\b[^|]*\| `+regexp.QuoteMeta("`"+typ+"`"), string(doc))
	}
}

// Reserved words name tables and columns, both ways.
func TestReservedWords(t *testing.T) {
	w := newWorld(t)
	m, err := sqldb.Schema(&minapp.TableInfo{Name: "select", Fields: []minapp.Field{
		{Name: "order", Type: minapp.TypeString}, {Name: "key", Type: minapp.TypeInteger}, {Name: "desc", Type: minapp.TypeArray},
	}}, sqldb.TypeOptions{})
	require.NoError(t, err)
	ddl, err := m.CreateTable(w.table("select"))
	require.NoError(t, err)
	w.must(t, ddl)
	in := minapp.Fields{"id": anID, "order": "x", "key": json.Number("1"), "desc": []any{"a"}}
	for range 2 {
		_, err = migrate.Run(t.Context(), migrate.Plan[*minapp.Record[minapp.Fields], sqldb.Row]{
			Source: migrate.FromSlice("rows", []*minapp.Record[minapp.Fields]{{Value: in}}), Transform: m.ToSQL,
			Sink: sqldb.To(w.DB, w.table("select"), sqldb.ToOptions{}), Key: "id",
		})
		require.NoError(t, err)
	}
	rows := readAll(t, w, "select", sqldb.FromOptions{Columns: m.Columns()})
	require.Len(t, rows, 1)
	fields, err := m.FromSQL(rows[0])
	require.NoError(t, err)
	assert.JSONEq(t, encode(t, in), encode(t, fields[0]))
}

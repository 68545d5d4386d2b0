package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/minapp-go/minapp"
)

// EmptyCell is what an empty cell of a CSV file means. In a column of type
// string, an empty cell in quotes is always the empty text.
type EmptyCell int

// What an empty cell can mean.
const (
	EmptyMissing EmptyCell = iota // the row has no such column
	EmptyNull                     // null
	EmptyText                     // the empty text in columns of type string, missing in others
)

// csvColumn is a column of a CSV file.
type csvColumn struct {
	field minapp.Field
	title string
	name  json.RawMessage // as JSON
}

func newCSVColumn(f minapp.Field, titles map[string]string) csvColumn {
	title, ok := titles[f.Name]
	if !ok {
		title = f.Name
	}
	return csvColumn{f, title, encodeText(f.Name)}
}

// newCSVColumns are columns with their titles, of which no two are equal.
func newCSVColumns(fields []minapp.Field, titles map[string]string, null string) ([]csvColumn, error) {
	if strings.ContainsAny(null, "\",\r\n") {
		return nil, fmt.Errorf("Null is %q, which is no cell", null)
	}
	columns := make([]csvColumn, len(fields))
	taken := make(map[string]bool, len(fields))
	for i, f := range fields {
		c := newCSVColumn(f, titles)
		if c.title == "" || taken[c.title] {
			return nil, fmt.Errorf("the title %q is empty or there twice", c.title)
		}
		taken[c.title] = true
		columns[i] = c
	}
	for name := range titles {
		if !slices.ContainsFunc(fields, func(f minapp.Field) bool { return f.Name == name }) {
			return nil, fmt.Errorf("Titles has the column %q, which is not there", name)
		}
	}
	return columns, nil
}

// systemFields are the types of the columns that every table has.
var systemFields = []minapp.Field{
	{Name: "id", Type: minapp.TypeString},
	{Name: "created_by", Type: minapp.TypeInteger},
	{Name: "created_at", Type: minapp.TypeInteger},
	{Name: "updated_at", Type: minapp.TypeInteger},
	{Name: "read_perm", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	{Name: "write_perm", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
}

// withSystem adds the columns that every table has, unless they are there.
func withSystem(fields []minapp.Field) []minapp.Field {
	fields = slices.Clone(fields)
	for _, s := range systemFields {
		if !slices.ContainsFunc(fields, func(f minapp.Field) bool { return f.Name == s.Name }) {
			fields = append(fields, s)
		}
	}
	return fields
}

// isText reports a column whose cells are texts and not JSON. Types that this
// package does not know are.
func isText(kind string) bool {
	switch kind {
	case minapp.TypeInteger, minapp.TypeNumber, minapp.TypeBoolean, minapp.TypeArray, minapp.TypeObject, minapp.TypeGeoJSON, minapp.TypeFile:
		return false
	}
	return true
}

// parseCell is a cell as a value of its column.
func parseCell(f minapp.Field, cell string) (json.RawMessage, error) {
	if isText(f.Type) {
		if f.Type == minapp.TypeDate && !isMoment(cell) {
			return nil, fmt.Errorf("%s is no date of ISO 8601 with an offset", shown(cell))
		}
		return encodeText(cell), nil
	}
	cell = strings.TrimSpace(cell)
	switch f.Type {
	case minapp.TypeInteger:
		n, err := strconv.ParseInt(cell, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no integer of 64 bits", shown(cell))
		}
		return strconv.AppendInt(nil, n, 10), nil
	case minapp.TypeBoolean:
		cell = strings.ToLower(cell) // spreadsheets write TRUE
	}
	v, err := parseJSON(cell)
	if err == nil {
		err = fitsCell(f, v)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no %s: %w", shown(cell), f.Type, err)
	}
	return json.RawMessage(cell), nil
}

// parseJSON is exactly one value.
func parseJSON(text string) (v any, err error) {
	if !json.Valid([]byte(text)) {
		return nil, errors.New("it is no JSON")
	}
	if text[0] == '-' || '0' <= text[0] && text[0] <= '9' {
		return json.Number(text), nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// fitsCell is fits for a value that is not null; a number must also be one of
// 64 bits.
func fitsCell(f minapp.Field, v any) error {
	if err := fits(f, v); err != nil {
		return err
	}
	if n, ok := v.(json.Number); ok {
		if _, err := n.Float64(); err != nil {
			return errors.New("it does not fit into 64 bits")
		}
	}
	return nil
}

// formatCell is a value as the cell that parseCell reads.
func formatCell(f minapp.Field, value json.RawMessage) (string, error) {
	v, err := parseJSON(string(value))
	if err != nil {
		return "", err
	}
	if row, ok := v.(map[string]any); ok && f.Type == minapp.TypePointer {
		v = row["id"] // with the name of its table, or expanded
	}
	if err := fitsCell(f, v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return string(value), nil
}

// csvCells reads and writes the cells of rows.
type csvCells struct {
	columns []csvColumn
	null    string
	empty   EmptyCell
}

// object is a row as a JSON object. A cell that is no value of its column is
// put there as text, and the first such is the error.
func (c *csvCells) object(t *textFile, r *csvRow) (json.RawMessage, error) {
	var wrong error
	object := append(make([]byte, 0, 2*len(r.text)+32*len(r.cells)), '{')
	for i := range c.columns {
		column := &c.columns[i]
		value, err := c.value(column.field, string(r.cell(i)), r.cells[i].quoted)
		if err != nil {
			value = encodeText(string(r.cell(i)))
			if wrong == nil {
				wrong = &FileError{t.name, r.cells[i].line, r.cells[i].column, fmt.Errorf("column %q: %w", column.title, err)}
			}
		}
		if value == nil {
			continue
		}
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(append(append(object, column.name...), ':'), value...)
	}
	return append(object, '}'), wrong
}

// value is nil for a column that the row does not have.
func (c *csvCells) value(f minapp.Field, cell string, quoted bool) (json.RawMessage, error) {
	text := f.Type == minapp.TypeString
	switch {
	case c.null != "" && cell == c.null && !quoted:
		return json.RawMessage("null"), nil
	case cell != "":
		return parseCell(f, cell)
	case text && (quoted || c.empty == EmptyText):
		return json.RawMessage(`""`), nil
	case c.empty == EmptyNull:
		return json.RawMessage("null"), nil
	}
	return nil, nil
}

// write adds a row, which is a JSON object.
func (c *csvCells) write(b *bytes.Buffer, row []byte) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(row, &values); err != nil {
		return err
	}
	for i := range c.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		f := c.columns[i].field
		value := values[f.Name]
		delete(values, f.Name)
		switch string(value) {
		case "":
		case "null":
			b.WriteString(c.null)
		default:
			text, err := formatCell(f, value)
			if err != nil {
				return fmt.Errorf("column %q: %w", f.Name, err)
			}
			appendCSV(b, text, text == "" || text == c.null)
		}
	}
	b.WriteByte('\n')
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(system, name) && !strings.HasPrefix(name, "_") {
			return fmt.Errorf("column %q is not among those of the file", name)
		}
	}
	return nil
}

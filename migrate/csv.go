package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/minapp-go/minapp"
)

// FromCSVOptions steers [FromCSV].
type FromCSVOptions struct {
	// Columns are the columns that the file may have, with their types, as
	// client.Tables.Get returns them; those that every table has, such as id and
	// created_at, need not be named. nil takes every column as text.
	Columns []minapp.Field
	Titles  map[string]string // by column: its title in the file, where that is another
	Empty   EmptyCell         // what an empty cell means
	Null    string            // a cell that is null, such as NULL, unless it is in quotes; "" is none
	MaxRow  int               // bytes of a row at most; 0 is 16 MiB
}

// FromCSV reads a CSV file in UTF-8, plain or gzip, with a line of titles, as
// values of T: a struct with JSON tags, [github.com/minapp-go/minapp.Fields] or
// json.RawMessage. A byte-order mark is passed over, lines end in \n or \r\n,
// and what is in quotes is taken as it is. Memory does not grow with the file.
//
// Cells become values of their column's type: texts, dates (ISO 8601 with an
// offset) and ids of pointers as they are; integers of 64 bits, exactly;
// numbers as JSON writes them; true and false in any case; arrays, objects,
// geojson and files as JSON. Empty lines are passed over, except in a file of
// one column, where they are empty cells.
//
// Titles that are unknown or there twice end the run before anything is
// written. A row that has too few or too many cells or a quote where none may
// be, is not UTF-8, or has a cell that is no value of its column, is rejected
// with a *[FileError], and the rest goes on. A quote that is not closed, a row
// that is longer than MaxRow and a damaged gzip file end the run after the rows
// before it.
//
// A file is one part. A plain file is resumed where it stood, a gzip file is
// read again until there; a file that was changed in front of that place is an
// [ErrCheckpoint].
func FromCSV[T any](path string, o FromCSVOptions) Source[T] {
	name := "CSV file " + path
	if o.Empty != EmptyMissing || o.Null != "" {
		name += fmt.Sprintf(" (empty %d, null %q)", o.Empty, o.Null)
	}
	return &fileSource[T]{name: name, path: path, maxRow: o.MaxRow, prepare: func(t *textFile) (rowReader[T], error) {
		columns, err := o.header(t)
		if err != nil {
			return nil, err
		}
		r := csvReader[T]{cells: csvCells{columns, o.Null, o.Empty}}
		return r.next, nil
	}}
}

// header reads the line of titles.
func (o *FromCSVOptions) header(t *textFile) ([]csvColumn, error) {
	var r csvRow
	switch err := r.read(t); {
	case errors.Is(err, io.EOF):
		return nil, t.fail(errors.New("the file is empty, and a line of titles is needed"))
	case err != nil:
		return nil, fmt.Errorf("the line of titles: %w", err)
	case r.err != nil:
		return nil, fmt.Errorf("the line of titles: %w", r.err)
	}
	titles := make([]string, len(r.cells))
	for i := range titles {
		titles[i] = string(r.cell(i))
		if !utf8.ValidString(titles[i]) {
			return nil, &FileError{t.name, r.cells[i].line, r.cells[i].column, fmt.Errorf("the title %q is not UTF-8", titles[i])}
		}
	}
	columns, err := o.columns(titles)
	if err != nil {
		return nil, &FileError{File: t.name, Line: r.line, Err: err}
	}
	return columns, nil
}

// columns finds the columns of titles.
func (o *FromCSVOptions) columns(titles []string) ([]csvColumn, error) {
	fields := withSystem(o.Columns)
	if o.Columns == nil {
		fields = textFields(titles, o.Titles)
	}
	known, err := newCSVColumns(fields, o.Titles, o.Null)
	if err != nil {
		return nil, err
	}
	byTitle := make(map[string]csvColumn, len(known))
	for _, c := range known {
		byTitle[c.title] = c
	}
	columns := make([]csvColumn, len(titles))
	var unknown []string
	for i, title := range titles {
		c, ok := byTitle[title]
		switch {
		case !ok:
			unknown = append(unknown, fmt.Sprintf("%q", title))
		case slices.Contains(titles[:i], title):
			return nil, fmt.Errorf("the title %q is there twice", title)
		}
		columns[i] = c
	}
	if unknown != nil {
		return nil, fmt.Errorf("no column has the title %s; the titles are %q", strings.Join(unknown, ", "), slices.Sorted(maps.Keys(byTitle)))
	}
	return columns, nil
}

// textFields are columns of text, of these titles.
func textFields(titles []string, byName map[string]string) []minapp.Field {
	fields := make([]minapp.Field, len(titles))
	for i, title := range titles {
		fields[i] = minapp.Field{Name: title, Type: minapp.TypeString}
		for name, t := range byName {
			if t == title {
				fields[i].Name = name
			}
		}
	}
	return fields
}

// csvReader makes rows of cells.
type csvReader[T any] struct {
	cells csvCells
	row   csvRow
}

func (c *csvReader[T]) next(t *textFile) (Row[T], error) {
	for {
		if err := c.row.read(t); err != nil {
			return Row[T]{}, err
		}
		if !c.row.empty() || len(c.cells.columns) == 1 {
			break
		}
	}
	at := fmt.Sprintf("%s:%d", t.name, c.row.line)
	if err := c.check(t); err != nil {
		return unreadable[T](at, rejectedText(t.content()), err), nil
	}
	object, err := c.cells.object(t, &c.row)
	if err != nil {
		return unreadable[T](at, object, err), nil
	}
	row, err := newRow[T](at, object)
	if err != nil {
		row.Err = c.misfit(t, err)
	}
	return row, nil
}

// misfit is a row that T cannot hold, with the cell if the error names it.
func (c *csvReader[T]) misfit(t *textFile, err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		for i, column := range c.cells.columns {
			if column.field.Name == e.Field {
				return &FileError{t.name, c.row.cells[i].line, c.row.cells[i].column, err}
			}
		}
	}
	return &FileError{t.name, c.row.line, 0, err}
}

// check refuses a row whose cells cannot be told.
func (c *csvReader[T]) check(t *textFile) error {
	r := &c.row
	if r.err != nil {
		return r.err
	}
	if len(r.cells) != len(c.cells.columns) {
		return &FileError{t.name, r.line, 0, fmt.Errorf("%d cells, and there are %d titles", len(r.cells), len(c.cells.columns))}
	}
	for i, column := range c.cells.columns {
		if at := invalidUTF8(r.cell(i)); at >= 0 {
			return &FileError{t.name, r.cells[i].line, r.cells[i].column, fmt.Errorf("column %q: %w", column.title, &utf8Error{at, r.cell(i)[at]})}
		}
	}
	return nil
}

// ToCSVOptions steers [ToCSV]. Columns is needed.
type ToCSVOptions struct {
	// Columns are the columns of the file in their order, as client.Tables.Get
	// returns them; add those that every table has, such as id, where they are
	// wanted.
	Columns []minapp.Field
	Titles  map[string]string // by column: its title in the file, where that is another
	Null    string            // what null is written as, such as NULL; "" writes it as if it were missing
	Gzip    bool              // also if the name does not end in .gz
	// ByteOrderMark begins the file with a byte-order mark, without which some
	// spreadsheet programs do not take it for UTF-8.
	ByteOrderMark bool
}

// ToCSV writes a CSV file in UTF-8 with a line of titles; as gzip if its name
// ends in .gz. [FromCSV] with the same columns, titles and Null reads the same
// values: missing is an empty cell, and the empty text one in quotes. Only
// pointers become their ids as text, and null is read as missing if there is no
// word for it.
//
// A row with a value that is none of its column, or with a column that the file
// does not have, is rejected; columns that every table has are left out if they
// are not named. For the file itself see [ToJSONLines].
func ToCSV[D any](path string, o ToCSVOptions) Sink[D] {
	s := &fileSink[D]{path: path, zipped: o.Gzip || isZipName(path), open: openDisk}
	columns, err := newCSVColumns(o.Columns, o.Titles, o.Null)
	if len(columns) == 0 && err == nil {
		err = errors.New("ToCSVOptions.Columns is needed")
	}
	s.err = err
	cells := csvCells{columns: columns, null: o.Null}
	s.encode = cells.write
	titles := cells.titles()
	s.name = fmt.Sprintf("CSV file %s (%s, null %q)", path, strings.TrimSuffix(titles, "\n"), o.Null)
	if o.ByteOrderMark {
		titles = byteOrderMark + titles
	}
	s.head = []byte(titles)
	return s
}

// titles is the first line of the file.
func (c *csvCells) titles() string {
	var b bytes.Buffer
	for i := range c.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		appendCSV(&b, c.columns[i].title, false)
	}
	b.WriteByte('\n')
	return b.String()
}

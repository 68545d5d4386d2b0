package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// csvRow is a row of a CSV file as RFC 4180 has it. encoding/csv is not used,
// because it turns \r\n within cells into \n, does not tell an empty cell from
// an empty text in quotes, and reads on without end where a quote is missing.
type csvRow struct {
	line  int64 // of the file, from 1
	text  []byte
	cells []csvCell
	err   *FileError // the row has a mistake that ends with it
}

type csvCell struct {
	start, end   int // in text
	quoted       bool
	line, column int64
}

func (r *csvRow) cell(i int) []byte { return r.text[r.cells[i].start:r.cells[i].end] }

// read reads the next row. An empty line is a row of one empty cell. An error
// is that no more rows can be read: io.EOF, or a quote that is never closed.
func (r *csvRow) read(t *textFile) error {
	r.line, r.text, r.cells, r.err = t.at.Line, r.text[:0], r.cells[:0], nil
	t.newRow()
	if err := t.readLine(); err != nil {
		return err
	}
	for at, more := 0, true; more; {
		cell := csvCell{start: len(r.text), line: t.at.Line - 1, column: int64(at-t.start) + 1}
		if at < len(t.row) && t.row[at] == '"' {
			cell.quoted = true
			var err error
			if at, err = r.quoted(t, at+1, cell); err != nil {
				return err
			}
		}
		var rest []byte
		rest, _, more = bytes.Cut(t.content()[at:], []byte(","))
		if cell.quoted && len(rest) > 0 {
			r.mistake(t, at, errors.New("text follows after a closing quote"))
		} else if i := bytes.IndexByte(rest, '"'); i >= 0 {
			r.mistake(t, at+i, errors.New("a quote in a cell that does not begin with one"))
		}
		r.text = append(r.text, rest...)
		cell.end = len(r.text)
		r.cells = append(r.cells, cell)
		at += len(rest) + 1
	}
	return nil
}

// quoted reads what is within quotes, and returns the place after them.
func (r *csvRow) quoted(t *textFile, at int, opened csvCell) (int, error) {
	for {
		text, _, closed := bytes.Cut(t.row[at:], []byte(`"`))
		r.text = append(r.text, text...)
		at += len(text)
		if !closed {
			err := t.readLine()
			if errors.Is(err, io.EOF) || errors.Is(err, errTooLong) {
				return 0, &FileError{t.name, opened.line, opened.column, fmt.Errorf("a quote is opened here and not closed: %w", errUnclosed(err))}
			}
			if err != nil {
				return 0, err
			}
			continue
		}
		if at++; at == len(t.row) || t.row[at] != '"' {
			return at, nil
		}
		r.text = append(r.text, '"')
		at++
	}
}

// errUnclosed is why the search for a closing quote ended.
func errUnclosed(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return errTooLong
}

// mistake notes the first mistake of the row.
func (r *csvRow) mistake(t *textFile, at int, err error) {
	if r.err == nil {
		r.err = &FileError{t.name, t.at.Line - 1, int64(at-t.start) + 1, err}
	}
}

// empty reports an empty line.
func (r *csvRow) empty() bool {
	return len(r.cells) == 1 && len(r.text) == 0 && !r.cells[0].quoted
}

// appendCSV adds a cell. It is put in quotes where it would be read otherwise,
// and where that is asked for.
func appendCSV(b *bytes.Buffer, text string, quoted bool) {
	if !quoted && !strings.ContainsAny(text, "\",\r\n") && (text == "" || text[0] != ' ' && text[len(text)-1] != ' ') {
		b.WriteString(text)
		return
	}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(text, `"`, `""`))
	b.WriteByte('"')
}

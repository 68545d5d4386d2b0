package minapp

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"unicode/utf8"
)

// ExportRows reads the rows of exported files, one file after another, as
// values of T: a struct with JSON tags, [Fields], or json.RawMessage. Memory
// does not grow with the files.
//
// No document says what an exported file looks like, so everything about it is
// inferred, and found out by looking: gzip; zip, whose files are read in turn;
// a byte-order mark of UTF-8; a JSON array, JSON objects one after another, or
// CSV with a line of titles. The values of a CSV row are texts, named by the
// titles: fields of T are strings or have the option ",string". Excel files and
// other encodings than UTF-8 are errors.ErrUnsupported.
//
// A row that T cannot hold is yielded with a *[DecodeError], and the loop may
// go on; any other error is the last element. It is [ErrProtocol] and names the
// file: for a file that is cut or damaged with the byte up to which it was
// read, and for one that has another number of rows than ExportFile.Rows.
func ExportRows[T any](files ...ExportFile) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, file := range files {
			var rows int64
			err := scanFile(file.Path, func(raw json.RawMessage) error {
				rows++
				if !yield(decodeRow[T](raw)) {
					return errStop
				}
				return nil
			})
			if errors.Is(err, errStop) {
				return
			}
			if err == nil && file.Rows != AnyRows && file.Rows != rows {
				err = fmt.Errorf("%w: %s has %d rows, and %d were counted", ErrProtocol, file.Path, rows, file.Rows)
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
		}
	}
}

// errStop ends a scan because nobody wants more rows.
var errStop = errors.New("stop")

func decodeRow[T any](raw json.RawMessage) (v T, err error) {
	if out, ok := any(&v).(*json.RawMessage); ok {
		*out = raw
		return v, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, newDecodeError(raw, err)
	}
	return v, nil
}

func scanFile(path string, emit func(json.RawMessage) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return scanExport(path, file, info.Size(), emit)
}

// scanExport finds out what a file is.
func scanExport(name string, r io.ReaderAt, size int64, emit func(json.RawMessage) error) error {
	magic := make([]byte, 4)
	n, _ := r.ReadAt(magic, 0)
	whole := io.NewSectionReader(r, 0, size)
	switch {
	case isZip(magic[:n]):
		return scanZip(name, whole, size, emit)
	case bytes.HasPrefix(magic[:n], []byte{0x1f, 0x8b}):
		unzipped, err := gzip.NewReader(whole)
		if err != nil {
			return damaged(name, 0, err)
		}
		return scanText(name, unzipped, emit)
	}
	return scanText(name, whole, emit)
}

// isZip knows a zip file by its first entry, or by its end if it has none.
func isZip(head []byte) bool { return string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06" }

func scanZip(name string, r io.ReaderAt, size int64, emit func(json.RawMessage) error) error {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return damaged(name, size, err)
	}
	for _, entry := range archive.File {
		if entry.Name == "[Content_Types].xml" {
			return fmt.Errorf("%s: %w: it is an Excel file", name, errors.ErrUnsupported)
		}
	}
	for _, entry := range archive.File {
		if strings.HasSuffix(entry.Name, "/") || strings.HasPrefix(entry.Name, "__MACOSX/") {
			continue
		}
		if err := scanEntry(name+"!"+entry.Name, entry, emit); err != nil {
			return err
		}
	}
	return nil
}

func scanEntry(name string, entry *zip.File, emit func(json.RawMessage) error) error {
	r, err := entry.Open()
	if err != nil {
		return damaged(name, 0, err)
	}
	defer r.Close()
	return scanText(name, r, emit)
}

// damaged is a file that cannot be read on after so many bytes of its
// uncompressed content.
func damaged(name string, at int64, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %s is cut or damaged, read up to byte %d: %w", ErrProtocol, name, at, err)
}

// scanText reads the rows of JSON or CSV.
func scanText(name string, r io.Reader, emit func(json.RawMessage) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var skipped int64
	switch head, _ := in.Peek(4); {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		skipped = 3
		_, _ = in.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return fmt.Errorf("%s: %w: it is in UTF-16", name, errors.ErrUnsupported)
	case isZip(head):
		return fmt.Errorf("%s: %w: a zip file inside of another file", name, errors.ErrUnsupported)
	}
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return damaged(name, skipped, err)
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			skipped++
			continue
		}
		_ = in.UnreadByte()
		if c == '[' || c == '{' {
			return scanJSON(name, in, skipped, c == '[', emit)
		}
		return scanCSV(name, in, skipped, emit)
	}
}

// scanJSON reads objects one after another, or the elements of an array.
func scanJSON(name string, r io.Reader, skipped int64, array bool, emit func(json.RawMessage) error) error {
	dec := json.NewDecoder(r)
	fail := func(err error) error { return damaged(name, skipped+dec.InputOffset(), err) }
	if array {
		_, _ = dec.Token() // the bracket that was seen
	}
	for !array || dec.More() {
		var row json.RawMessage
		err := dec.Decode(&row)
		switch {
		case errors.Is(err, io.EOF) && !array:
			return nil
		case err != nil:
			return fail(err)
		case row[0] != '{':
			return fail(fmt.Errorf("a row is %.20s, not an object", row))
		}
		if err := emit(row); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fail(err)
	}
	switch token, err := dec.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fail(err)
	default:
		return fail(fmt.Errorf("%v follows after the array", token))
	}
}

// scanCSV turns each line into an object of texts.
func scanCSV(name string, r io.Reader, skipped int64, emit func(json.RawMessage) error) error {
	in := csv.NewReader(r)
	fail := func(err error) error { return damaged(name, skipped+in.InputOffset(), err) }
	titles, err := in.Read()
	if err == nil {
		err = checkTitles(titles)
	}
	if err != nil {
		return fail(err)
	}
	in.ReuseRecord = true
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var row json.RawMessage
		if err == nil {
			row, err = textObject(titles, record)
		}
		if err != nil {
			return fail(err)
		}
		if err := emit(row); err != nil {
			return err
		}
	}
}

func checkTitles(titles []string) error {
	seen := make(map[string]bool, len(titles))
	for _, title := range titles {
		if seen[title] {
			return fmt.Errorf("the title %q is there twice", title)
		}
		seen[title] = true
	}
	return nil
}

func textObject(names, values []string) (json.RawMessage, error) {
	object := []byte{'{'}
	for i, value := range values {
		if !utf8.ValidString(value) || !utf8.ValidString(names[i]) {
			return nil, fmt.Errorf("%w: column %q is not in UTF-8", errors.ErrUnsupported, names[i])
		}
		name, _ := json.Marshal(names[i]) // a text always encodes
		text, _ := json.Marshal(value)
		if i > 0 {
			object = append(object, ',')
		}
		object = append(append(append(object, name...), ':'), text...)
	}
	return append(object, '}'), nil
}

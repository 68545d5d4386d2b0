package exportfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

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

package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"
)

// fileSource reads rows of a file one after another, as one part.
type fileSource[T any] struct {
	name   string
	path   string
	maxRow int
	// prepare looks at the beginning of the file, and says how a row is read.
	prepare func(t *textFile) (rowReader[T], error)
}

// rowReader reads the next row. What is wrong with that row only is its
// Row.Err; io.EOF is the end.
type rowReader[T any] func(t *textFile) (Row[T], error)

// chunkBytes ends a chunk of long rows before it has chunkRows of them.
const chunkBytes = 8 << 20

func (s *fileSource[T]) String() string { return s.name }

func (s *fileSource[T]) open() (*textFile, rowReader[T], error) {
	t, err := openText(s.path, s.maxRow)
	if err != nil {
		return nil, nil, err
	}
	read, err := s.prepare(t)
	if err != nil {
		t.close()
	}
	return t, read, err
}

func (s *fileSource[T]) Parts(context.Context, int) ([]Part, error) {
	t, _, err := s.open()
	if err != nil {
		return nil, err
	}
	defer t.close()
	return []Part{encodePart(t.at)}, nil
}

func (s *fileSource[T]) Chunks(ctx context.Context, p Part) iter.Seq2[Chunk[T], error] {
	return func(yield func(Chunk[T], error) bool) {
		err := s.read(ctx, p, func(c Chunk[T]) bool { return yield(c, nil) })
		if err != nil {
			yield(Chunk[T]{}, err)
		}
	}
}

func (s *fileSource[T]) read(ctx context.Context, p Part, emit func(Chunk[T]) bool) error {
	var from filePlace
	if err := json.Unmarshal(p, &from); err != nil {
		return fmt.Errorf("part %s: %w", p, err)
	}
	t, read, err := s.open()
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.resume(ctx, from); err != nil {
		return err
	}
	for ctx.Err() == nil {
		c, err := readChunk(t, read)
		if len(c.Rows) > 0 && !emit(c) || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// readChunk reads rows until there are enough. What was read before an error
// is a chunk, whose rest begins where the error is.
func readChunk[T any](t *textFile, read rowReader[T]) (c Chunk[T], err error) {
	for limit := t.at.Offset + chunkBytes; len(c.Rows) < chunkRows && t.at.Offset < limit; {
		before := t.at
		row, err := read(t)
		if errors.Is(err, io.EOF) {
			return c, err
		}
		if err != nil {
			c.Rest = encodePart(before)
			return c, err
		}
		c.Rows = append(c.Rows, row)
	}
	c.Rest = encodePart(t.at)
	return c, nil
}

// Estimate reads at most the first 1 MiB, and a file that is no longer is
// counted.
func (s *fileSource[T]) Estimate(context.Context) (Cost, error) {
	t, read, err := s.open()
	if err != nil {
		return Cost{}, err
	}
	defer t.close()
	rows := int64(0)
	for t.at.Offset < 1<<20 {
		if _, err = read(t); err != nil {
			break
		}
		rows++
	}
	if err != nil { // the end, or what the run will say
		return Cost{Rows: rows, Bytes: t.at.Offset}, nil
	}
	done, err := t.consumed()
	if err != nil {
		return Cost{}, err
	}
	share := float64(t.size) / float64(done)
	return Cost{Rows: int64(float64(rows) * share), Bytes: int64(float64(t.at.Offset) * share)}, nil
}

// consumed is how much of the file was read, as it is on disk.
func (t *textFile) consumed() (int64, error) {
	if !t.zipped {
		return t.at.Offset, nil
	}
	n, err := t.file.Seek(0, io.SeekCurrent)
	return n - int64(t.disk.Buffered()), err
}

// newRow is a row at a line; raw is the JSON object that it is.
func newRow[T any](at string, raw json.RawMessage) (row Row[T], err error) {
	row = Row[T]{At: at, Raw: raw}
	if !bytes.HasPrefix(raw, []byte("{")) {
		return row, fmt.Errorf("the row is %.40s, not a JSON object", raw)
	}
	if v, ok := any(&row.Value).(*json.RawMessage); ok {
		*v = raw
		return row, nil
	}
	return row, json.Unmarshal(raw, &row.Value)
}

// unreadable is a row with a mistake.
func unreadable[T any](at string, raw json.RawMessage, err error) Row[T] {
	return Row[T]{At: at, Raw: raw, Err: err}
}

// rejectedText is a row of which only the text is there, as a JSON string. What
// is not UTF-8 is shown as \xff.
func rejectedText(text []byte) json.RawMessage {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, text[0])
		} else {
			b.Write(text[:n])
		}
		text = text[n:]
	}
	return encodeText(b.String())
}

// encodeText is a text as JSON, without the escapes that only HTML needs.
func encodeText(text string) json.RawMessage {
	if !strings.ContainsFunc(text, escaped) {
		return json.RawMessage(`"` + text + `"`)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func escaped(r rune) bool {
	return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
}

package migrate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// FileError is something that is wrong at a place of a file.
type FileError struct {
	File   string // its base name
	Line   int64  // from 1
	Column int64  // byte of the line, from 1; 0 is the whole line
	Err    error
}

// Error begins with the place, as compilers write it.
func (e *FileError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

// Unwrap returns what is wrong.
func (e *FileError) Unwrap() error { return e.Err }

// filePlace is where a row begins, and what is in front of it, by which a file
// that was changed meanwhile is known.
type filePlace struct {
	Offset int64  `json:"offset"`         // bytes of the content, unzipped
	Line   int64  `json:"line"`           // from 1
	Tail   int64  `json:"tail,omitempty"` // the last bytes before Offset: how many
	Sum    uint32 `json:"sum,omitempty"`  // and their CRC-32
}

const (
	defaultMaxRow = 16 << 20
	tailBytes     = 256
)

// textFile is a file of rows in UTF-8, plain or gzip, that is read line by line.
type textFile struct {
	name   string
	file   *os.File
	size   int64
	zipped bool
	disk   *bufio.Reader // the file as it is
	in     *bufio.Reader // its content
	max    int           // bytes of a row
	at     filePlace     // after the line that was read last
	row    []byte        // the lines since newRow
	start  int           // of the last of them
}

// openText opens a file at its beginning, which for rows is after a byte-order
// mark.
func openText(path string, maxRow int) (*textFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &textFile{name: filepath.Base(path), file: file, max: maxRow, at: filePlace{Line: 1}}
	if t.max == 0 {
		t.max = defaultMaxRow
	}
	if err := t.begin(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *textFile) begin() error {
	info, err := t.file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", t.name)
	}
	t.size = info.Size()
	t.disk = bufio.NewReaderSize(t.file, 64<<10)
	t.in = t.disk
	if magic, _ := t.disk.Peek(2); string(magic) == "\x1f\x8b" {
		t.zipped = true
		unzipped, err := gzip.NewReader(t.disk)
		if err != nil {
			return t.damaged(err)
		}
		t.in = bufio.NewReaderSize(unzipped, 64<<10)
	}
	switch head, _ := t.in.Peek(3); {
	case string(head) == byteOrderMark:
		t.at.Offset = int64(len(byteOrderMark))
		_, err = t.in.Discard(len(byteOrderMark))
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		err = t.fail(errors.New("the file is in UTF-16, not in UTF-8"))
	}
	return err
}

const byteOrderMark = "\ufeff"

func (t *textFile) close() { _ = t.file.Close() } // it was only read

// resume goes to where an earlier run stood. A plain file is not read until
// there, a zipped one is.
func (t *textFile) resume(ctx context.Context, to filePlace) error {
	changed := fmt.Errorf("%w: %s is not the file that was read until line %d", ErrCheckpoint, t.name, to.Line)
	switch {
	case to == t.at:
		return nil
	case to.Line <= t.at.Line:
		return changed
	}
	if !t.zipped {
		tail := make([]byte, to.Tail)
		if _, err := t.file.ReadAt(tail, to.Offset-to.Tail); err != nil || crc32.ChecksumIEEE(tail) != to.Sum {
			return changed
		}
		if _, err := t.file.Seek(to.Offset, io.SeekStart); err != nil {
			return err
		}
		t.in.Reset(t.file)
		t.at = to
		return nil
	}
	for t.at.Line < to.Line {
		t.newRow()
		switch err := t.readLine(); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return changed
		case err != nil:
			return err
		}
	}
	if t.at != to {
		return changed
	}
	return nil
}

// newRow forgets the lines that were read.
func (t *textFile) newRow() { t.row = t.row[:0] }

// readLine adds the next line to the row, with its end; io.EOF is that there is
// none.
func (t *textFile) readLine() error {
	t.start = len(t.row)
	for {
		part, err := t.in.ReadSlice('\n')
		t.row = append(t.row, part...)
		switch {
		case len(t.row) > t.max:
			return t.fail(fmt.Errorf("%w, %d bytes", errTooLong, t.max))
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil, errors.Is(err, io.EOF) && len(t.row) > t.start:
			t.advance(t.row[t.start:])
			return nil
		case errors.Is(err, io.EOF):
			return io.EOF
		default:
			return t.damaged(err)
		}
	}
}

// errTooLong keeps a file that is no text, or in which a quote is missing, from
// filling the memory.
var errTooLong = errors.New("a row is longer than MaxRow")

// advance moves the place behind a line.
func (t *textFile) advance(line []byte) {
	tail := line[max(0, len(line)-tailBytes):]
	t.at = filePlace{t.at.Offset + int64(len(line)), t.at.Line + 1, int64(len(tail)), crc32.ChecksumIEEE(tail)}
}

// content is the row without the end of its last line.
func (t *textFile) content() []byte {
	row := bytes.TrimSuffix(t.row, []byte("\n"))
	return bytes.TrimSuffix(row, []byte("\r"))
}

// fail is an error about the line that would be read next.
func (t *textFile) fail(err error) error {
	return &FileError{File: t.name, Line: t.at.Line, Err: err}
}

func (t *textFile) damaged(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if t.zipped {
		err = fmt.Errorf("the gzip file is cut or damaged, %d bytes of its content are before this line: %w", t.at.Offset, err)
	}
	return t.fail(err)
}

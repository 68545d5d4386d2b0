package minapp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime/multipart"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

// ImportService turns files into rows. Source: open-api/data/operation.md,
// user-dash/data/operation.md.
type ImportService struct{ client *Client }

// Source is a file to be imported: one on disk ([FileSource]), what a reader
// gives ([ReaderSource]), or rows that are encoded while they are sent
// ([JSONSource], [CSVSource]).
type Source struct {
	Name string                        // ends in .csv or .json: the service may go by it
	Size int64                         // exact length in bytes; -1 if it is not known, then the file is sent in chunks
	Open func() (io.ReadCloser, error) // the content from its beginning; called for every attempt

	once bool  // Open works once
	err  error // why there is nothing to import
}

// FileSource is a file on disk, of the length that it has now. Of one that cannot
// be opened, or is no regular file, the import is [ErrInvalid].
func FileSource(path string) Source {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		return Source{err: err}
	}
	return Source{Name: filepath.Base(path), Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// ReaderSource is what a reader gives, of a length in bytes, or -1 if it is not
// known. It can be read only once: the import is not repeated, not even after
// a 429, and a second import of the same source is an error.
func ReaderSource(name string, r io.Reader, size int64) Source {
	if r == nil {
		return Source{err: errors.New("the reader is nil")}
	}
	var used sync.Once
	return Source{Name: name, Size: size, once: true, Open: func() (io.ReadCloser, error) {
		err := errors.New("the reader was read before")
		used.Do(func() { err = nil })
		return io.NopCloser(r), err
	}}
}

// JSONSource encodes rows as one JSON array while they are sent. Every attempt
// ranges over rows anew. Rows encode as JSON objects; [Fields] and raw rows
// lose id and _id, as with [Table.Create]. That the service takes an array is
// inferred: the page that describes the files is not public.
func JSONSource[T any](name string, rows iter.Seq2[T, error]) Source {
	return rowSource(name, rows, func() rowEncoder {
		return rowEncoder{
			row: func(b *bytes.Buffer, n int, row []byte) error {
				b.WriteString(map[bool]string{true: "[\n", false: ",\n"}[n == 0])
				b.Write(row)
				return nil
			},
			end: "\n]\n",
		}
	})
}

// CSVSource encodes rows as CSV while they are sent: a line of column names,
// then one line for each row. Every attempt ranges over rows anew. Rows encode
// as JSON objects: texts are written as they are, null and missing columns
// are empty, anything else is its JSON (inferred: the page that describes the
// files is not public). A row with another column than those named is an error.
func CSVSource[T any](name string, columns []string, rows iter.Seq2[T, error]) Source {
	if len(columns) == 0 {
		return Source{err: errors.New("no columns are named")}
	}
	if err := checkNames("columns", columns); err != nil {
		return Source{err: err}
	}
	columns = slices.Clone(columns)
	return rowSource(name, rows, func() rowEncoder {
		return rowEncoder{row: func(b *bytes.Buffer, n int, row []byte) error {
			w := csv.NewWriter(b)
			if n == 0 {
				_ = w.Write(columns) // goes to memory
			}
			record, err := csvRecord(columns, row)
			if err != nil {
				return err
			}
			_ = w.Write(record)
			w.Flush()
			if len(columns) == 1 && record[0] == "" {
				b.Truncate(b.Len() - 1)
				b.WriteString("\"\"\n") // an empty line would be no row
			}
			return nil
		}}
	})
}

// csvRecord is a row, which is a JSON object, in the order of the columns.
func csvRecord(columns []string, row []byte) ([]string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(row, &members); err != nil {
		return nil, err
	}
	record := make([]string, len(columns))
	for i, column := range columns {
		if raw, ok := members[column]; ok && string(raw) != "null" {
			record[i] = text(raw)
		}
		delete(members, column)
	}
	for column := range members {
		return nil, fmt.Errorf("column %q is not among those of the file", column)
	}
	return record, nil
}

// rowEncoder writes the nth row, from 0, and what follows after the last one.
type rowEncoder struct {
	row func(b *bytes.Buffer, n int, row []byte) error
	end string
}

func rowSource[T any](name string, rows iter.Seq2[T, error], encoder func() rowEncoder) Source {
	if rows == nil {
		return Source{err: errors.New("the rows are nil")}
	}
	return Source{Name: name, Size: -1, Open: func() (io.ReadCloser, error) {
		next, stop := iter.Pull2(rows)
		return &rowReader{encoder: encoder(), stop: stop, next: func() ([]byte, bool, error) {
			v, err, ok := next()
			if !ok || err != nil {
				return nil, ok, err
			}
			data, err := encode(stdCodec{}, &v)
			return data, true, err
		}}, nil
	}}
}

// rowReader encodes row after row as it is read.
type rowReader struct {
	encoder rowEncoder
	next    func() (row []byte, ok bool, err error)
	stop    func()
	buffer  bytes.Buffer
	rows    int
	err     error
}

// Read implements io.Reader.
func (r *rowReader) Read(p []byte) (int, error) {
	for r.buffer.Len() == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	return r.buffer.Read(p)
}

// fill encodes the next row. No rows are no bytes.
func (r *rowReader) fill() {
	row, ok, err := r.next()
	if err == nil && ok {
		err = r.encoder.row(&r.buffer, r.rows, row)
	}
	switch {
	case err != nil:
		r.buffer.Reset()
		r.err = fmt.Errorf("row %d: %w", r.rows, err)
	case ok:
		r.rows++
	default:
		if r.rows > 0 {
			r.buffer.WriteString(r.encoder.end)
		}
		r.err = io.EOF
	}
}

// Close implements io.Closer.
func (r *rowReader) Close() error {
	r.stop()
	return nil
}

// Start sends a file, of type CSV or JSON, whose rows the service adds to a
// table. It streams: memory does not grow with the file. A file that is empty,
// or whose name does not end in .csv or .json, is [ErrInvalid] before anything
// is sent, and so is what the service refuses (400).
//
// With the default transport the upload takes as long as it takes, and then the
// service has 60 s to answer. Success means that it has taken the file. There is
// no job that could be looked at: what became of the rows is told by e-mail and
// in the console, and a client can at most count the rows before and after.
//
// It is not repeated after a failure whose outcome is unknown
// ([ErrOutcomeUnknown]) without [CallReplay], because that would import the rows
// twice; a row or a reader that fails on the way is one of these, since the
// service has a part of the file by then. Source: open-api/data/operation.md.
func (s *ImportService) Start(ctx context.Context, table TableID, src Source, opts ...CallOption) error {
	op := operation.ImportsStart
	if err := table.check(); err != nil {
		return invalid(op, "%w", err)
	}
	call, err := newCall(op, opts, table.String())
	if err != nil {
		return err
	}
	u, err := newUpload(src)
	if err != nil {
		return invalid(op, "Source: %w", err)
	}
	defer u.end(ctx)
	call.Body = u.body()
	if src.once {
		call.Policy = &api.Policy{MaxAttempts: 1}
	}
	return s.client.send(ctx, op, call, nil, nil)
}

// importType is the content type of a file that the service documents, or "".
func importType(name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		return "text/csv"
	case ".json":
		return "application/json"
	}
	return ""
}

func (src Source) check() error {
	switch {
	case src.err != nil:
		return src.err
	case importType(src.Name) == "":
		return fmt.Errorf("Name is %q, which does not end in .csv or .json", src.Name)
	case src.Open == nil:
		return errors.New("Open is nil")
	case src.Size == 0:
		return fmt.Errorf("%s is empty", src.Name)
	case src.Size < -1:
		return fmt.Errorf("Size is %d", src.Size)
	}
	return nil
}

// upload is a source within its envelope. It was opened once already, to see
// that there is something in it.
type upload struct {
	source         Source
	contentType    string
	prefix, suffix string

	mu     sync.Mutex
	first  io.ReadCloser // opened already; nil once it is taken
	bodies []*uploadBody
}

func newUpload(src Source) (*upload, error) {
	if err := src.check(); err != nil {
		return nil, err
	}
	u := &upload{source: src}
	if err := u.envelop(); err != nil {
		return nil, err
	}
	content, err := src.Open()
	if err != nil {
		return nil, err
	}
	peeked := bufio.NewReader(content)
	if _, err := peeked.Peek(1); err != nil {
		content.Close()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%s is empty", src.Name)
		}
		return nil, err
	}
	u.first = struct {
		io.Reader
		io.Closer
	}{peeked, content}
	return u, nil
}

// envelop writes what is in front of the file and after it.
func (u *upload) envelop() error {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", u.source.Name)},
		"Content-Type":        {importType(u.source.Name)},
	})
	if err != nil {
		return err
	}
	u.prefix = b.String()
	if err := w.Close(); err != nil {
		return err
	}
	u.suffix = b.String()[len(u.prefix):]
	u.contentType = w.FormDataContentType()
	return nil
}

func (u *upload) body() api.Body {
	size := int64(-1)
	if u.source.Size > 0 {
		size = int64(len(u.prefix)) + u.source.Size + int64(len(u.suffix))
	}
	return api.Body{Type: u.contentType, Size: size, Open: func() (io.ReadCloser, error) {
		b := &uploadBody{upload: u}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.bodies = append(u.bodies, b)
		return b, nil
	}}
}

// take opens the source for one attempt.
func (u *upload) take() (io.ReadCloser, error) {
	u.mu.Lock()
	first := u.first
	u.first = nil
	u.mu.Unlock()
	if first != nil {
		return first, nil
	}
	return u.source.Open()
}

// end returns when nobody reads the source any more: a transport may do so
// after its answer. Only a source that hangs outlives the call, until it wakes
// up.
func (u *upload) end(ctx context.Context) {
	u.mu.Lock()
	first, bodies := u.first, u.bodies
	u.first = nil
	u.mu.Unlock()
	if first != nil { // no attempt has come to it
		first.Close()
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, b := range bodies {
			_ = b.Close()
		}
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

// uploadBody is the body of one attempt. It opens the source when it is read,
// because bodies are also made that never are.
type uploadBody struct {
	upload *upload

	mu      sync.Mutex // held while reading: after Close nobody does
	content io.ReadCloser
	stream  io.Reader
	err     error
}

// Read implements io.Reader.
func (b *uploadBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stream == nil && b.err == nil {
		if b.content, b.err = b.upload.take(); b.err == nil {
			b.stream = io.MultiReader(strings.NewReader(b.upload.prefix), b.content, strings.NewReader(b.upload.suffix))
		}
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.stream.Read(p)
}

// Close implements io.Closer.
func (b *uploadBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = os.ErrClosed
	if b.content == nil {
		return nil
	}
	content := b.content
	b.content = nil
	return content.Close()
}

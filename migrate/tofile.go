package migrate

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/minapp-go/minapp"
)

// fileSink adds rows at the end of a file. The file is open only while it is
// written to.
type fileSink[D any] struct {
	name   string
	path   string
	zipped bool
	head   []byte // what is in front of the rows
	encode func(b *bytes.Buffer, row []byte) error
	err    error // why nothing can be written
	open   func(path string, flag int) (diskFile, error)

	dryRun bool
	end    int64
}

// diskFile is what is used of an *os.File.
type diskFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

func openDisk(path string, flag int) (diskFile, error) { return os.OpenFile(path, flag, 0o644) }

func isZipName(path string) bool { return strings.EqualFold(filepath.Ext(path), ".gz") }

func (s *fileSink[D]) String() string { return s.name }

// Begin makes the file, unless the run goes on with it.
func (s *fileSink[D]) Begin(_ context.Context, setup Setup) error {
	s.dryRun = setup.DryRun
	if s.err != nil || setup.DryRun || setup.Resumed {
		return s.err
	}
	head := s.pack(s.head)
	there, err := s.beginning(len(head) + 1)
	switch {
	case err != nil:
		return err
	case len(there) > 0 && !bytes.Equal(there, head):
		return errors.New("the file holds rows of another run: move it away, or name another")
	case len(there) == 0:
		return s.append(head)
	}
	s.end = int64(len(head)) // of a run that was killed before it came to a row
	return nil
}

// beginning reads the first n bytes of the file, which is made if need be.
func (s *fileSink[D]) beginning(n int) ([]byte, error) {
	file, err := s.open(s.path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.NewSectionReader(file, 0, int64(n)))
}

// pack is how bytes are added to the file. A zipped one without rows is a
// member, too, because no bytes at all are no gzip file.
func (s *fileSink[D]) pack(text []byte) []byte {
	if !s.zipped {
		return text
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text) // goes to memory
	_ = w.Close()
	return b.Bytes()
}

// Write adds rows; those that cannot be encoded are rejected.
func (s *fileSink[D]) Write(_ context.Context, rows []D) ([]minapp.Outcome, error) {
	outcomes := make([]minapp.Outcome, len(rows))
	var text bytes.Buffer
	for i, row := range rows {
		outcomes[i] = minapp.Outcome{Index: i, State: minapp.Written}
		length := text.Len()
		data, err := encodeRow(row)
		if err == nil {
			err = s.encode(&text, data)
		}
		if err != nil {
			text.Truncate(length)
			outcomes[i].State, outcomes[i].Err = minapp.Rejected, err
		}
	}
	if s.dryRun || text.Len() == 0 {
		return outcomes, nil
	}
	err := s.append(s.pack(text.Bytes()))
	if err != nil {
		for i := range outcomes {
			if o := &outcomes[i]; o.State == minapp.Written {
				o.State, o.Err = minapp.NotSent, err
			}
		}
	}
	return outcomes, err
}

// encodeRow is a row as a JSON object in one line.
func encodeRow[D any](row D) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(row); err != nil {
		return nil, err
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	switch {
	case !bytes.HasPrefix(data, []byte("{")):
		return nil, fmt.Errorf("the row encodes as %.40s, not as a JSON object", data)
	case !utf8.Valid(data):
		return nil, errors.New("the row is not UTF-8")
	}
	return data, nil
}

// append adds bytes at the end, onto the disk, or leaves the file as it was.
func (s *fileSink[D]) append(data []byte) error {
	file, err := s.open(s.path, os.O_RDWR)
	if err != nil {
		return err
	}
	if err := errors.Join(s.write(file, data), file.Close()); err != nil {
		return err
	}
	s.end += int64(len(data))
	return nil
}

func (s *fileSink[D]) write(file diskFile, data []byte) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case info.Size() != s.end:
		return fmt.Errorf("the file has %d bytes and not %d: somebody else changes it, maybe a second run", info.Size(), s.end)
	}
	if _, err = file.WriteAt(data, s.end); err == nil {
		err = file.Sync()
	}
	if err != nil {
		return errors.Join(err, file.Truncate(s.end))
	}
	return nil
}

// Estimate says that no requests are needed.
func (s *fileSink[D]) Estimate(_ context.Context, rows int64) (Cost, error) {
	return Cost{Rows: rows}, nil
}

// End implements [Appender].
func (s *fileSink[D]) End() int64 { return s.end }

// Truncate implements [Appender].
func (s *fileSink[D]) Truncate(_ context.Context, end int64) (err error) {
	file, err := s.open(s.path, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case info.Size() < end:
		return fmt.Errorf("%w: the file has %d bytes, the checkpoint knows %d", ErrCheckpoint, info.Size(), end)
	}
	s.end = end
	return file.Truncate(end)
}

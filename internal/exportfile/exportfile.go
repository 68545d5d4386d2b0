// Package exportfile reads the rows of exported files. No document says what such
// a file looks like: what it is packed in is found out by its first bytes
// (exportfile.go), and so is what its text is (text.go).
package exportfile

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/minapp-go/minapp/internal/answer"
)

// Rows reads the rows of a file, each an object. An error is the last element;
// nothing is opened before the loop begins.
func Rows(path string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		err := scanFile(path, func(row json.RawMessage) error {
			if !yield(row, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop ends a scan because nobody wants more rows.
var errStop = errors.New("stop")

// scanFile finds out what a file is packed in.
func scanFile(path string, emit func(json.RawMessage) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, 4)
	n, _ := file.ReadAt(head, 0)
	switch {
	case isZip(head[:n]):
		return scanZip(path, file, emit)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		unzipped, err := gzip.NewReader(file)
		if err != nil {
			return damaged(path, 0, err)
		}
		return scanText(path, unzipped, emit)
	}
	return scanText(path, file, emit)
}

// isZip knows a zip file by its first entry, or by its end if it has none.
func isZip(head []byte) bool { return string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06" }

func scanZip(path string, file *os.File, emit func(json.RawMessage) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil {
		return damaged(path, info.Size(), err)
	}
	for _, entry := range archive.File {
		if entry.Name == "[Content_Types].xml" {
			return fmt.Errorf("%s: %w: it is an Excel file", path, errors.ErrUnsupported)
		}
	}
	for _, entry := range archive.File {
		if strings.HasSuffix(entry.Name, "/") || strings.HasPrefix(entry.Name, "__MACOSX/") {
			continue
		}
		if err := scanEntry(path+"!"+entry.Name, entry, emit); err != nil {
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
	return fmt.Errorf("%w: %s is cut or damaged, read up to byte %d: %w", answer.ErrProtocol, name, at, err)
}

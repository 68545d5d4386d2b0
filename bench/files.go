package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/minapp-go/minapp"
)

// The files are all zero bytes, of as many MiB as the job has rows.
const mebi = 1 << 20

// zeros is a file of zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func serveFile(w http.ResponseWriter, r *http.Request) {
	mib, err := strconv.ParseInt(r.PathValue("mib"), 10, 32)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(mib*mebi, 10))
	_, _ = io.CopyN(w, zeros{}, mib*mebi) // whoever does not read on has stopped the job
}

// takeFile counts what is imported.
func (s *server) takeFile(w http.ResponseWriter, r *http.Request) {
	n, err := fileLength(r)
	if err != nil || n%mebi != 0 {
		http.Error(w, fmt.Sprintf("%d bytes, %v", n, err), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.written.Rows += n / mebi
	s.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"status":"ok"}`)
}

func fileLength(r *http.Request) (int64, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return 0, err
	}
	part, err := parts.NextPart()
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, part)
}

// upload imports a sparse file from the disk.
func upload(ctx context.Context, e *env) (t tally, err error) {
	client, err := e.client()
	if err != nil {
		return t, err
	}
	file, err := os.CreateTemp("", "bench-*.csv")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	if err := errors.Join(file.Truncate(int64(e.rows)*mebi), file.Close()); err != nil {
		return t, err
	}
	if err := client.Imports.Start(ctx, minapp.TableID(e.rows), minapp.FileSource(file.Name())); err != nil {
		return t, err
	}
	return e.written(ctx)
}

// download throws the file away as it comes.
func download(ctx context.Context, e *env) (t tally, err error) {
	client, err := e.client()
	if err != nil {
		return t, err
	}
	n, err := client.Exports.Download(ctx, e.job(), io.Discard)
	return tally{Rows: n / mebi}, err
}

// downloadFile leaves the file on the disk, and then removes it.
func downloadFile(ctx context.Context, e *env) (t tally, err error) {
	client, err := e.client()
	if err != nil {
		return t, err
	}
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	n, err := client.Exports.DownloadFile(ctx, e.job(), filepath.Join(dir, "file.csv"))
	return tally{Rows: n / mebi}, err
}

func (e *env) job() *minapp.ExportJob {
	return &minapp.ExportJob{Status: "finish", DownloadURL: minapp.SignedURL(fmt.Sprintf("%s/files/%d", e.base, e.rows))}
}

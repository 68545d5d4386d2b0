package minapp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/minapp-go/minapp/internal/download"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/wholefile"
)

// Download writes the file of a finished job to w and returns its length. A
// job without a URL is [ErrInvalid].
//
// The request carries no credentials, goes to https only (to this machine also
// to http, elsewhere with [WithPlainHTTP]), and follows at most five redirects,
// none from https to http. It is repeated automatically and goes on where it
// was cut, if the server allows it and the file is still the same; else it
// fails, because w cannot be rewound: [ExportService.DownloadFile] can start
// anew. Memory does not grow with the file, and only the context bounds the
// time. No error holds the query of the URL. [ErrForbidden] may mean that the
// URL has expired; a new [ExportService.Get] may have another. Source:
// open-api/data/operation.md.
func (s *ExportService) Download(ctx context.Context, job *ExportJob, w io.Writer) (int64, error) {
	if w == nil {
		return 0, invalid(operation.ExportsDownload, "the writer is nil")
	}
	target := &writerTarget{w: w}
	err := s.fetch(ctx, job, 0, download.Version{}, target)
	return target.written, err
}

func (s *ExportService) fetch(ctx context.Context, job *ExportJob, have int64, of download.Version, target download.Target) error {
	op := operation.ExportsDownload
	switch {
	case job == nil:
		return invalid(op, "the job is nil")
	case job.DownloadURL == "":
		return invalid(op, "the job has no download URL, its status is %q", job.Status)
	}
	if err := s.client.api.Download(ctx, op, string(job.DownloadURL), have, of, target); err != nil {
		return toError(err)
	}
	return nil
}

// writerTarget passes a download on. It cannot take anything back.
type writerTarget struct {
	w       io.Writer
	written int64
}

func (t *writerTarget) Start(_ download.Version, offset int64) error {
	if offset != t.written {
		return fmt.Errorf("the download was cut after %d bytes, and the server starts anew or has another file", t.written)
	}
	return nil
}

func (t *writerTarget) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.written += int64(n)
	return n, err
}

// DownloadFile writes the file of a finished job to path and returns its
// length, with the rules of [ExportService.Download]. A file at path is
// replaced when the new one is there, whole and on disk, and not before.
//
// Until then the bytes are in a file beside it, named after path and job and
// ending in .part, with a small file that says which version they belong to. A
// download that fails leaves both, and the next one for this path and job goes
// on with them if the server says that the file is still the same; otherwise
// it starts anew. Source: open-api/data/operation.md.
func (s *ExportService) DownloadFile(ctx context.Context, job *ExportJob, path string) (int64, error) {
	op := operation.ExportsDownload
	if job == nil || path == "" {
		return 0, invalid(op, "the job is nil or the path is empty")
	}
	p, err := openPartial(path, job.Ref.Job)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op.Name, err)
	}
	if err := s.fetch(ctx, job, p.size, p.version, p); err != nil {
		return 0, errors.Join(err, p.leave())
	}
	if err := p.finish(path); err != nil {
		return 0, fmt.Errorf("%s: %w", op.Name, err)
	}
	return p.size, nil
}

// partial is a file that is being downloaded.
type partial struct {
	file    *os.File
	version download.Version // of the bytes that are there
	size    int64
}

// openPartial opens what an earlier download has left, or an empty file. The
// id of the job is a name given by the service: only its hash is in the path.
func openPartial(path, job string) (*partial, error) {
	hash := sha256.Sum256([]byte(job))
	file, err := os.OpenFile(path+"."+hex.EncodeToString(hash[:6])+".part", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	p := &partial{file: file}
	p.size, err = file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	data, err := os.ReadFile(p.versionPath())
	if err != nil || json.Unmarshal(data, &p.version) != nil || p.version == (download.Version{Size: -1}) {
		p.size, p.version = 0, download.Version{} // bytes of nobody knows what
	}
	return p, nil
}

func (p *partial) versionPath() string { return p.file.Name() + ".json" }

// Start forgets what is beyond offset, and notes to what the bytes belong.
func (p *partial) Start(v download.Version, offset int64) error {
	if err := p.file.Truncate(offset); err != nil {
		return err
	}
	if _, err := p.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	p.size = offset
	if v == p.version {
		return nil
	}
	p.version = v
	return writeJSON(p.versionPath(), v)
}

func (p *partial) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.size += int64(n)
	return n, err
}

// leave closes the file for another time. One without bytes is of no use.
func (p *partial) leave() error {
	if err := p.file.Close(); err != nil || p.size > 0 {
		return err
	}
	return p.remove()
}

func (p *partial) remove() error {
	var errs []error
	for _, name := range []string{p.file.Name(), p.versionPath()} {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// finish makes the file the one at path, on disk first.
func (p *partial) finish(path string) error {
	if err := errors.Join(p.file.Sync(), p.file.Close()); err != nil {
		return err
	}
	if err := os.Rename(p.file.Name(), path); err != nil {
		return err
	}
	return p.remove()
}

// writeJSON replaces a file by one that people can read, too.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Write(path, append(data, '\n'))
}

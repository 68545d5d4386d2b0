package minapp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minapp-go/minapp/internal/download"
	"github.com/minapp-go/minapp/internal/operation"
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
	target := &download.Stream{To: w}
	err := s.fetch(ctx, job, target)
	return target.Written, err
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
	p, err := download.OpenPartial(path, job.Ref.Job)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op.Name, err)
	}
	if err := s.fetch(ctx, job, p); err != nil {
		return 0, errors.Join(err, p.Leave())
	}
	if err := p.Finish(); err != nil {
		return 0, fmt.Errorf("%s: %w", op.Name, err)
	}
	size, _ := p.Have()
	return size, nil
}

func (s *ExportService) fetch(ctx context.Context, job *ExportJob, target download.Target) error {
	op := operation.ExportsDownload
	switch {
	case job == nil:
		return invalid(op, "the job is nil")
	case job.DownloadURL == "":
		return invalid(op, "the job has no download URL, its status is %q", job.Status)
	}
	if err := s.client.api.Download(ctx, op, string(job.DownloadURL), target); err != nil {
		return toError(err)
	}
	return nil
}

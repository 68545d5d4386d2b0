package minapp

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
)

// ExportService turns tables into files. An export is a job of the service:
// [ExportService.Create] starts it, [ExportService.Wait] waits for it,
// [ExportService.Download] fetches the file, and [ExportService.Run] does all of
// this for a table of any size.
//
// Every job also sends its result by e-mail to the user who started it. On the
// open API jobs can be read only if the console allows it (Settings > SDK >
// General), and only by the user who started them. Source:
// open-api/data/operation.md, user-dash/data/operation.md.
type ExportService struct{ client *Client }

// Get describes a job. [ErrNotFound] if there is none; [ErrUnauthorized] on the
// open API if the console does not allow to read jobs (Settings > SDK >
// General), or if another user started it. Repeated automatically. Source:
// open-api/data/operation.md.
func (s *ExportService) Get(ctx context.Context, ref ExportRef, opts ...CallOption) (*ExportJob, error) {
	op := operation.ExportsGet
	if err := ref.check(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	call, err := newCall(op, opts, ref.Table.String(), ref.Job)
	if err != nil {
		return nil, err
	}
	var answer exportAnswer
	if err := s.client.send(ctx, op, call, nil, &answer); err != nil {
		return nil, err
	}
	job := answer.job(ref.Table)
	job.Ref.Job = ref.Job
	return job, nil
}

// ExportQuery chooses jobs of a table. That the list knows limit and offset is
// inferred from the form of its answer.
type ExportQuery struct {
	PageSize int // jobs per request, 1 to 1000; 0 is 1000
	Offset   int // jobs to leave out first
}

// ExportPage is one page of jobs.
type ExportPage struct {
	Jobs  []*ExportJob
	Total int64 // jobs of the table; -1 if the service does not say
	More  bool  // whether a next page exists
}

func (s *ExportService) list(table TableID, q ExportQuery, opts []CallOption) (l lister[ExportJob]) {
	l.client, l.op, l.key = s.client, operation.ExportsList, "job_id"
	l.decode = func(page rows.Page) ([]*ExportJob, []error) {
		answers, errs := decodeElements[exportAnswer](page)
		jobs := make([]*ExportJob, len(answers))
		for i, answer := range answers {
			jobs[i] = answer.job(table)
		}
		return jobs, errs
	}
	if l.err = table.check(); l.err != nil {
		l.err = invalid(l.op, "%w", l.err)
		return l
	}
	if l.call, l.err = newCall(l.op, opts, table.String()); l.err != nil {
		return l
	}
	if l.window, l.err = newWindow(q.PageSize, q.Offset, 0); l.err != nil {
		l.err = invalid(l.op, "ExportQuery: %w", l.err)
	}
	return l
}

// Page reads one page of a table's jobs. [ErrUnauthorized] as with
// [ExportService.Get]. Repeated automatically. Source:
// open-api/data/operation.md.
func (s *ExportService) Page(ctx context.Context, table TableID, q ExportQuery, opts ...CallOption) (*ExportPage, error) {
	page, err := s.list(table, q, opts).page(ctx)
	if page == nil {
		return nil, err
	}
	return &ExportPage{page.elements, page.total, page.more}, err
}

// All reads every job of a table, like [Table.All]. Each request is repeated
// automatically. Source: open-api/data/operation.md.
func (s *ExportService) All(ctx context.Context, table TableID, q ExportQuery, opts ...CallOption) iter.Seq2[*ExportJob, error] {
	return s.list(table, q, opts).all(ctx)
}

// Wait looks at a job until its file is there: until the state is
// [ExportFinished] and a download URL is given. There is no state for a job
// that failed, so the context must bound the wait; it then ends in a
// *[WaitError] with the last snapshot, which is returned, too. Each look is
// repeated automatically. Source: open-api/data/operation.md.
func (s *ExportService) Wait(ctx context.Context, ref ExportRef, o WaitOptions, opts ...CallOption) (*ExportJob, error) {
	if err := o.check(); err != nil {
		return nil, invalid(operation.ExportsGet, "%w", err)
	}
	look := func(ctx context.Context) (*ExportJob, error) { return s.Get(ctx, ref, opts...) }
	return poll(ctx, "exports.wait", fmt.Sprintf("job %s of table %d", ref.Job, ref.Table), o, look, func(job *ExportJob) (string, bool, error) {
		return job.Status, job.Finished(), nil
	})
}

// exportHint explains the answers whose meaning the status does not tell.
func exportHint(op string, status int) string {
	switch {
	case op == operation.ExportsCreate.Name && status == http.StatusBadRequest:
		return "a 400 is a second export within a minute, more than 1,000,000 rows, or a mistake in the request"
	case (op == operation.ExportsGet.Name || op == operation.ExportsList.Name) && status == http.StatusUnauthorized:
		return "export jobs can be read only if the console allows it, Settings > SDK > General, and only by the user who started them"
	case op == operation.ExportsDownload.Name && status == http.StatusForbidden:
		return "the link may have expired: ExportService.Get may have a new one"
	}
	return ""
}

package minapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

const (
	// exportPause is the least time between two exports; whether it counts by
	// table, application or user is not documented.
	exportPause = time.Minute
	// maxExport is the most rows of one export.
	maxExport = 1_000_000
)

// Create starts an export of at most 1,000,000 rows. The service allows one a
// minute: within a client and those derived from it a second one waits for its
// turn, and is [ErrRateLimited], unsent, if that comes after the context's
// deadline. A refusal is [ErrInvalid] (400): another export within the minute,
// started elsewhere; too many rows; or a mistake in the spec; only the
// service's own text tells which.
//
// It is not repeated after a failure whose outcome is unknown without
// [CallReplay]. Instead the jobs of the table are listed, and the one of this
// type that was created while the request was on its way is returned; another
// user's export of the same table in the same seconds cannot be told apart. If
// there is not exactly one the error is [ErrOutcomeUnknown]. Every job e-mails
// its result. Source: open-api/data/operation.md.
func (s *ExportService) Create(ctx context.Context, table TableID, spec ExportSpec, opts ...CallOption) (ExportRef, error) {
	return s.create(ctx, table, spec, func() error { return nil }, opts)
}

// create calls back when it is about to send.
func (s *ExportService) create(ctx context.Context, table TableID, spec ExportSpec, sending func() error, opts []CallOption) (ExportRef, error) {
	op := operation.ExportsCreate
	if err := table.check(); err != nil {
		return ExportRef{}, invalid(op, "%w", err)
	}
	call, err := newCall(op, opts, table.String())
	if err != nil {
		return ExportRef{}, err
	}
	request, err := spec.request(s.client.api.Surface)
	if err != nil {
		return ExportRef{}, invalid(op, "ExportSpec: %w", err)
	}
	done, left, err := s.client.api.Exports.Wait(ctx, s.client.api.ExportPause)
	if err != nil {
		return ExportRef{}, noTurn(op, left, err)
	}
	if err := sending(); err != nil {
		done(false)
		return ExportRef{}, err
	}
	start := time.Now()
	job, err := s.post(ctx, op, call, request)
	done(err == nil || errors.Is(err, ErrOutcomeUnknown) || seemsThrottled(err))
	if errors.Is(err, ErrOutcomeUnknown) {
		job, err = s.resolve(ctx, table, spec.FileType, start, err)
	}
	if err != nil {
		return ExportRef{}, err
	}
	return ExportRef{table, job}, nil
}

func (s *ExportService) post(ctx context.Context, op operation.Operation, call api.Call, body exportRequest) (job string, err error) {
	var answer struct {
		Job string `json:"job_id"`
	}
	if err := s.client.send(ctx, op, call, body, &answer); err != nil {
		return "", err
	}
	if answer.Job == "" {
		return "", &Error{Op: op.Name, Method: op.Method, Err: fmt.Errorf("%w: no job_id in the answer", ErrProtocol), unknown: true}
	}
	return answer.Job, nil
}

// noTurn is a create that did not get its turn.
func noTurn(op operation.Operation, left time.Duration, err error) error {
	e := &Error{Op: op.Name, Method: op.Method, unsent: true, Err: err}
	if left > 0 {
		e.RetryAfter = left
		e.Err = fmt.Errorf("%w: the service allows one export a minute, and the next turn is after the deadline", ErrRateLimited)
	}
	return e
}

// seemsThrottled guesses from the text of a 400 that it was too early. The
// service gives no other sign (inferred from the words of the document), so
// that nothing but a wait may depend on it.
func seemsThrottled(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.StatusCode != http.StatusBadRequest {
		return false
	}
	message := strings.ToLower(e.Message)
	return slices.ContainsFunc([]string{"1min", "minute", "分钟", "频繁"}, func(word string) bool { return strings.Contains(message, word) })
}

// resolve looks for the job of a create whose answer was lost.
func (s *ExportService) resolve(ctx context.Context, table TableID, fileType FileType, start time.Time, lost error) (string, error) {
	jobs, err := s.startedBetween(ctx, table, fileType, start, time.Now())
	if err == nil && len(jobs) == 1 {
		return jobs[0], nil
	}
	if e, ok := errors.AsType[*Error](lost); ok {
		found := fmt.Errorf("%d jobs in the list can be this one", len(jobs))
		if err != nil {
			found = fmt.Errorf("listing the jobs: %w", err)
		}
		e.Err = errors.Join(e.Err, found)
	}
	return "", lost
}

// clockSlack is how far created_at may lie outside of the time that is computed
// for it: both clocks show whole seconds.
const clockSlack = 2 * time.Second

// startedBetween lists the jobs that were created in a period of this
// machine's clock, which is compared with the service's by the header Date.
func (s *ExportService) startedBetween(ctx context.Context, table TableID, fileType FileType, from, to time.Time) ([]string, error) {
	var info CallInfo
	var jobs []string
	var ahead time.Duration // of the service's clock
	for job, err := range s.All(ctx, table, ExportQuery{}, CallMeta(&info)) {
		if err != nil {
			return nil, err
		}
		if date, err := http.ParseTime(info.Header.Get("Date")); err == nil {
			ahead = time.Until(date).Round(time.Second)
		}
		created := job.CreatedAt.Time().Add(-ahead)
		if job.FileType == fileType && !created.Before(from.Add(-clockSlack)) && !created.After(to.Add(clockSlack)) {
			jobs = append(jobs, job.Ref.Job)
		}
	}
	return jobs, nil
}

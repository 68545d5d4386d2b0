package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
	"github.com/minapp-go/minapp/where"
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

const (
	// exportPause is the least time between two exports; whether it counts by
	// table, application or user is not documented.
	exportPause = time.Minute
	// maxExport is the most rows of one export.
	maxExport = 1_000_000
)

// FileType is the format of an exported file.
type FileType string

// The formats of exported files. Others are refused before sending.
const (
	FileCSV  FileType = "csv"
	FileJSON FileType = "json"
	FileXLSX FileType = "xlsx" // documented for the surface userve only, see [WithSession]
)

// ExportMode says whether a job exports all rows or a part of them.
type ExportMode string

// The modes of an export.
const (
	ExportAll  ExportMode = "all"
	ExportPart ExportMode = "part"
)

// The states of an export job. There is none for a job that failed; states that
// this list does not have are passed through.
const (
	ExportPending  = "pending" // waits for its turn
	ExportRunning  = "ready"   // is being worked at, which the word does not say
	ExportFinished = "finish"
)

// ExportSpec says what to export and how. Only FileType is needed.
type ExportSpec struct {
	FileType FileType
	Mode     ExportMode // "" is ExportPart with a condition, else ExportAll
	Where    where.Cond // the zero value is every row
	// IncludeKeys or ExcludeKeys choose columns; what both together mean is
	// not documented, and refused.
	IncludeKeys []string
	ExcludeKeys []string
	OrderBy     []string // "created_at", "-price"; boolean, date, integer, number and string columns only
	// CSVHeaders are the titles of the columns of a CSV file, in the order of
	// IncludeKeys, of which there must be as many. That titles belong to
	// columns by position is inferred.
	CSVHeaders    []string
	TimestampKeys []string // columns of Unix seconds to convert to readable time; the format is not documented
}

// exportRequest is an export as the service spells it.
type exportRequest struct {
	FileType      FileType        `json:"file_type"`
	Mode          ExportMode      `json:"mode"`
	Where         json.RawMessage `json:"where,omitempty"` // an object, not the text of one
	IncludeKeys   []string        `json:"include_keys,omitempty"`
	ExcludeKeys   []string        `json:"exclude_keys,omitempty"`
	OrderBy       []string        `json:"order_by,omitempty"`
	CSVHeaders    []string        `json:"csv_customize_headers,omitempty"`
	TimestampKeys []string        `json:"timestamp_convert_keys,omitempty"`
}

// request checks the spec and spells it.
func (spec ExportSpec) request(surface string) (exportRequest, error) {
	condition, err := whereText(spec.Where)
	if err := errors.Join(err, spec.check(surface, condition != "")); err != nil {
		return exportRequest{}, err
	}
	r := exportRequest{
		FileType: spec.FileType, Mode: spec.Mode, Where: json.RawMessage(condition),
		IncludeKeys: spec.IncludeKeys, ExcludeKeys: spec.ExcludeKeys, OrderBy: spec.OrderBy,
		CSVHeaders: spec.CSVHeaders, TimestampKeys: spec.TimestampKeys,
	}
	switch {
	case r.Mode != "":
	case condition != "":
		r.Mode = ExportPart
	default:
		r.Mode = ExportAll
	}
	return r, nil
}

func (spec ExportSpec) check(surface string, filtered bool) error {
	errs := []error{
		spec.checkFormat(surface),
		checkNames("IncludeKeys", spec.IncludeKeys),
		checkNames("ExcludeKeys", spec.ExcludeKeys),
		checkNames("OrderBy", trimDash(spec.OrderBy)),
		checkNames("TimestampKeys", spec.TimestampKeys),
	}
	if spec.Mode != "" && spec.Mode != ExportAll && spec.Mode != ExportPart {
		errs = append(errs, fmt.Errorf("Mode is %q, not all or part", spec.Mode))
	}
	if spec.Mode == ExportAll && filtered {
		errs = append(errs, errors.New("Mode is all, and Where leaves rows out"))
	}
	if len(spec.IncludeKeys) > 0 && len(spec.ExcludeKeys) > 0 {
		errs = append(errs, errors.New("IncludeKeys and ExcludeKeys are both given; what that means is not documented"))
	}
	return errors.Join(errs...)
}

func (spec ExportSpec) checkFormat(surface string) error {
	switch {
	case spec.FileType == FileXLSX && surface != "userve":
		return errors.New("FileType is xlsx, which needs a session of the console (WithSession)")
	case !slices.Contains([]FileType{FileCSV, FileJSON, FileXLSX}, spec.FileType):
		return fmt.Errorf("FileType is %q, not csv, json or xlsx", spec.FileType)
	case len(spec.CSVHeaders) > 0 && spec.FileType != FileCSV:
		return fmt.Errorf("CSVHeaders are given for a file of type %s", spec.FileType)
	case len(spec.CSVHeaders) > 0 && len(spec.CSVHeaders) != len(spec.IncludeKeys):
		return fmt.Errorf("%d CSVHeaders are given for %d IncludeKeys", len(spec.CSVHeaders), len(spec.IncludeKeys))
	}
	return nil
}

// ExportRef is all that is needed to find an export job again, also in another
// process. It is plain data.
type ExportRef struct {
	Table TableID `json:"table"`
	Job   string  `json:"job"`
}

func (r ExportRef) check() error {
	if err := r.Table.check(); err != nil {
		return fmt.Errorf("ExportRef.Table: %w", err)
	}
	return nil
}

// ExportJob is a job as the service describes it.
type ExportJob struct {
	Ref         ExportRef
	Status      string // ExportPending, ExportRunning, ExportFinished, or one that this package does not know
	Operation   string // always "export"
	FileType    FileType
	FileName    string    // "" until it is finished
	DownloadURL SignedURL // "" until it is finished; how long it is valid is not documented
	CreatedAt   Timestamp
	UpdatedAt   Timestamp
}

// Finished reports whether the file is there: the state alone does not say so.
func (j *ExportJob) Finished() bool { return j.Status == ExportFinished && j.DownloadURL != "" }

// Format keeps the query of DownloadURL out also where package fmt does not ask
// it how it is printed: with %s, behind a pointer in a list.
func (j ExportJob) Format(f fmt.State, verb rune) {
	type plain ExportJob
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), plain(j))
}

// SignedURL is an address whose query lets anybody read the file. Printing,
// logging and encoding leave the query out; string(u) is all of it. Package fmt
// asks no value how it is printed that is in an unexported field of a struct:
// print such a struct field by field.
type SignedURL string

// String is the address without its query.
func (u SignedURL) String() string {
	address, _, signed := strings.Cut(string(u), "?")
	if signed {
		address += "?[redacted]"
	}
	return address
}

// Format keeps every verb from showing the query.
func (u SignedURL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText keeps the query out of JSON, in which logs encode structs. An
// [ExportRef] is what other processes are given.
func (u SignedURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// exportAnswer is a job as the service spells it.
type exportAnswer struct {
	Job         string    `json:"job_id"`
	Status      string    `json:"status"`
	Operation   string    `json:"operation"`
	FileType    FileType  `json:"file_type"`
	FileName    string    `json:"file_name"`
	DownloadURL string    `json:"download_url"`
	CreatedAt   Timestamp `json:"created_at"`
	UpdatedAt   Timestamp `json:"updated_at"`
}

func (a exportAnswer) job(table TableID) *ExportJob {
	return &ExportJob{
		Ref: ExportRef{table, a.Job}, Status: a.Status, Operation: a.Operation, FileType: a.FileType, FileName: a.FileName,
		DownloadURL: SignedURL(a.DownloadURL), CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

// Create starts an export of at most 1,000,000 rows. The service allows one a
// minute: within a client and those derived from it a second one waits for its
// turn, and is [ErrRateLimited], unsent, if that comes after the context's
// deadline. A refusal is [ErrInvalid] (400): another export within the minute,
// started elsewhere; too many rows; or a mistake in the spec; only the
// service's own text tells which.
//
// It is not repeated after a failure whose outcome is unknown. Instead the
// jobs of the table are listed, and the one of this type that was created
// while the request was on its way is returned; another user's export of the
// same table in the same seconds cannot be told apart. If there is not exactly
// one the error is [ErrOutcomeUnknown]. Every job e-mails its result. Source:
// open-api/data/operation.md.
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
// *[WaitError] with the last snapshot, which is returned, too. Source:
// open-api/data/operation.md.
func (s *ExportService) Wait(ctx context.Context, ref ExportRef, o WaitOptions, opts ...CallOption) (*ExportJob, error) {
	if err := o.check(); err != nil {
		return nil, invalid(operation.ExportsGet, "%w", err)
	}
	look := func(ctx context.Context) (*ExportJob, error) { return s.Get(ctx, ref, opts...) }
	return poll(ctx, "exports.wait", fmt.Sprintf("job %s of table %d", ref.Job, ref.Table), o, look, func(job *ExportJob) (string, bool, error) {
		return job.Status, job.Finished(), nil
	})
}

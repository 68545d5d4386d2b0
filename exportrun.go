package minapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/operation"
)

// RunOptions says what to export and where to. Only Spec.FileType is needed.
type RunOptions struct {
	Spec       ExportSpec
	Dir        string // an existing folder; "" is the current one
	Name       string // files are Name-001.csv, …, and the state is Name.state.json; "" is "table-" and the table's id
	MaxRows    int64  // of one job; 0 is 1,000,000, the most that the service allows
	Wait       WaitOptions
	OnProgress func(ExportProgress) // sees every step; the run waits for it
}

// ExportProgress is a step of a run.
type ExportProgress struct {
	Part   int    // from 1
	Parts  int    // how many there are
	Status string // "counted", "starting" (until a minute after the job before it), "started", a state of the job such as ExportRunning, or "downloaded"
	Rows   int64  // of the part, as counted
	Done   int64  // rows of the parts that are downloaded
	Total  int64  // rows of all parts
}

// ExportFile is an exported file and the number of rows it should have.
type ExportFile struct {
	Path string
	Rows int64 // as counted when the export began; AnyRows if nobody counted
}

// AnyRows is the number of rows of a file that nobody counted.
const AnyRows = -1

// ExportRun is what a run has brought.
type ExportRun struct {
	Files []ExportFile // oldest rows first, if there are several
	Rows  int64        // counted
	Bytes int64        // of all files
}

// Run exports a table of any size to files: it starts jobs, waits for them and
// downloads what they bring. A table of at most MaxRows rows is one job. A
// larger one is cut at created_at, by counting, into parts that are not larger;
// a job is started every minute, and earlier ones are downloaded meanwhile.
// Parts are in the order of created_at, whatever Spec.OrderBy says about the
// rows in each. More rows than MaxRows in the same second cannot be cut, and
// neither can rows without created_at: [ErrInvalid].
//
// Rows that are created while the table is being cut are left out, and those
// that change or vanish before a job gets at them make a file that has another
// number of rows than counted, which [ExportRows] reports.
//
// What has been reached is kept in a state file beside the files. After an
// error, or in another process, the same call goes on from there: it downloads
// no part again whose file is still there, and starts no job twice: if the
// answer to a create was lost, the list of jobs tells, or else the error is
// [ErrOutcomeUnknown]. The state of a run that is complete stays; delete it, or
// choose another name, to export anew. Two runs must not share it.
//
// Every job e-mails its result, so twelve parts are twelve e-mails. The context
// bounds the run: a job has no state that says that it failed. Counting, looking
// and downloading are repeated automatically, a create as [ExportService.Create]
// says. Source: open-api/data/operation.md.
func (s *ExportService) Run(ctx context.Context, table TableID, o RunOptions) (*ExportRun, error) {
	r, err := s.newRun(table, o)
	if err != nil {
		return nil, invalid(operation.ExportsCreate, "RunOptions: %w", err)
	}
	if err := r.load(); err != nil {
		return nil, err
	}
	if err := r.plan(ctx); err != nil {
		return nil, err
	}
	if err := r.finish(ctx); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// exportRun is a run on its way.
type exportRun struct {
	service *ExportService
	table   TableID
	options RunOptions
	state   exportState
}

func (s *ExportService) newRun(table TableID, o RunOptions) (*exportRun, error) {
	o.Dir = cmp.Or(o.Dir, ".")
	o.Name = cmp.Or(o.Name, "table-"+table.String())
	o.MaxRows = cmp.Or(o.MaxRows, maxExport)
	request, err := o.Spec.request(s.client.api.Surface)
	errs := []error{table.check(), err, o.Wait.check()}
	if o.MaxRows < 1 || o.MaxRows > maxExport {
		errs = append(errs, fmt.Errorf("MaxRows is %d, 1 to %d are allowed", o.MaxRows, maxExport))
	}
	if filepath.Base(o.Name) != o.Name || strings.TrimSpace(o.Name) == "" {
		errs = append(errs, fmt.Errorf("Name is %q, which is no name of a file", o.Name))
	}
	if info, err := os.Stat(o.Dir); err != nil || !info.IsDir() {
		errs = append(errs, fmt.Errorf("Dir is %q, which is no folder", o.Dir))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return &exportRun{service: s, table: table, options: o, state: exportState{Table: table, Request: text, MaxRows: o.MaxRows}}, nil
}

// finish does all that is not done yet. A job is started as soon as the minute
// is over; between two starts it looks once after the jobs that run.
func (r *exportRun) finish(ctx context.Context) error {
	for i := range r.state.Parts {
		if err := r.start(ctx, i); err != nil {
			return fmt.Errorf("part %d: %w", i+1, err)
		}
		for earlier := range i {
			if err := r.collect(ctx, earlier, r.service.Get); err != nil {
				return fmt.Errorf("part %d: %w", earlier+1, err)
			}
		}
	}
	for i := range r.state.Parts {
		if err := r.collect(ctx, i, r.wait); err != nil {
			return fmt.Errorf("part %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *exportRun) wait(ctx context.Context, ref ExportRef, opts ...CallOption) (*ExportJob, error) {
	return r.service.Wait(ctx, ref, r.options.Wait, opts...)
}

// start starts the job of a part, unless that has happened.
func (r *exportRun) start(ctx context.Context, i int) error {
	p := &r.state.Parts[i]
	if p.Job != "" {
		return nil
	}
	if !p.Started.IsZero() {
		if err := r.recover(ctx, p); err != nil {
			return err
		}
	}
	if p.Job == "" {
		r.report(i, "starting")
	}
	for tries := 3; p.Job == ""; tries-- {
		ref, err := r.create(ctx, p)
		if err != nil && (tries == 1 || !seemsThrottled(err)) {
			return err
		}
		p.Job = ref.Job
	}
	r.report(i, "started")
	return r.save()
}

// create notes that it is about to send, and that nothing came of it.
func (r *exportRun) create(ctx context.Context, p *exportPart) (ExportRef, error) {
	ref, err := r.service.create(ctx, r.table, r.spec(p), func() error {
		p.Started = time.Now()
		return r.save()
	}, nil)
	if err == nil || errors.Is(err, ErrOutcomeUnknown) {
		return ref, err
	}
	p.Started = time.Time{}
	return ref, errors.Join(err, r.save())
}

// recoverWindow is how long after it was noted a create may have arrived.
const recoverWindow = 5 * time.Minute

// recover looks for the job of a create whose answer nobody has seen. If the
// list has none the create did not happen.
func (r *exportRun) recover(ctx context.Context, p *exportPart) error {
	op := operation.ExportsCreate
	jobs, err := r.service.startedBetween(ctx, r.table, r.options.Spec.FileType, p.Started, p.Started.Add(recoverWindow))
	jobs = slices.DeleteFunc(jobs, r.knows)
	if err == nil && len(jobs) > 1 {
		err = fmt.Errorf("%d jobs in the list can be this one", len(jobs))
	}
	if err != nil {
		return &Error{Op: op.Name, Method: op.Method, unknown: true, Err: fmt.Errorf("looking for the job that may have been started at %s: %w", p.Started.Format(time.RFC3339), err)}
	}
	if len(jobs) == 1 {
		p.Job = jobs[0]
	}
	return nil
}

func (r *exportRun) knows(job string) bool {
	return slices.ContainsFunc(r.state.Parts, func(p exportPart) bool { return p.Job == job })
}

// spec is the export of one part.
func (r *exportRun) spec(p *exportPart) ExportSpec {
	spec := r.options.Spec
	if p.Until != 0 {
		spec.Mode, spec.Where = ExportPart, r.between(p.From, p.Until)
	}
	return spec
}

// collect looks after the job of a part and downloads its file when it is there.
func (r *exportRun) collect(ctx context.Context, i int, look func(context.Context, ExportRef, ...CallOption) (*ExportJob, error)) error {
	p := &r.state.Parts[i]
	if p.File != "" {
		return nil
	}
	job, err := look(ctx, ExportRef{r.table, p.Job})
	if err != nil {
		return err
	}
	r.report(i, job.Status)
	if !job.Finished() {
		return nil
	}
	file := fmt.Sprintf("%s-%03d.%s", r.options.Name, i+1, r.options.Spec.FileType)
	if p.Bytes, err = r.service.DownloadFile(ctx, job, filepath.Join(r.options.Dir, file)); err != nil {
		return err
	}
	p.File = file
	r.report(i, "downloaded")
	return r.save()
}

func (r *exportRun) report(i int, status string) {
	if r.options.OnProgress == nil {
		return
	}
	progress := ExportProgress{Part: i + 1, Parts: len(r.state.Parts), Status: status, Rows: r.state.Parts[i].Rows}
	for _, p := range r.state.Parts {
		progress.Total += p.Rows
		if p.File != "" {
			progress.Done += p.Rows
		}
	}
	r.options.OnProgress(progress)
}

func (r *exportRun) result() *ExportRun {
	run := &ExportRun{}
	for _, p := range r.state.Parts {
		run.Files = append(run.Files, ExportFile{filepath.Join(r.options.Dir, p.File), p.Rows})
		run.Rows += p.Rows
		run.Bytes += p.Bytes
	}
	return run
}

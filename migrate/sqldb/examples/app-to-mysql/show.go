package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minapp-go/minapp/migrate"
)

// errRejected is a copy that left rows out.
var errRejected = errors.New("rows were rejected")

// line is one line of a table: a name, figures and what else is to be said.
func (c *copier) line(name string, figure1, figure2, figure3, figure4 any, text string) {
	c.out.Printf("%-32s %12v %10v %10v %10v  %s", name, figure1, figure2, figure3, figure4, text)
}

// showSizes prints what there is to copy, of tables that no run has begun.
func (c *copier) showSizes(ctx context.Context, jobs []*job) {
	c.line("TABLE", "ROWS", "REQUESTS", "MB", "MINUTES", "")
	show := func(name string, cost migrate.Cost) {
		minutes := "no -plan"
		if c.plan > 0 {
			minutes = fmt.Sprintf("%.1f", float64(cost.Requests)/(float64(c.plan)*c.share))
		}
		c.line(name, cost.Rows, cost.Requests, fmt.Sprintf("%.1f", float64(cost.Bytes)/1e6), minutes, "")
	}
	var total migrate.Cost
	each(ctx, jobs, func(j *job) error {
		if j.begun {
			c.line(j.Name, "", "", "", "", "begun by an earlier run")
			return nil
		}
		estimate, err := j.plan.Estimate(ctx)
		if err != nil {
			return err
		}
		show(j.Name, estimate.Read) // the database has no pace
		total.Rows += estimate.Read.Rows
		total.Requests += estimate.Read.Requests
		total.Bytes += estimate.Read.Bytes
		return nil
	})
	show("in total", total)
}

// progress prints a line every ten seconds.
func (c *copier) progress(table string) func(migrate.Progress) {
	const every = 10 * time.Second
	next := every
	return func(now migrate.Progress) {
		if now.Elapsed < next {
			return
		}
		next = now.Elapsed + every
		left, _ := now.Left()
		c.out.Printf("%s: %d of %d rows, %.0f a second, %d rejected, %s left",
			table, now.Read, now.Total, now.Rate(), now.Rejected, left.Round(time.Second))
	}
}

// showResults prints what became of the tables.
func (c *copier) showResults(jobs []*job) {
	c.line("TABLE", "ROWS", "WRITTEN", "REJECTED", "TIME", "")
	for _, j := range jobs {
		r := j.report
		c.line(j.Name, r.Read, r.Written, r.Rejected, r.Elapsed.Round(time.Millisecond), j.state())
	}
	for _, j := range jobs {
		for _, warning := range j.report.Warnings {
			c.out.Printf("%s: %s", j.Name, warning)
		}
	}
	s := c.client.Stats()
	c.out.Printf("%d requests, %d of them repeated", s.Requests, s.Retries)
}

func (j *job) state() string {
	switch {
	case j.err != nil:
		return "failed"
	case !j.done:
		return "not reached"
	case j.begun && j.report.Read == j.report.Resumed:
		return "finished before"
	}
	return "done"
}

// verdict is why the copy is not complete.
func (c *copier) verdict(jobs []*job) error {
	var errs []error
	missing, rejected := 0, int64(0)
	for _, j := range jobs {
		if j.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", j.Name, j.err))
		}
		if !j.done {
			missing++
		}
		rejected += j.report.Rejected
	}
	if missing > 0 && !c.dryRun {
		errs = append(errs, fmt.Errorf("%d of %d tables are not finished: started again, the copy goes on", missing, len(jobs)))
	}
	if rejected > 0 {
		_, files := c.files("*")
		errs = append(errs, fmt.Errorf("%d %w: see %s", rejected, errRejected, files))
	}
	return errors.Join(errs...)
}

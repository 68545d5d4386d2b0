package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/migrate/sqldb"
	"github.com/minapp-go/minapp/where"
)

// copier copies the tables of an application.
type copier struct {
	client   *minapp.Client
	db       *sql.DB
	database string
	options
	out *log.Logger
}

// job is one table, and what became of it.
type job struct {
	*minapp.TableInfo
	target string // database.table
	create string // the statement that makes it
	plan   migrate.Plan[*minapp.Record[minapp.Fields], sqldb.Row]
	begun  bool // by an earlier run
	done   bool
	report migrate.Report
	err    error
}

// run copies what is not copied yet.
func (c *copier) run(ctx context.Context) error {
	if err := os.MkdirAll(c.state, 0o755); err != nil {
		return err
	}
	jobs, err := c.jobs(ctx)
	if err != nil {
		return err
	}
	c.showSizes(ctx, jobs)
	if !c.dryRun {
		each(ctx, jobs, func(j *job) error { return c.copy(ctx, j) })
		c.showResults(jobs)
	}
	return c.verdict(jobs)
}

// each goes on with the next table when one has failed, unless that would fare
// no better.
func each(ctx context.Context, jobs []*job, do func(*job) error) {
	for _, j := range jobs {
		if j.err == nil {
			j.err = do(j)
		}
		if ctx.Err() != nil || errors.Is(j.err, minapp.ErrUnauthorized) || errors.Is(j.err, minapp.ErrPaymentRequired) {
			return
		}
	}
}

// jobs are the tables of the application, without those that the service makes.
func (c *copier) jobs(ctx context.Context) ([]*job, error) {
	var jobs []*job
	names := make(map[string]bool) // servers may not tell upper from lower case
	for table, err := range c.client.Tables.All(ctx, minapp.TableQuery{}) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(table.Name, "_") {
			continue
		}
		j := &job{TableInfo: table, target: c.database + "." + table.Name}
		if lower := strings.ToLower(table.Name); names[lower] {
			j.err = errors.New("another table has this name but for upper and lower case")
		} else {
			names[lower] = true
			j.err = c.prepare(j)
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// prepare makes the plan. The id tells rows apart: whatever happens on the way,
// none is lost and none is there twice.
func (c *copier) prepare(j *job) error {
	mapping, err := sqldb.Schema(j.TableInfo, sqldb.TypeOptions{Location: c.location})
	if err != nil {
		return err
	}
	if j.create, err = mapping.CreateTable(j.target); err != nil {
		return err
	}
	checkpoint, rejected := c.files(j.Name)
	j.plan = migrate.Plan[*minapp.Record[minapp.Fields], sqldb.Row]{
		Source:     migrate.FromTable(minapp.TableOf[minapp.Fields](c.client, j.ID), migrate.FromTableOptions{}),
		Transform:  mapping.ToSQL,
		Sink:       sqldb.To(c.db, j.target, sqldb.ToOptions{}),
		Key:        "id",
		Checkpoint: migrate.FileCheckpoint(checkpoint),
		Rejected:   rejected,
		Version:    c.location.String(), // another zone would make other rows
		OnProgress: c.progress(j.Name),
	}
	_, err = os.Stat(checkpoint)
	j.begun = err == nil
	return nil
}

// files are the state of a table.
func (c *copier) files(table string) (checkpoint, rejected string) {
	path := filepath.Join(c.state, table)
	return path + ".checkpoint", path + ".rejected.jsonl"
}

// copy makes the table and fills it. A table that is gone when a copy goes on is
// not made anew: the rows of the earlier run would be missing.
func (c *copier) copy(ctx context.Context, j *job) (err error) {
	if !j.begun {
		if _, err := c.db.ExecContext(ctx, j.create); err != nil {
			return err
		}
	}
	if j.report, err = migrate.Run(ctx, j.plan); err != nil {
		return err
	}
	if c.verify {
		err = c.compare(ctx, j)
	}
	j.done = err == nil
	return err
}

// compare counts the rows of both sides.
func (c *copier) compare(ctx context.Context, j *job) error {
	source, err := c.client.Records.Count(ctx, j.ID, where.Everything())
	if err != nil {
		return err
	}
	var target int64
	query := fmt.Sprintf("SELECT COUNT(*) FROM `%s`.`%s`", c.database, j.Name) // names that CreateTable has checked
	if err := c.db.QueryRowContext(ctx, query).Scan(&target); err != nil {
		return err
	}
	if source != target+j.report.Rejected {
		return fmt.Errorf("minapp has %d rows now, %s has %d, and %d were rejected", source, j.target, target, j.report.Rejected)
	}
	return nil
}

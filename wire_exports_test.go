package minapp_test

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/where"
)

var _ = addExportCases()

const exportJobID = "RcnyXjPH8zLSsUYrIlPsG5qnBERYFrGF"

func addExportCases() bool {
	everyRow := minapp.ExportSpec{FileType: minapp.FileCSV}
	job := minapp.ExportRef{Table: 1, Job: exportJobID}
	maps.Copy(wireCases, map[string]wireCase{
		"exports.create/csv-all": createExport(1, everyRow),
		"exports.create/part": createExport(1, minapp.ExportSpec{
			FileType: minapp.FileCSV, Where: where.Gt("price", 10), IncludeKeys: []string{"id", "title", "created_at"},
			OrderBy: []string{"-created_at", "title"}, CSVHeaders: []string{"ID", "书名", "Created"}, TimestampKeys: []string{"created_at"},
		}),
		"exports.create/exclude":       createExport(1, minapp.ExportSpec{FileType: minapp.FileJSON, ExcludeKeys: []string{"price"}}),
		"exports.create/xlsx-userve":   createExport(1, minapp.ExportSpec{FileType: minapp.FileXLSX, Where: where.Everything()}),
		"exports.create/bad-request":   createExport(1, minapp.ExportSpec{FileType: minapp.FileCSV, IncludeKeys: []string{"nothing"}}),
		"exports.create/no-such-table": createExport(404, everyRow),
		"exports.create/unauthorized":  createExport(1, everyRow),

		"exports.get/pending":      getExport(job),
		"exports.get/ready":        getExport(job),
		"exports.get/finish":       getExport(job),
		"exports.get/userve":       getExport(job),
		"exports.get/not-found":    getExport(job),
		"exports.get/unauthorized": getExport(job),

		"exports.list/all":          listExports(minapp.ExportQuery{PageSize: 20}),
		"exports.list/none":         listExports(minapp.ExportQuery{PageSize: 20}),
		"exports.list/second-page":  listExports(minapp.ExportQuery{PageSize: 1, Offset: 1}),
		"exports.list/userve":       listExports(minapp.ExportQuery{PageSize: 20}),
		"exports.list/unauthorized": listExports(minapp.ExportQuery{PageSize: 20}),

		"imports.start/csv":          importFile("test.csv", "title,price\n论语,45\n"),
		"imports.start/userve":       importFile("test.csv", "title,price\n论语,45\n"),
		"imports.start/unauthorized": importFile("test.csv", "title,price\n论语,45\n"),
		"imports.start/bad-request":  importFile("test.json", "title,price\n"),
		"imports.start/json": func(ctx context.Context, c *minapp.Client) wireResult {
			return importResult(c.Imports.Start(ctx, 1, minapp.JSONSource("test.json", elements(Book{Title: "论语", Price: 45}))))
		},
	})
	return true
}

func createExport(table minapp.TableID, spec minapp.ExportSpec) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		ref, err := c.Exports.Create(ctx, table, spec)
		return seenResult(err, ref, func(body any) any { return minapp.ExportRef{Table: table, Job: memberOf(body, "job_id").(string)} })
	}
}

func getExport(ref minapp.ExportRef) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		job, err := c.Exports.Get(ctx, ref)
		return seenResult(err, job, func(body any) any { return saidExport(body) })
	}
}

func listExports(q minapp.ExportQuery) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		p, err := c.Exports.Page(ctx, 1, q)
		var seen pageFacts
		if p != nil {
			seen = pageFacts{Total: p.Total, More: p.More}
			for _, job := range p.Jobs {
				seen.Elements = append(seen.Elements, job)
			}
		}
		return seenResult(err, seen, func(body any) any { return saidPage(body, func(job any) any { return saidExport(job) }) })
	}
}

func saidExport(body any) *minapp.ExportJob {
	said := func(name string) string { s, _ := memberOf(body, name).(string); return s }
	return &minapp.ExportJob{
		Ref: minapp.ExportRef{Table: 1, Job: said("job_id")}, Status: said("status"), Operation: said("operation"),
		FileType: minapp.FileType(said("file_type")), FileName: said("file_name"), DownloadURL: minapp.SignedURL(said("download_url")),
		CreatedAt: minapp.Timestamp(integerOf(memberOf(body, "created_at"))), UpdatedAt: minapp.Timestamp(integerOf(memberOf(body, "updated_at"))),
	}
}

func importFile(name, content string) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return importResult(c.Imports.Start(ctx, 1, minapp.ReaderSource(name, strings.NewReader(content), int64(len(content)))))
	}
}

// importResult knows whether an import was taken, and no more can be known.
func importResult(err error) wireResult {
	return seenResult(err, err == nil, func(any) any { return true })
}

// elements is a sequence of rows without errors.
func elements[T any](rows ...T) func(yield func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for row := range slices.Values(rows) {
			if !yield(row, nil) {
				return
			}
		}
	}
}

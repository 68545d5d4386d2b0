package minapp_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/operation"
)

// methods names the method that is the most direct way to each operation.
var methods = map[string]string{
	"tables.create": "TableService.Create",
	"tables.get":    "TableService.Get",
	"tables.list":   "TableService.Page",
	"tables.update": "TableService.Update",
	"tables.delete": "TableService.Delete",

	"indexes.list":   "TableService.Indexes",
	"indexes.create": "TableService.CreateIndex",
	"indexes.delete": "TableService.DeleteIndex",

	"records.list":   "Table.Page",
	"records.count":  "Table.Count",
	"records.get":    "Table.Get",
	"records.create": "Table.Create",
	"records.update": "Table.Update",
	"records.delete": "Table.Delete",

	"users.get":          "UserService.Get",
	"users.list":         "UserService.Page",
	"files.get":          "FileService.Get",
	"files.list":         "FileService.Page",
	"server.time":        "Client.ServerTime",
	"exporttasks.create": "ExportTaskService.Create",
	"exporttasks.list":   "ExportTaskService.Page",
	"exporttasks.get":    "ExportTaskService.Get",
	"exporttasks.files":  "ExportTaskService.FilePage",
	"exporttasks.rerun":  "ExportTaskService.Rerun",
	"exporttasks.delete": "ExportTaskService.Delete",

	"connectors.list": "ConnectorService.All",
	"oauth.code":      "WithClientCredentials",
	"oauth.token":     "WithClientCredentials",
	"oauth.refresh":   "Client.RefreshToken",
	"bulk.create":     "Table.CreateMany",
	"bulk.update":     "Table.UpdateWhere",
	"bulk.delete":     "Table.DeleteWhere",
	"bulk.operation":  "BulkService.Operation",
	"exports.create":  "ExportService.Create",
	"exports.get":     "ExportService.Get",
	"exports.list":    "ExportService.Page",

	"imports.start": "ImportService.Start",
}

// documented is every status that the pages name for an operation; an exchange
// shows each of them. Where a page names none, it is that of its sample.
var documented = map[string][]int{
	"tables.create":  {201, 400},
	"tables.get":     {200},
	"tables.list":    {200},
	"tables.update":  {200, 400},
	"tables.delete":  {204},
	"indexes.list":   {200, 401},
	"indexes.create": {201},
	"indexes.delete": {204},

	"records.list":   {200},
	"records.count":  {200},
	"records.get":    {200},
	"records.create": {201, 400},
	"records.update": {200, 201, 400},
	"records.delete": {204},

	"bulk.create":    {201, 400, 401, 404},
	"bulk.update":    {200, 400, 401, 404},
	"bulk.delete":    {200, 400, 401, 404},
	"bulk.operation": {200, 401, 404},

	"users.get":   {200},
	"users.list":  {200},
	"files.get":   {200},
	"files.list":  {200},
	"server.time": {200},

	"exports.create": {201, 400},
	"exports.get":    {200, 401, 404},
	"exports.list":   {200},
	"imports.start":  {201, 400},

	"exporttasks.create": {200},
	"exporttasks.list":   {200},
	"exporttasks.get":    {200},
	"exporttasks.files":  {200},
	"exporttasks.rerun":  {200},
	"exporttasks.delete": {200},
	"connectors.list":    {200},

	"oauth.code":    {200},
	"oauth.token":   {200},
	"oauth.refresh": {200},
}

// Every operation has an exchange for each documented status, a method whose documentation
// names the page it comes from, and an example.
func TestEveryOperationIsComplete(t *testing.T) {
	answered := map[string][]int{}
	for _, e := range exchanges(t) {
		answered[e.Operation] = append(answered[e.Operation], e.Response.Status)
	}
	docs, examples := documentation(t)
	known := map[string]bool{}
	for _, op := range operation.Operations() {
		known[op.Name] = true
		assert.NotEmpty(t, documented[op.Name], "%s: which statuses?", op.Name)
		assert.Subset(t, answered[op.Name], documented[op.Name], "%s: a documented status without an exchange", op.Name)
		method := methods[op.Name]
		require.NotEmpty(t, method, "%s: which method?", op.Name)
		require.Contains(t, docs, method, "%s", op.Name)
		assert.Contains(t, sentence(docs[method]), "Source: "+op.Source, "the documentation of %s", method)
		assert.Contains(t, examples, exampleOf(method), "%s has no example", method)
	}
	for name := range methods {
		assert.True(t, known[name], "%s is no operation", name)
	}
}

// Every method that a program calls has an example, and so have the ways to a
// client. The two services of untyped rows, whose methods are those of Table,
// have one each.
func TestEveryMethodHasAnExample(t *testing.T) {
	docs, examples := documentation(t)
	wanted := []string{
		"NewClient", "TableOf", "Client.With", "Client.Do", "WithTokenStore", "RecordService", "BulkService", "CallStrict", "Expanded",
		"ExportRows", "JSONSource", "CSVSource",
	}
	for name := range docs {
		switch receiver, _, _ := strings.Cut(name, "."); receiver {
		case "Table", "TableService", "TableInfo", "UserService", "FileService", "ExportService", "ImportService", "ExportTaskService", "ConnectorService":
			wanted = append(wanted, name)
		}
	}
	for _, name := range wanted {
		assert.Contains(t, examples, exampleOf(name), "%s has no example", name)
	}
	for name, example := range examples {
		assert.True(t, example.Output != "" || example.EmptyOutput, "%s has no output that is checked", name)
	}
}

// exampleOf is the name of the example of a function, a type or a method.
func exampleOf(name string) string { return "Example" + strings.ReplaceAll(name, ".", "_") }

// sentence undoes the line breaks of a comment.
func sentence(comment string) string { return strings.Join(strings.Fields(comment), " ") }

// documentation parses this package: the comments of its functions and methods
// by name, such as "Table.Get", and its examples by the names of their functions.
func documentation(t *testing.T) (docs map[string]string, examples map[string]*doc.Example) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset := token.NewFileSet()
	var code, tests []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		if strings.HasSuffix(name, "_test.go") {
			tests = append(tests, file)
		} else {
			code = append(code, file)
		}
	}
	pkg, err := doc.NewFromFiles(fset, code, "github.com/minapp-go/minapp")
	require.NoError(t, err)
	docs = map[string]string{}
	add := func(prefix string, functions []*doc.Func) {
		for _, f := range functions {
			docs[prefix+f.Name] = f.Doc
		}
	}
	add("", pkg.Funcs)
	for _, typ := range pkg.Types {
		add("", typ.Funcs)
		add(typ.Name+".", typ.Methods)
	}
	examples = map[string]*doc.Example{}
	for _, example := range doc.Examples(tests...) {
		examples["Example"+example.Name] = example
	}
	return docs, examples
}

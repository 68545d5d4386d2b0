package minapp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/minapptest"
)

// library is a MOI service inside the process with connectors to Dify, to
// object storage and to MatrixOne, and a task of the past of which a file
// failed.
func library() (client *minapp.Client, server *minapptest.Server, closeLibrary func()) {
	server = minapptest.New()
	moi := server.MOI()
	moi.SetPace(2 * time.Millisecond)
	moi.AddConnector(minapptest.MOIConnector{ID: 1, Name: "kb", SourceType: 6, Settings: map[string]any{"dify": map[string]any{"api_key": "s3cret"}}})
	moi.AddConnector(minapptest.MOIConnector{ID: 2, Name: "lake", SourceType: 5})
	moi.AddConnector(minapptest.MOIConnector{ID: 3, Name: "warehouse", SourceType: 3})
	moi.AddTask(minapptest.MOITask{
		ID: "task_100", Name: "manuals-2024", Creator: "ops", ConnectorName: "kb", Type: 6,
		CreateTime: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
		Files: []minapptest.MOIFile{
			{FullPath: []string{"raw", "guide.pdf"}, Type: 2, Status: 2},
			{FullPath: []string{"raw", "old.doc"}, Type: 5, Status: 3, Details: "unsupported format"},
		},
	})
	client, err := minapp.NewClient(server.Options()...)
	if err != nil {
		log.Fatal(err)
	}
	return client, server, func() { _ = server.Close() }
}

var guideFile = byoa.FileSpec{ID: "f-1", Path: []string{"default", "raw", "vol-a", "main", "guide.pdf"}}

// everyMillisecond looks more often than is polite to a real service.
var everyMillisecond = minapp.WaitOptions{Interval: time.Millisecond, MaxInterval: time.Millisecond}

func ExampleExportTaskService_Create() {
	client, server, closeLibrary := library()
	defer closeLibrary()
	server.MOI().SetPace(time.Hour)

	task, err := client.ExportTasks.Create(context.Background(), byoa.TaskSpec{
		Name: "archive-2025w41", Creator: "ops", ConnectorID: "2", ConnectorName: "lake",
		Type:   5, // this connector's number for S3; without it 2 is sent
		Config: byoa.ObjectStorage("archive/2025/", byoa.Gzip),
		Files:  []byoa.FileSpec{guideFile},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Name, "is", task.Status)
	// Output: archive-2025w41 is in progress (1)
}

// Every mistake is named before anything is sent.
func ExampleExportTaskService_Create_mistakes() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	_, err := client.ExportTasks.Create(context.Background(), byoa.TaskSpec{
		Name: "archive", ConnectorID: "2", ConnectorName: "lake", Config: byoa.ObjectStorage("archive", byoa.Gzip),
	})
	fmt.Println(errors.Is(err, minapp.ErrInvalid))
	fmt.Println(err)
	// Output:
	// true
	// exporttasks.create: invalid argument: TaskSpec.Creator is blank
	// TaskSpec.Config: ObjectStorageConfig.Path "archive" does not end in a slash, and it is a folder
	// TaskSpec.Files is empty
}

func ExampleExportTaskService_Get() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	task, err := client.ExportTasks.Get(context.Background(), "task_100")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the service says", task.Status)
	fmt.Println("the counters say", task.Verdict())
	fmt.Println(task.Counts)
	// Output:
	// the service says completed (2)
	// the counters say partly failed
	// 1 of 2 files completed, 1 failed, 0 pending, 0 running
}

// A list tells whether a task exists.
func ExampleExportTaskService_Page() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	for _, id := range []string{"task_100", "task_404"} {
		page, err := client.ExportTasks.Page(context.Background(), byoa.TaskQuery{TaskID: id})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(id, page.Total)
	}
	// Output:
	// task_100 1
	// task_404 0
}

func ExampleExportTaskService_All() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	for task, err := range client.ExportTasks.All(context.Background(), byoa.TaskQuery{Creator: "ops"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(task.Created, task.Name, task.Sources)
	}
	// Output: 2024-01-01T00:00:00Z manuals-2024 [[raw guide.pdf] [raw old.doc]]
}

func ExampleExportTaskService_FilePage() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	page, err := client.ExportTasks.FilePage(context.Background(), "task_100", byoa.FileQuery{PageSize: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Files), "of", page.Total, "files;", page.TotalFailure, "failed")
	// Output: 1 of 2 files; 1 failed
}

func ExampleExportTaskService_Files() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	failed := byoa.FileQuery{Statuses: []byoa.FileStatus{byoa.FileFailed}}
	for file, err := range client.ExportTasks.Files(context.Background(), "task_100", failed) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, %s, %s: %s\n", file.Name, file.Type, file.Status, file.Details)
	}
	// Output: old.doc, word (5), failed (3): unsupported format
}

func ExampleExportTaskService_Rerun() {
	client, _, closeLibrary := library()
	defer closeLibrary()
	ctx := context.Background()

	if err := client.ExportTasks.Rerun(ctx, "task_100"); err != nil {
		log.Fatal(err)
	}
	task, err := client.ExportTasks.Wait(ctx, "task_100", everyMillisecond)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Verdict())
	// Output: succeeded
}

func ExampleExportTaskService_Delete() {
	client, _, closeLibrary := library()
	defer closeLibrary()
	ctx := context.Background()

	fmt.Println(client.ExportTasks.Delete(ctx, "task_100"))
	err := client.ExportTasks.Delete(ctx, "task_100")
	if refusal, ok := errors.AsType[*minapp.Error](err); ok {
		fmt.Println(refusal.Code, refusal.Message)
	}
	// Output:
	// <nil>
	// ErrServer task does not exist
}

func ExampleExportTaskService_Wait() {
	client, _, closeLibrary := library()
	defer closeLibrary()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // some tasks never end
	defer cancel()

	kb, err := client.Connectors.Find(ctx, "kb")
	if err != nil {
		log.Fatal(err)
	}
	created, err := client.ExportTasks.Create(ctx, kb.Task("manuals-2025", "ops", byoa.Dify("ds-9", "Manuals", "bge-m3"), guideFile))
	if err != nil {
		log.Fatal(err)
	}
	task, err := client.ExportTasks.Wait(ctx, created.ID, everyMillisecond)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Name, task.Verdict())
	// Output: manuals-2025 succeeded
}

// A task that the service calls completed, and that did not succeed.
func ExampleExportTaskService_Run() {
	client, server, closeLibrary := library()
	defer closeLibrary()
	server.MOI().FailFiles("page 3 has no text", "f-2")
	ctx := context.Background()

	warehouse, err := client.Connectors.Find(ctx, "warehouse")
	if err != nil {
		log.Fatal(err)
	}
	table := byoa.MatrixOne("kb", "chunks",
		byoa.Column{Source: "file_id", Target: "file_id"},
		byoa.Column{Source: "block_id", Target: "block_id"},
		byoa.Column{Source: "content", Target: "text"})
	table.Duplicates = byoa.Overwrite
	spec := warehouse.Task("chunks", "ops", table, guideFile, byoa.FileSpec{ID: "f-2", Path: []string{"scan.pdf"}})

	task, err := client.ExportTasks.Run(ctx, spec, everyMillisecond)
	fmt.Println(task.Name, "is", task.Status, "and has", task.Verdict())
	if failure, ok := errors.AsType[*byoa.TaskError](err); ok {
		for _, file := range failure.Files {
			fmt.Println(file.Name, file.Details)
		}
	}
	// Output:
	// chunks is completed (2) and has partly failed
	// scan.pdf 导出失败:page 3 has no text
}

// Settings hold the credentials of the target, and are not printed.
func ExampleConnectorService_All() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	for connector, err := range client.Connectors.All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(connector, connector.Settings, connector.CanExport())
	}
	// Output:
	// connector 1 "kb", type 6, active [settings] true
	// connector 2 "lake", type 5, active [settings] true
	// connector 3 "warehouse", type 3, active [settings] true
}

func ExampleConnectorService_Find() {
	client, _, closeLibrary := library()
	defer closeLibrary()

	connector, err := client.Connectors.Find(context.Background(), "lake")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(connector.ID, connector.Name)
	_, err = client.Connectors.Find(context.Background(), "Lake")
	fmt.Println(errors.Is(err, minapp.ErrNotFound))
	// Output:
	// 2 lake
	// true
}

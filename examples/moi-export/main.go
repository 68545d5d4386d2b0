// Moi-export copies files of a MatrixOne Intelligence volume to Dify, to object
// storage and to a MatrixOne table, one task each, waits for them, and says
// what became of every file. It exits with 1 if any file did not arrive.
//
// Without MOI_KEY it talks to the emulator inside this process, where one file
// is broken. With it, MOI_BASE_URL is the base URL of the cluster, and
// MOI_DIFY, MOI_STORAGE and MOI_MATRIXONE name connectors, each of which may be
// left out; MOI_FILE is the id of a file and MOI_PATH its path.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/minapptest"
)

// target is where a task exports to: a connector, and a place behind it.
type target struct {
	connector string
	config    byoa.Config
}

func main() {
	if !run() {
		os.Exit(1)
	}
}

// run reports whether every file arrived everywhere.
func run() bool {
	moi, err := open()
	check(err)
	defer moi.close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute) // some tasks never end
	defer cancel()

	// A block is known by its id: exporting again replaces it.
	table := byoa.MatrixOne("kb", "chunks",
		byoa.Column{Source: "file_id", Target: "file_id"},
		byoa.Column{Source: "block_id", Target: "block_id"},
		byoa.Column{Source: "content", Target: "content"})
	table.Duplicates = byoa.Overwrite

	complete := true
	for _, t := range []target{
		{moi.dify, byoa.Dify("ds-9", "Manuals", "bge-m3")},
		{moi.storage, byoa.ObjectStorage("archive/manuals/", byoa.Gzip)},
		{moi.matrixOne, table},
	} {
		if t.connector == "" {
			continue
		}
		complete = moi.export(ctx, t) && complete
	}
	return complete
}

// export runs one task and tells what became of it. It reports whether every
// file arrived; a failed one gets a second chance.
func (m *service) export(ctx context.Context, t target) bool {
	connector, err := m.Connectors.Find(ctx, t.connector)
	check(err)
	fmt.Printf("\n%s\n", connector)

	spec := connector.Task(byoa.UniqueName("manuals"), "moi-export", t.config, m.files...)
	task, err := m.ExportTasks.Run(ctx, spec, m.wait)
	if report(task, err) {
		return true
	}
	m.mend()
	fmt.Println("  once more the files that failed:")
	check(m.ExportTasks.Rerun(ctx, task.ID))
	return report(m.ExportTasks.Wait(ctx, task.ID, m.wait))
}

// report prints how a task ended, and reports whether every file arrived. A
// task that has not ended, or is not even there, ends the program.
func report(task *byoa.Task, err error) bool {
	failure, failed := errors.AsType[*byoa.TaskError](err)
	if !failed {
		check(err)
	}
	fmt.Printf("  %s: %s (the service says %s)\n", task.Verdict(), task.Counts, task.Status)
	if failed {
		for _, file := range failure.Files {
			fmt.Printf("  %s: %s\n", strings.Join(file.Path, "/"), file.Details)
		}
	}
	return !failed
}

// service is MOI, the names of its connectors and the files to export.
type service struct {
	*minapp.Client
	dify, storage, matrixOne string
	files                    []byoa.FileSpec
	wait                     minapp.WaitOptions
	mend                     func() // what an operator would do about broken files
	close                    func()
}

func open() (*service, error) {
	key := os.Getenv("MOI_KEY")
	if key == "" {
		return emulated()
	}
	opts := []minapp.Option{minapp.WithMOIKey(key)}
	if base := os.Getenv("MOI_BASE_URL"); base != "" {
		opts = append(opts, minapp.WithMOIBaseURL(base))
	}
	client, err := minapp.NewClient(opts...)
	return &service{
		Client: client, dify: os.Getenv("MOI_DIFY"), storage: os.Getenv("MOI_STORAGE"), matrixOne: os.Getenv("MOI_MATRIXONE"),
		files: []byoa.FileSpec{{ID: os.Getenv("MOI_FILE"), Path: strings.Split(os.Getenv("MOI_PATH"), "/")}},
		mend:  func() {}, close: func() {},
	}, err
}

// emulated is a service in which a file is too large for Dify.
func emulated() (*service, error) {
	fmt.Println("MOI_KEY is not set: using the emulator inside this process.")
	server := minapptest.New()
	moi := server.MOI()
	moi.SetPace(20 * time.Millisecond)
	moi.AddConnector(minapptest.MOIConnector{Name: "kb", SourceType: 6})
	moi.AddConnector(minapptest.MOIConnector{Name: "lake", SourceType: 5})
	moi.AddConnector(minapptest.MOIConnector{Name: "warehouse", SourceType: 3})
	moi.FailFiles("文件过大", "f-3")
	client, err := minapp.NewClient(server.Options()...)
	return &service{
		Client: client, dify: "kb", storage: "lake", matrixOne: "warehouse",
		files: []byoa.FileSpec{
			{ID: "f-1", Path: []string{"default", "raw", "manuals", "main", "guide.pdf"}},
			{ID: "f-2", Path: []string{"default", "raw", "manuals", "main", "faq.md"}},
			{ID: "f-3", Path: []string{"default", "raw", "manuals", "main", "atlas.pdf"}},
		},
		wait:  minapp.WaitOptions{Interval: 10 * time.Millisecond, MaxInterval: 50 * time.Millisecond},
		mend:  func() { moi.FailFiles("", "f-3") },
		close: func() { _ = server.Close() },
	}, err
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

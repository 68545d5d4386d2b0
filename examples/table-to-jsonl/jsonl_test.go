package main

import (
	"path/filepath"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// A file that a failure left in the middle is completed.
func TestDumpGoesOn(t *testing.T) {
	emulator := minapptest.NewServer(t)
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	table, err := readings(t.Context(), client, 5000)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.jsonl.gz")
	emulator.Fault(minapptest.Fault{Operation: "records.list", Skip: 10, Status: 400})
	if err := dump(t.Context(), client, table, out); err == nil {
		t.Fatal("a request was refused, and the run says nothing")
	}
	emulator.ClearFaults()
	if err := dump(t.Context(), client, table, out); err != nil {
		t.Fatal(err)
	}
}

// The comparison misses a row that appeared after the file was written.
func TestMissingRowIsNoticed(t *testing.T) {
	emulator := minapptest.NewServer(t)
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	table, err := readings(t.Context(), client, 100)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.jsonl")
	if err := dump(t.Context(), client, table, out); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Records.Create(t.Context(), table, minapp.Fields{"n": 100}); err != nil {
		t.Fatal(err)
	}
	if err := dump(t.Context(), client, table, out); err == nil {
		t.Error("the file lacks a row, and the comparison says nothing")
	}
}

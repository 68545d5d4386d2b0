package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// setUp is an emulator with the dataset, and what moves it.
func setUp(t *testing.T) (emulator *minapptest.Server, client *minapp.Client, from, to minapp.TableID) {
	t.Helper()
	emulator = minapptest.NewServer(t)
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	from, to, err = tables(t.Context(), &service.Service{Client: client, Emulated: true})
	if err != nil {
		t.Fatal(err)
	}
	return emulator, client, from, to
}

func TestEveryRowArrives(t *testing.T) {
	emulator, client, from, to := setUp(t)
	o := options{state: t.TempDir(), page: 1000}
	if err := move(t.Context(), client, from, to, o); err != nil {
		t.Fatal(err)
	}
	if rows := len(emulator.Rows(int64(to))); rows != 7857 {
		t.Errorf("the target has %d rows", rows)
	}
}

// A service that reports rows as written and loses them is found out.
func TestLostRowsAreNoticed(t *testing.T) {
	emulator, client, from, to := setUp(t)
	if err := move(t.Context(), client, from, to, options{state: t.TempDir(), page: 1000}); err != nil {
		t.Fatal(err)
	}
	lost := emulator.Rows(int64(to))[17]["id"].(string)
	if err := minapp.TableOf[Shift](client, to).Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	err := verify(t.Context(), newPlan(client, from, to, options{page: 1000}))
	if err == nil || !strings.Contains(err.Error(), "1 missing, 0 surplus, 0 changed") {
		t.Errorf("a row is missing, and the run says %v", err)
	}
}

// Interrupted and started again, with answers lost in both runs, it ends with
// every row.
func TestItGoesOn(t *testing.T) {
	emulator, client, from, to := setUp(t)
	o := options{state: t.TempDir(), page: 500}
	for _, skip := range []int{1, 3, 4} {
		emulator.Fault(minapptest.Fault{Operation: "bulk.create", Skip: skip, Drop: minapptest.DropAfter})
	}
	ctx, cancel := context.WithCancel(t.Context())
	plan := newPlan(client, from, to, o)
	plan.OnProgress = func(p migrate.Progress) {
		if p.Read > 3000 {
			cancel()
		}
	}
	if _, err := migrate.Run(ctx, plan); err == nil {
		t.Fatal("it was not interrupted")
	}
	if err := move(t.Context(), client, from, to, o); err != nil {
		t.Fatal(err)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	emulator, client, from, to := setUp(t)
	o := options{state: t.TempDir(), page: 1000, dryRun: true}
	if err := move(t.Context(), client, from, to, o); err != nil {
		t.Fatal(err)
	}
	if rows := len(emulator.Rows(int64(to))); rows != 0 {
		t.Errorf("the target has %d rows", rows)
	}
	if files, err := os.ReadDir(o.state); err != nil || len(files) != 0 {
		t.Errorf("the folder of the state has %d files, %v", len(files), err)
	}
}

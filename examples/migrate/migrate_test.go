package main

import (
	"strings"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/minapptest"
)

func newMigration(t *testing.T) (*minapptest.Server, *migration) {
	t.Helper()
	emulator := minapptest.NewServer(t)
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	from, to, err := tables(t.Context(), &service.Service{Client: client, Emulated: true})
	if err != nil {
		t.Fatal(err)
	}
	return emulator, &migration{
		client: client, batch: 1000,
		source: minapp.TableOf[ClockChange](client, from),
		target: minapp.TableOf[Shift](client, to),
	}
}

func TestEveryRowArrives(t *testing.T) {
	emulator, m := newMigration(t)
	if err := m.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows := len(emulator.Rows(int64(m.target.ID()))); rows != 7857 {
		t.Errorf("the target has %d rows", rows)
	}
}

// A service that reports rows as written and loses them is found out.
func TestLostRowsAreNoticed(t *testing.T) {
	emulator, m := newMigration(t)
	lie := `{"operation_result":[` + strings.Repeat(`{"success":{"id":"a"}},`, 999) + `{"success":{"id":"a"}}]}`
	emulator.Fault(minapptest.Fault{Operation: "bulk.create", Skip: 2, Status: 201, Body: lie})
	if err := m.run(t.Context()); err == nil || !strings.Contains(err.Error(), "the tables differ") {
		t.Errorf("1000 rows are missing, and the run says %v", err)
	}
}

// A lost answer ends the run with the place to look at.
func TestUnknownOutcomeEndsTheRun(t *testing.T) {
	emulator, m := newMigration(t)
	emulator.Fault(minapptest.Fault{Operation: "bulk.create", Skip: 2, Drop: minapptest.DropAfter})
	if err := m.run(t.Context()); err == nil || !strings.Contains(err.Error(), "stopped at rows 2000 to 2999") {
		t.Errorf("the outcome of 1000 rows is unknown, and the run says %v", err)
	}
}

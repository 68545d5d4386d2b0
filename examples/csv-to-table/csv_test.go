package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

func newLoad(t *testing.T) (*minapptest.Server, load) {
	t.Helper()
	emulator := minapptest.NewServer(t)
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	table, err := shopTable(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	path, err := shopFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return emulator, load{client: client, table: table, path: path, titles: titles, key: "code"}
}

// requireRows checks that the table has so many rows, no two of the same code.
func requireRows(t *testing.T, emulator *minapptest.Server, l load, n int) map[string]map[string]any {
	t.Helper()
	rows := make(map[string]map[string]any)
	for _, row := range emulator.Rows(int64(l.table)) {
		code := row["code"].(string)
		if rows[code] != nil {
			t.Errorf("%s is there twice", code)
		}
		rows[code] = row
	}
	if len(rows) != n {
		t.Errorf("the table has %d rows, not %d", len(rows), n)
	}
	return rows
}

// Good rows arrive as they are, and bad ones are mended in their file and given
// again.
func TestShops(t *testing.T) {
	emulator, l := newLoad(t)
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := requireRows(t, emulator, l, more+3)
	if name := rows["GZ-02"]["name"]; name != "越秀店\r\n(二楼, \"老店\")" {
		t.Errorf("the name of GZ-02 is %q", name)
	}
	if _, there := rows["SZ-01"]["area"]; there {
		t.Error("an empty cell became a value")
	}

	l.path += rejectedSuffix
	text, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	mended := strings.NewReplacer(`"大约90"`, "90", `"2019-03-01"`, `"2019-03-01T00:00:00+08:00"`).Replace(string(text))
	if err := os.WriteFile(l.path, []byte(mended), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireRows(t, emulator, l, more+5)
}

// A dry run leaves everything as it was.
func TestDryRun(t *testing.T) {
	emulator, l := newLoad(t)
	l.dryRun = true
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireRows(t, emulator, l, 0)
	files, err := os.ReadDir(filepath.Dir(l.path))
	if err != nil || len(files) != 1 {
		t.Errorf("beside the CSV file there are %v, %v", files, err)
	}
}

// A load that was stopped, and whose answers were lost, goes on and doubles
// nothing.
func TestLoadGoesOn(t *testing.T) {
	emulator, l := newLoad(t)
	stopped, stop := context.WithCancel(t.Context())
	emulator.Fault(minapptest.Fault{Operation: "bulk.create", Skip: 1, Drop: minapptest.DropAfter})
	emulator.Fault(minapptest.Fault{Operation: "records.list", Status: 400})
	if err := l.run(t.Context()); err == nil {
		t.Fatal("an outcome is unknown and cannot be looked up, and the run says nothing")
	}
	emulator.ClearFaults()
	stop()
	if err := l.run(stopped); err == nil {
		t.Fatal("the run was stopped and says nothing")
	}
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireRows(t, emulator, l, more+3)
}

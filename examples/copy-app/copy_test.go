package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// The copy is complete, its pointers point at copies, and a second run with the
// same state does nothing more.
func TestShopIsCopied(t *testing.T) {
	from, to, closeApps, err := emulatedApps()
	if err != nil {
		t.Fatal(err)
	}
	defer closeApps()
	schema, err := migrate.PlanSchema(t.Context(), from, to, migrate.SchemaOptions{SourceID: "source_id"})
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	for range 2 {
		var told []string
		err := copyRows(t.Context(), schema, state, func(c *migrate.RowCopy, r migrate.Report) {
			told = append(told, fmt.Sprint(c, " ", r.Moved))
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(told, ", "), "customer 3, order 3, customer-pointers 2"; got != want {
			t.Errorf("copied %s, not %s", got, want)
		}
	}
	if got, want := pairs(t, to, "order", "no", "customer"), "A-1:林 A-2:陈 A-3:"; got != want {
		t.Errorf("the customers of the orders are %s, not %s", got, want)
	}
	if got, want := pairs(t, to, "customer", "name", "invited_by"), "林:陈 何:林 陈:"; got != want {
		t.Errorf("the customers were invited by %s, not %s", got, want)
	}
}

// pairs are a column of every row and the name of what a pointer points at, by
// the time of their creation.
func pairs(t *testing.T, c *minapp.Client, table, column, pointer string) string {
	t.Helper()
	info, err := c.Tables.FindByName(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for r, err := range c.Records.All(t.Context(), info.ID, minapp.Query{OrderBy: []string{"created_at"}, Expand: []string{pointer}}) {
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		if target, ok := r.Value[pointer].(map[string]any); ok {
			name = fmt.Sprint(target["name"])
		}
		list = append(list, fmt.Sprint(r.Value[column], ":", name))
	}
	return strings.Join(list, " ")
}

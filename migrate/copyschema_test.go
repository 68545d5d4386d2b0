package migrate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// app is an application of its own.
type app struct {
	*minapptest.Server
	client *minapp.Client
}

func newApp(t *testing.T, data string) *app {
	t.Helper()
	a := &app{Server: minapptest.NewServer(t)}
	require.NoError(t, a.LoadData(strings.NewReader(data)))
	client, err := minapp.NewClient(a.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	a.client = client
	return a
}

// shopData has a chain of pointers (line, order, customer, region), a table that
// points at itself and at one that points back (person, team), and one at users.
// The order of names and of ids is not that of the pointers.
const shopData = `{"tables": [
	{"id": 10, "name": "_userprofile", "schema": {"fields": [{"name": "city", "type": "string"}]}, "rows": [{"id": 501}]},
	{"id": 11, "name": "customer", "schema": {"fields": [
		{"name": "name", "type": "string", "constraints": {"required": true}},
		{"name": "region", "type": "reference", "schema_id": "15"}]},
		"row_read_perm": ["user:anonymous"], "row_write_perm": ["gid:656"], "write_perm": ["user:*"]},
	{"id": 12, "name": "line", "indexes": [["order", "number"]], "schema": {"fields": [
		{"name": "order", "type": "reference", "schema_id": "13"},
		{"name": "number", "type": "integer", "default": 1, "description": "counts from 1"}]}},
	{"id": 13, "name": "order", "indexes": [["no"]], "schema": {"fields": [
		{"name": "no", "type": "string"},
		{"name": "customer", "type": "reference", "schema_id": "11"},
		{"name": "seller", "type": "reference", "schema_id": "10"},
		{"name": "tags", "type": "array", "items": {"type": "string"}},
		{"name": "place", "type": "geojson", "format": "default", "coordinate_type": "gcj02"}]}},
	{"id": 14, "name": "person", "indexes": [["badge"], ["team", "seat"]], "schema": {"fields": [
		{"name": "boss", "type": "reference", "schema_id": "14"},
		{"name": "badge", "type": "integer"},
		{"name": "team", "type": "reference", "schema_id": "16"},
		{"name": "seat", "type": "integer"}]}},
	{"id": 15, "name": "region", "schema": {"fields": [{"name": "name", "type": "string", "acl": {"clientVisibile": false}}]}},
	{"id": 16, "name": "team", "schema": {"fields": [
		{"name": "name", "type": "string"},
		{"name": "lead", "type": "reference", "schema_id": "14"}]}}
]}`

// emptyData is an application whose ids are others.
const emptyData = `{"tables": [
	{"id": 70, "name": "_userprofile", "schema": {"fields": []}},
	{"id": 71, "name": "unrelated", "schema": {"fields": []}}
]}`

// described is the schema of an application, with names for ids.
func described(t *testing.T, a *app) map[string]string {
	t.Helper()
	names := make(map[minapp.TableRef]string)
	var tables []*minapp.TableInfo
	for info, err := range a.client.Tables.All(t.Context(), minapp.TableQuery{}) {
		require.NoError(t, err)
		names[minapp.TableRef(info.ID)] = info.Name
		tables = append(tables, info)
	}
	out := make(map[string]string)
	for _, info := range tables {
		if info.Name[0] == '_' || info.Name == "unrelated" {
			continue
		}
		spec := info.Spec()
		var text strings.Builder
		fmt.Fprintln(&text, spec.Rows, spec.CreateRow)
		for _, f := range spec.Fields {
			to := names[f.SchemaID]
			f.SchemaID = 0
			acl := minapp.FieldACL{}
			if f.ACL != nil {
				acl = *f.ACL
			}
			aclText, err := acl.MarshalJSON()
			require.NoError(t, err)
			f.ACL = nil
			fmt.Fprintln(&text, f.Name, f.Type, f.Items, f.CoordinateType, f.Description, f.Constraints, string(f.Default), string(aclText), "to", to)
		}
		indexes, err := a.client.Tables.Indexes(t.Context(), info.ID)
		require.NoError(t, err)
		fmt.Fprintln(&text, indexes)
		out[info.Name] = text.String()
	}
	return out
}

func planSchema(t *testing.T, from, to *app, o migrate.SchemaOptions) *migrate.SchemaPlan {
	t.Helper()
	plan, err := migrate.PlanSchema(t.Context(), from.client, to.client, o)
	require.NoError(t, err)
	return plan
}

const shopPlan = `create table "region" (name string)
create table "customer" (name string required, region pointer to region)
create table "order" (no string, customer pointer to customer, seller pointer to _userprofile, tags array of string, place geojson gcj02)
create table "line" (order pointer to order, number integer default 1)
create table "team" (name string)
create table "person" (badge integer, team pointer to team, seat integer)
add columns to "team" (lead pointer to person)
add columns to "person" (boss pointer to person)
create unique index on "order" (no)
create unique index on "line" (order, number)
create unique index on "person" (badge)
create unique index on "person" (team, seat)
14 requests
`

// The plan says what Apply does, request by request, and is all that changes
// anything; carried out once, there is nothing left to do.
func TestSchemaIsCopied(t *testing.T) {
	from, to := newApp(t, shopData), newApp(t, emptyData)
	plan := planSchema(t, from, to, migrate.SchemaOptions{})
	assert.Equal(t, shopPlan, plan.String())
	for _, r := range slices.Concat(from.Requests(), to.Requests()) {
		assert.Equal(t, "GET", r.Method, "planning changes nothing")
	}
	from.ResetLog()
	to.ResetLog()
	require.NoError(t, plan.Apply(t.Context()))
	assert.Zero(t, from.Count(""), "the source is left alone")
	assert.Equal(t, 14, to.Count(""))
	assert.Equal(t, 6, to.Count("tables.create"))
	assert.Equal(t, 2, to.Count("tables.update"))
	assert.Equal(t, 4, to.Count("indexes.create"))
	assert.Equal(t, described(t, from), described(t, to))

	to.ResetLog()
	require.NoError(t, plan.Apply(t.Context()))
	assert.Zero(t, to.Count(""), "it is done")
	again := planSchema(t, from, to, migrate.SchemaOptions{})
	assert.Equal(t, `same "region"
same "customer"
same "order"
same "line"
same "team"
same "person"
nothing to do
`, again.String())
}

// Wherever it is interrupted, the same plan or a new one goes on.
func TestSchemaCopyGoesOn(t *testing.T) {
	for n := range 14 {
		for _, replan := range []bool{false, true} {
			from, to := newApp(t, shopData), newApp(t, emptyData)
			plan := planSchema(t, from, to, migrate.SchemaOptions{})
			to.Fault(minapptest.Fault{Skip: n, Status: 403})
			err := plan.Apply(t.Context())
			require.ErrorIs(t, err, minapp.ErrForbidden, "request %d", n)
			if replan {
				plan = planSchema(t, from, to, migrate.SchemaOptions{})
			}
			require.NoError(t, plan.Apply(t.Context()), "request %d", n)
			require.Equal(t, described(t, from), described(t, to), "request %d", n)
		}
	}
}

// A table or an index of which the answer is lost is looked for.
func TestSchemaCopyFindsWhatItMade(t *testing.T) {
	from, to := newApp(t, shopData), newApp(t, emptyData)
	plan := planSchema(t, from, to, migrate.SchemaOptions{})
	to.Fault(minapptest.Fault{Operation: "tables.create", Times: -1, Drop: minapptest.DropAfter})
	to.Fault(minapptest.Fault{Operation: "indexes.create", Times: -1, Drop: minapptest.DropAfter})
	require.NoError(t, plan.Apply(t.Context()))
	assert.Equal(t, described(t, from), described(t, to))

	to = newApp(t, emptyData)
	plan = planSchema(t, from, to, migrate.SchemaOptions{})
	to.Fault(minapptest.Fault{Operation: "indexes.create", Drop: minapptest.DropBefore})
	require.ErrorIs(t, plan.Apply(t.Context()), minapp.ErrOutcomeUnknown, "it is not there")
	require.NoError(t, plan.Apply(t.Context()))
	assert.Equal(t, described(t, from), described(t, to))
}

// A table that is there gets what it lacks, behind the column that it follows,
// and keeps everything that it has: columns, permissions, rows.
func TestSchemaCopyOnlyAdds(t *testing.T) {
	from := newApp(t, `{"tables": [{"id": 1, "name": "book", "indexes": [["isbn"], ["title", "year"]], "row_read_perm": ["user:anonymous"], "schema": {"fields": [
		{"name": "title", "type": "string", "constraints": {"required": true}}, {"name": "isbn", "type": "string"},
		{"name": "year", "type": "integer", "default": 1900}, {"name": "sequel", "type": "reference", "schema_id": "1"}]}}]}`)
	to := newApp(t, `{"tables": [{"id": 7, "name": "book", "indexes": [["year", "title"]], "row_read_perm": ["gid:1"], "schema": {"fields": [
		{"name": "year", "type": "integer"}, {"name": "title", "type": "string"}, {"name": "mine", "type": "boolean"}]},
		"rows": [{"title": "a", "mine": true}]}]}`)
	rows := to.Rows(7)
	plan := planSchema(t, from, to, migrate.SchemaOptions{})
	assert.Equal(t, `keep "book" (required of column title; default of column year; rows are read by [gid:1], not [user:anonymous])
add columns to "book" (isbn string, sequel pointer to book)
create unique index on "book" (isbn)
3 requests
`, plan.String())
	require.NoError(t, plan.Apply(t.Context()))
	info, err := to.client.Tables.Get(t.Context(), 7)
	require.NoError(t, err)
	var names []string
	for _, f := range info.Spec().Fields {
		names = append(names, f.Name)
	}
	assert.Equal(t, []string{"year", "sequel", "title", "isbn", "mine"}, names)
	assert.Equal(t, []string{"gid:1"}, info.Rows.ReadPerm)
	assert.Equal(t, rows, to.Rows(7))
	again := planSchema(t, from, to, migrate.SchemaOptions{})
	assert.Contains(t, again.String(), "nothing to do")
}

// Columns that somebody adds while the plan waits are not lost.
func TestSchemaCopyLooksAgainBeforeItAdds(t *testing.T) {
	from := newApp(t, `{"tables": [{"id": 1, "name": "book", "schema": {"fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "string"}]}}]}`)
	to := newApp(t, `{"tables": [{"id": 7, "name": "book", "schema": {"fields": []}}]}`)
	plan := planSchema(t, from, to, migrate.SchemaOptions{})
	_, err := to.client.Tables.Update(t.Context(), 7, minapp.TableUpdate{Fields: []minapp.Field{{Name: "a", Type: "string"}, {Name: "z", Type: "date"}}})
	require.NoError(t, err)
	require.NoError(t, plan.Apply(t.Context()))
	info, err := to.client.Tables.Get(t.Context(), 7)
	require.NoError(t, err)
	assert.Len(t, info.Spec().Fields, 3)
}

// What is in the way is said at once, all of it, before anything is changed.
func TestSchemaThatCannotBeCopied(t *testing.T) {
	column := func(name, rest string) string {
		return fmt.Sprintf(`{"tables": [{"id": 7, "name": "other", "schema": {"fields": []}}, {"id": 8, "name": %q, "schema": {"fields": [%s]}}]}`, name, rest)
	}
	for name, c := range map[string]struct {
		target  string
		options migrate.SchemaOptions
		want    []string
	}{
		"type":          {target: column("order", `{"name": "no", "type": "integer"}`), want: []string{`table "order", column "no": it is integer in the target, not string`}},
		"element":       {target: column("order", `{"name": "tags", "type": "array", "items": {"type": "integer"}}`), want: []string{`it is array of integer in the target, not array of string`}},
		"coordinates":   {target: column("order", `{"name": "place", "type": "geojson", "format": "default", "coordinate_type": "wgs84"}`), want: []string{`it is geojson wgs84 in the target, not geojson gcj02`}},
		"pointer":       {target: column("order", `{"name": "customer", "type": "reference", "schema_id": "7"}`), want: []string{`it is pointer to other in the target, not pointer to customer`}},
		"no users":      {target: column("x", ""), want: []string{`table "order", column "seller": it points at table "_userprofile", which is neither copied nor in the target`}},
		"left out":      {target: emptyData, options: migrate.SchemaOptions{Tables: []string{"order", "line"}}, want: []string{`table "order", column "customer": it points at table "customer", which is neither copied nor in the target`}},
		"unknown":       {target: emptyData, options: migrate.SchemaOptions{Tables: []string{"a", "region", "_userprofile", "b"}}, want: []string{`no table "a"`, `no table "b"`, `"_userprofile" is built in`}},
		"names clash":   {target: emptyData, options: migrate.SchemaOptions{Rename: func(string) string { return "all" }}, want: []string{`tables "region" and "customer" would both be called "all"`}},
		"column exists": {target: emptyData, options: migrate.SchemaOptions{SourceID: "name"}, want: []string{`table "customer" has a column "name" already`, `table "region" has a column "name" already`}},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := newApp(t, shopData), newApp(t, c.target)
			_, err := migrate.PlanSchema(t.Context(), from.client, to.client, c.options)
			require.ErrorIs(t, err, migrate.ErrSchema)
			for _, want := range c.want {
				assert.ErrorContains(t, err, want)
			}
			for _, r := range to.Requests() {
				assert.Equal(t, "GET", r.Method)
			}
		})
	}
}

// In one application tables are copied under other names. Pointers follow the
// names, so that those to tables which keep theirs point where they pointed.
func TestSchemaIsCopiedUnderOtherNames(t *testing.T) {
	a := newApp(t, shopData)
	plan := planSchema(t, a, a, migrate.SchemaOptions{
		Tables: []string{"order", "line"},
		Rename: func(name string) string {
			if name == "customer" {
				return name
			}
			return "old_" + name
		},
	})
	before := described(t, a)
	require.NoError(t, plan.Apply(t.Context()))
	after := described(t, a)
	assert.Equal(t, strings.ReplaceAll(before["line"], "to order", "to old_order"), after["old_line"])
	assert.Equal(t, before["order"], after["old_order"])
	maps.DeleteFunc(after, func(name, _ string) bool { return strings.HasPrefix(name, "old_") })
	assert.Equal(t, before, after)
}

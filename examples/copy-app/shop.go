package main

import (
	"errors"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// shop has orders that point at customers, who point at the customer that
// invited them.
const shop = `{"tables": [
	{"id": 11, "name": "order", "indexes": [["no"]], "row_read_perm": ["user:*"], "schema": {"fields": [
		{"name": "no", "type": "string", "constraints": {"required": true}},
		{"name": "customer", "type": "reference", "schema_id": "12"},
		{"name": "total", "type": "integer", "default": 0}]},
	 "rows": [
		{"no": "A-1", "customer": "5a2fa9b008443e59e0e67801", "total": 199, "created_by": 64501217, "created_at": 1516118400},
		{"no": "A-2", "customer": "5a2fa9b008443e59e0e67803", "total": 20, "created_by": 64501217, "created_at": 1516118460},
		{"no": "A-3", "total": 5, "created_by": 70695404, "created_at": 1516118520, "read_perm": ["user:70695404"]}
	 ]},
	{"id": 12, "name": "customer", "indexes": [["phone"]], "schema": {"fields": [
		{"name": "name", "type": "string"},
		{"name": "phone", "type": "string"},
		{"name": "invited_by", "type": "reference", "schema_id": "12"}]},
	 "rows": [
		{"id": "5a2fa9b008443e59e0e67801", "name": "林", "phone": "1", "invited_by": "5a2fa9b008443e59e0e67803", "created_at": 1516000000},
		{"id": "5a2fa9b008443e59e0e67802", "name": "何", "phone": "2", "invited_by": "5a2fa9b008443e59e0e67801", "created_at": 1516000001},
		{"id": "5a2fa9b008443e59e0e67803", "name": "陈", "phone": "3", "created_at": 1516000002}
	 ]}
]}`

// emulatedApps are an application with a shop and an empty one.
func emulatedApps() (from, to *minapp.Client, closeApps func(), err error) {
	source, target := minapptest.New(), minapptest.New()
	closeApps = func() { // the program ends anyway
		_ = source.Close()
		_ = target.Close()
	}
	err = source.LoadData(strings.NewReader(shop))
	from, failure := minapp.NewClient(source.Options()...)
	err = errors.Join(err, failure)
	to, failure = minapp.NewClient(target.Options()...)
	return from, to, closeApps, errors.Join(err, failure)
}

package minapptest

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
)

// filter is a compiled where. Its semantics are those of the document store
// behind the service: missing and null are alike, except for $exists; values of
// different types never compare; a test on an array column holds when it holds
// for an element.
type filter struct {
	cond cond
	// What every matching row has in common, for choosing where to look.
	minCreated, maxCreated int64
	ids                    []string
	byID, byCreated        bool
	near                   *nearest // the order that $nearsphere brings along

	unique map[string]*uniqueIndex // by column, for those that find a row by one value
}

// cond is one condition on a row.
type cond func(r *row) bool

// test is one condition on a value; present is false for a column that the row
// does not have.
type test func(v any, present bool) bool

func (f *filter) match(r *row) bool { return f.cond == nil || f.cond(r) }

// everything tells whether the filter leaves no row out.
func (f *filter) everything() bool { return f.cond == nil }

// compileFilter reads the text of a where.
func (t *table) compileFilter(where string) (*filter, *failure) {
	v, err := decodeJSON([]byte(where))
	if err != nil {
		return nil, badRequest("where is not valid JSON: %v", err)
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, badRequest("where must be an object")
	}
	f := &filter{minCreated: math.MinInt64, maxCreated: math.MaxInt64, unique: t.uniqueColumns()}
	if len(o) == 0 {
		return f, nil
	}
	c, bad := t.compileObject(o, f)
	if bad != nil {
		return nil, bad
	}
	f.cond = c
	return f, nil
}

// compileObject compiles an object all of whose members must hold. common is
// nil where the conditions do not apply to every match.
func (t *table) compileObject(o map[string]any, common *filter) (cond, *failure) {
	var conds []cond
	for _, key := range slices.Sorted(maps.Keys(o)) {
		c, err := t.compileMember(key, o[key], common)
		if err != nil {
			return nil, err
		}
		conds = append(conds, c)
	}
	return allOf(conds), nil
}

func (t *table) compileMember(key string, v any, common *filter) (cond, *failure) {
	switch {
	case key == "$and":
		conds, err := t.compileGroup(key, v, common)
		return allOf(conds), err
	case key == "$or":
		conds, err := t.compileGroup(key, v, nil)
		return anyOf(conds), err
	case strings.HasPrefix(key, "$"):
		return nil, badRequest("unsupported operator: %s", key)
	}
	field := t.columns[key]
	if field == nil {
		return nil, badRequest("unknown field in where: %s", key) // inferred: also for dotted paths
	}
	return compileColumn(field, v, common)
}

func (t *table) compileGroup(key string, v any, common *filter) ([]cond, *failure) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, badRequest("%s needs an array of conditions", key)
	}
	conds := make([]cond, len(list))
	for i, e := range list {
		o, ok := e.(map[string]any)
		if !ok {
			return nil, badRequest("%s needs an array of conditions", key)
		}
		c, err := t.compileObject(o, common)
		if err != nil {
			return nil, err
		}
		conds[i] = c
	}
	return conds, nil
}

func allOf(conds []cond) cond {
	if len(conds) == 1 {
		return conds[0]
	}
	return func(r *row) bool {
		for _, c := range conds {
			if !c(r) {
				return false
			}
		}
		return true
	}
}

func anyOf(conds []cond) cond {
	return func(r *row) bool {
		for _, c := range conds {
			if c(r) {
				return true
			}
		}
		return false
	}
}

// compileColumn compiles {"column": {"$op": …}} or the shorthand {"column": value}.
func compileColumn(field *Field, v any, common *filter) (cond, *failure) {
	ops, ok := operators(v)
	if !ok {
		return nil, badRequest("operators and values are mixed for %s", field.Name)
	}
	if ops == nil {
		ops = map[string]any{"$eq": v}
	}
	var tests []test
	for _, op := range slices.Sorted(maps.Keys(ops)) {
		if op == "$options" {
			continue // read by $regex
		}
		t, err := compileOperator(field, op, ops[op], ops)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
		if common != nil {
			common.learn(field.Name, op, ops[op])
		}
	}
	if len(tests) == 0 {
		return nil, badRequest("$options needs $regex")
	}
	name := field.Name
	return func(r *row) bool {
		v, present := r.get(name)
		for _, t := range tests {
			if !t(v, present) {
				return false
			}
		}
		return true
	}, nil
}

// operators returns the members of an object of operators, nil for any other
// value, and ok false for an object that is half one and half the other.
func operators(v any) (ops map[string]any, ok bool) {
	o, isObject := v.(map[string]any)
	if !isObject {
		return nil, true
	}
	n := 0
	for k := range o {
		if strings.HasPrefix(k, "$") {
			n++
		}
	}
	switch n {
	case 0:
		return nil, true
	case len(o):
		return o, true
	}
	return nil, false
}

// learn remembers what a condition says about every match, so that rows are
// found by id, by a unique column or by time of creation, which the service
// surely indexes. inferred: no other column is indexed.
func (f *filter) learn(column, op string, v any) {
	if op == "$nearsphere" {
		f.near = nearestOf(column, v)
	}
	if ix := f.unique[column]; ix != nil {
		f.learnUnique(ix, op, v)
	}
	switch column {
	case "id", "_id":
		f.learnID(op, v)
	case "created_at":
		f.learnCreated(op, v)
	}
}

func (f *filter) learnID(op string, v any) {
	switch op {
	case "$eq":
		f.ids, f.byID = []string{idText(v)}, true
	case "$in":
		list, _ := v.([]any)
		f.ids, f.byID = nil, true
		for _, e := range list {
			f.ids = append(f.ids, idText(e))
		}
	}
}

func (f *filter) learnUnique(ix *uniqueIndex, op string, v any) {
	values := []any{v}
	switch op {
	case "$eq":
	case "$in":
		values, _ = v.([]any)
	default:
		return
	}
	if slices.Contains(values, nil) { // which is also that of rows outside of the index
		return
	}
	f.ids, f.byID = nil, true
	for _, v := range values {
		if id, ok := ix.owner(map[string]any{ix.fields[0]: v}); ok {
			f.ids = append(f.ids, id)
		}
	}
}

func (f *filter) learnCreated(op string, v any) {
	low, high := v, v
	if list, ok := v.([]any); ok && op == "$range" && len(list) == 2 {
		low, high = list[0], list[1]
	}
	if op == "$eq" || op == "$gt" || op == "$gte" || op == "$range" {
		if i, ok := wholeNumber(low); ok {
			f.minCreated, f.byCreated = max(f.minCreated, i), true
		}
	}
	if op == "$eq" || op == "$lt" || op == "$lte" || op == "$range" {
		if i, ok := wholeNumber(high); ok {
			f.maxCreated, f.byCreated = min(f.maxCreated, i), true
		}
	}
}

func wholeNumber(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	p := parseNumber(n)
	return p.i, p.whole
}

// idText is an id as text: ids of users are numbers on the wire.
func idText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return string(x)
	}
	return ""
}

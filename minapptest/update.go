package minapptest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// errTypeConflict is the documented text for a write none of whose columns fits.
const errTypeConflict = "Failed to save record, type conflict on fields"

// patch is a validated update, ready for any number of rows.
type patch struct {
	changes []change
	special bool // has an operator, $unset, permissions or a pointer: answered with 200
}

// change is what happens to one column. apply gets the old value, nil for null
// or missing, and returns the new one.
type change struct {
	column string
	unset  bool
	apply  func(old any) (any, *failure)
}

// parsePatch reads the body of an update: plain values, operators and $unset
// side by side, or wrapped in $set. Columns that are unknown or have the wrong
// type are dropped silently, unless nothing else is left.
// inferred: that an unknown column is treated like one of a wrong type.
func (t *table) parsePatch(body []byte) (*patch, *failure) {
	o, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	p := &patch{}
	written := 0
	for _, key := range slices.Sorted(maps.Keys(o)) {
		n, err := p.parseMember(t, key, o[key])
		if err != nil {
			return nil, err
		}
		written += n
	}
	if written > 0 && len(p.changes) == 0 {
		return nil, badRequest(errTypeConflict)
	}
	return p, nil
}

// parseMember adds the changes of one member and counts the columns it writes.
func (p *patch) parseMember(t *table, key string, v any) (written int, bad *failure) {
	switch {
	case key == "$unset":
		return 0, p.parseUnset(t, v)
	case key == "$set":
		o, ok := v.(map[string]any)
		if !ok {
			return 0, badRequest("$set needs an object")
		}
		for _, k := range slices.Sorted(maps.Keys(o)) {
			if strings.HasPrefix(k, "$") {
				return 0, badRequest("unsupported operator: %s", k)
			}
			if err := p.parseColumn(t, k, o[k]); err != nil {
				return 0, err
			}
		}
		return len(o), nil
	case strings.HasPrefix(key, "$"):
		return 0, badRequest("unsupported operator: %s", key)
	}
	return 1, p.parseColumn(t, key, v)
}

func (p *patch) parseUnset(t *table, v any) *failure {
	o, ok := v.(map[string]any)
	if !ok {
		return badRequest("$unset needs an object")
	}
	p.special = true
	for _, column := range slices.Sorted(maps.Keys(o)) {
		f := t.field(column)
		if f == nil {
			continue
		}
		if f.required() {
			return badRequest("field is required: %s", column) // inferred
		}
		p.changes = append(p.changes, change{column: column, unset: true})
	}
	return nil
}

func (p *patch) parseColumn(t *table, column string, v any) *failure {
	ops, ok := operators(v)
	if !ok || len(ops) > 1 {
		return badRequest("one operator per field: %s", column)
	}
	for op, arg := range ops {
		return p.parseOperator(t, column, op, arg)
	}
	stored, ok := t.acceptColumn(column, v)
	if !ok {
		return nil
	}
	f := t.columns[column]
	if stored == nil && f.required() {
		return badRequest("field is required: %s", column)
	}
	p.special = p.special || f.Type == "reference" || slices.Contains(permissions, column)
	p.set(column, func(any) (any, *failure) { return stored, nil })
	return nil
}

func (p *patch) set(column string, apply func(old any) (any, *failure)) {
	p.changes = append(p.changes, change{column: column, apply: apply})
}

// acceptColumn returns the value as the row stores it. Besides the columns of
// the schema a caller may write who created the row and when, and who may use
// it, but never its id.
func (t *table) acceptColumn(column string, v any) (any, bool) {
	if column == "id" || column == "_id" {
		return nil, false
	}
	f := t.columns[column]
	if f == nil {
		return nil, false
	}
	if v == nil && t.field(column) == nil {
		return nil, false // built-in columns are never null
	}
	return f.accept(v)
}

// parseOperator adds an atomic operator. $pop and $update are documented for
// other surfaces only.
func (p *patch) parseOperator(t *table, column, op string, arg any) *failure {
	p.special = true
	name, path, dotted := strings.Cut(column, ".")
	f := t.field(name)
	if f == nil {
		return nil // dropped like any unknown column
	}
	if dotted {
		return p.parsePath(f, op, path, arg)
	}
	apply, err := f.operator(op, arg)
	if err != nil || apply == nil {
		return err
	}
	p.set(name, apply)
	return nil
}

// parsePath handles {"obj.n": {"$incr_by": 1}}, the one operator that reaches
// into an object column.
func (p *patch) parsePath(f *Field, op, path string, arg any) *failure {
	if f.Type != "object" || op != "$incr_by" || !keyRule.MatchString(path) {
		return badRequest("unsupported operator %s on %s.%s", op, f.Name, path)
	}
	incr, err := incrementer(arg)
	if err != nil {
		return err
	}
	p.set(f.Name, func(old any) (any, *failure) {
		o, _ := old.(map[string]any)
		n, err := incr(o[path])
		if err != nil {
			return nil, err
		}
		return merged(o, map[string]any{path: n}), nil
	})
	return nil
}

// operator returns how to apply an operator to a column; nil without an error
// when an element has the wrong type, which drops the column.
func (f *Field) operator(op string, arg any) (func(old any) (any, *failure), *failure) {
	switch {
	case op == "$incr_by" && (f.Type == "number" || f.Type == "integer"):
		if n, ok := arg.(json.Number); ok && f.Type == "integer" {
			if _, whole := parseNumber(n).integer(); !whole {
				return nil, badRequest("$incr_by of %s needs an integer", f.Name)
			}
		}
		return incrementer(arg)
	case op == "$update" && f.Type == "object":
		return updater(arg)
	case op == "$pop" && f.Type == "array":
		return popper(arg)
	case f.Type == "array":
		return f.listOperator(op, arg)
	}
	return nil, badRequest("unsupported operator %s on field %s", op, f.Name)
}

func (f *Field) listOperator(op string, arg any) (func(old any) (any, *failure), *failure) {
	combine := map[string]func(list, items []any) []any{
		"$append":        func(list, items []any) []any { return append(list, items...) },
		"$append_unique": appendUnique,
		"$remove":        f.without,
	}[op]
	if combine == nil {
		return nil, badRequest("unsupported operator %s on field %s", op, f.Name)
	}
	if _, ok := arg.([]any); !ok {
		return nil, badRequest("%s needs an array", op)
	}
	accepted, ok := f.accept(arg)
	if !ok {
		return nil, nil
	}
	items := accepted.([]any)
	return func(old any) (any, *failure) {
		list, _ := old.([]any)
		return combine(slices.Clone(list), items), nil
	}, nil
}

func appendUnique(list, items []any) []any {
	for _, item := range items {
		if !containsValue(list, item) {
			list = append(list, item)
		}
	}
	return list
}

// without removes the items from a list; of objects only the first one counts.
func (f *Field) without(list, items []any) []any {
	if slices.Contains([]string{"geojson", "object", "file"}, f.Items.Type) && len(items) > 1 {
		items = items[:1]
	}
	list = slices.DeleteFunc(list, func(v any) bool { return containsValue(items, v) })
	if list == nil {
		return []any{}
	}
	return list
}

// incrementer adds a number. inferred: null and missing count as 0.
func incrementer(arg any) (func(old any) (any, *failure), *failure) {
	delta, ok := arg.(json.Number)
	if !ok {
		return nil, badRequest("$incr_by needs a number")
	}
	return func(old any) (any, *failure) {
		n := json.Number("0")
		if old != nil {
			var isNumber bool
			if n, isNumber = old.(json.Number); !isNumber {
				return nil, badRequest("$incr_by on a value that is no number")
			}
		}
		sum, err := addNumbers(n, delta)
		if err != nil {
			return nil, badRequest("$incr_by: %v", err)
		}
		return sum, nil
	}, nil
}

// popper removes the last item (1) or the first (-1).
func popper(arg any) (func(old any) (any, *failure), *failure) {
	end, ok := wholeNumber(arg)
	if !ok || end != 1 && end != -1 {
		return nil, badRequest("$pop needs 1 or -1")
	}
	return func(old any) (any, *failure) {
		list, _ := old.([]any)
		switch {
		case len(list) == 0:
			return old, nil
		case end == 1:
			return list[: len(list)-1 : len(list)-1], nil
		}
		return list[1:], nil
	}, nil
}

// updater merges an object into an object column, one level deep.
func updater(arg any) (func(old any) (any, *failure), *failure) {
	o, ok := arg.(map[string]any)
	if !ok || !validKeys(o) {
		return nil, badRequest("$update needs an object")
	}
	return func(old any) (any, *failure) {
		have, _ := old.(map[string]any)
		return merged(have, o), nil
	}, nil
}

func merged(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// apply computes the values of a row after the update.
func (p *patch) apply(r *row, now int64) (map[string]any, *failure) {
	values := maps.Clone(r.values)
	values["updated_at"] = intNumber(now)
	for _, c := range p.changes {
		if c.unset {
			delete(values, c.column)
			continue
		}
		v, err := c.apply(values[c.column])
		if err != nil {
			return nil, err
		}
		values[c.column] = v
	}
	return values, nil
}

func decodeObject(body []byte) (map[string]any, *failure) {
	v, err := decodeJSON(body)
	if err != nil {
		return nil, badRequest("body is not valid JSON: %v", err)
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, badRequest("body must be an object")
	}
	return o, nil
}

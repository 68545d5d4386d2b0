package minapptest

import (
	"encoding/json"
	"net/url"
	"strings"
)

// renderer writes rows as keys and expand ask for.
type renderer struct {
	store  *store
	table  *table
	keys   keySet            // of the row itself
	expand map[string]keySet // of each expanded column
}

// keySet is one of the two forms of keys; the zero value is every column.
type keySet struct {
	include, exclude map[string]bool
}

func (k keySet) has(column string) bool {
	if k.include != nil {
		return k.include[column]
	}
	return !k.exclude[column]
}

func (k *keySet) add(column string, without bool) {
	set := &k.include
	if without {
		set = &k.exclude
	}
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[column] = true
}

func (st *store) newRenderer(t *table, q url.Values) (*renderer, *failure) {
	re := &renderer{store: st, table: t, expand: map[string]keySet{}}
	for _, column := range listParam(q, "expand") {
		f := t.columns[column]
		if f == nil || f.Type != "reference" && column != "created_by" {
			return nil, badRequest("cannot expand: %s", column) // inferred
		}
		re.expand[column] = keySet{}
	}
	return re, re.parseKeys(listParam(q, "keys"))
}

func listParam(q url.Values, name string) []string {
	if q.Get(name) == "" {
		return nil
	}
	return strings.Split(q.Get(name), ",")
}

// parseKeys reads keys. A list that mixes "a" and "-a" has no effect at all.
// Dotted names concern expanded columns and are ignored for others; names
// that the expanded row does not have are ignored, because the documentation's
// own sample misspells one.
func (re *renderer) parseKeys(keys []string) *failure {
	minus := 0
	for _, k := range keys {
		if strings.HasPrefix(k, "-") {
			minus++
		}
	}
	mixed := minus > 0 && minus < len(keys)
	for _, k := range keys {
		name, without := strings.CutPrefix(k, "-")
		column, sub, dotted := strings.Cut(name, ".")
		if re.table.columns[column] == nil {
			return badRequest("unknown field in keys: %s", column)
		}
		if mixed {
			continue
		}
		if !dotted {
			re.keys.add(column, without)
		} else if set, expanded := re.expand[column]; expanded {
			set.add(sub, without)
			re.expand[column] = set
		}
	}
	return nil
}

// append writes one row: the ids always, then the columns in their order.
func (re *renderer) append(dst []byte, r *row) []byte {
	id := re.table.idValue(r.id)
	dst = appendJSON(append(dst, `{"_id":`...), id)
	dst = appendJSON(append(dst, `,"id":`...), id)
	for column := range re.table.rowColumns() {
		v, present := r.values[column]
		if !present || !re.keys.has(column) {
			continue
		}
		dst = append(appendString(append(dst, ','), column), ':')
		dst = re.appendColumn(dst, column, v)
	}
	return append(dst, '}')
}

func (re *renderer) appendColumn(dst []byte, column string, v any) []byte {
	set, expanded := re.expand[column]
	switch {
	case v == nil:
	case column == "created_by" && expanded:
		return re.appendUser(dst, v, set)
	case re.table.columns[column].Type == "reference":
		return re.appendPointer(dst, column, v.(string), expanded, set)
	}
	return appendJSON(dst, v)
}

// appendPointer writes {"id","_table"}, or the row with _table added.
// inferred: a pointer to a missing row is not expanded.
func (re *renderer) appendPointer(dst []byte, column, id string, expanded bool, set keySet) []byte {
	target, _ := re.table.columns[column].target()
	t := re.store.tables[target]
	if t == nil {
		return appendJSON(dst, object{{"id", id}})
	}
	r := t.rows[id]
	if !expanded || r == nil {
		return appendJSON(dst, object{{"id", t.idValue(id)}, {"_table", t.Name}})
	}
	return appendJSON(dst, append(object{{"_table", t.Name}}, t.trimmed(re.store, r, set)...))
}

// userTable is the built-in table of users; ids in it are numbers.
const userTable = "_userprofile"

// appendUser writes the user who created a row, without _table. inferred: a
// user that no _userprofile row describes has an empty nickname and avatar.
func (re *renderer) appendUser(dst []byte, id any, set keySet) []byte {
	number, _ := id.(json.Number)
	if t := re.store.byName(userTable); t != nil {
		if r := t.rows[string(number)]; r != nil {
			return appendJSON(dst, t.trimmed(re.store, r, set))
		}
	}
	var user object
	for _, m := range (object{{"avatar", ""}, {"id", number}, {"nickname", ""}}) {
		if set.has(m.key) {
			user = append(user, m)
		}
	}
	return appendJSON(dst, user)
}

// trimmed is an expanded row; unlike the row itself it may lack its id.
func (t *table) trimmed(st *store, r *row, set keySet) object {
	re := &renderer{store: st, table: t}
	var o object
	for _, key := range []string{"_id", "id"} {
		if set.has(key) {
			o = append(o, member{key, t.idValue(r.id)})
		}
	}
	for column := range t.rowColumns() {
		if v, present := r.values[column]; present && set.has(column) {
			o = append(o, member{column, rawJSON(re.appendColumn(nil, column, v))})
		}
	}
	return o
}

// idValue is an id as it is on the wire.
func (t *table) idValue(id string) any {
	if n := json.Number(id); t.Name == userTable && parseNumber(n).whole {
		return n
	}
	return id
}

// rowColumns yields the names of a row's columns in the order of the wire.
func (t *table) rowColumns() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, name := range reserved[2:] {
			if !yield(name) {
				return
			}
		}
		for i := range t.Schema.Fields {
			if !yield(t.Schema.Fields[i].Name) {
				return
			}
		}
	}
}

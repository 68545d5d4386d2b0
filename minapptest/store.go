package minapptest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// store holds the tables. Who reads holds the read lock until the answer is
// encoded; who writes holds the write lock.
type store struct {
	sync.RWMutex

	tables  map[int64]*table
	files   map[string]map[string]any
	jobs    []*bulkJob
	exports []*exportJob
	lastID  int64  // of tables
	idTime  int64  // newest time in a row id: ids never go back
	idCount uint64 // rows created

	pendingJobs atomic.Int64
	lastExport  time.Time
}

func newStore() *store {
	return &store{tables: map[int64]*table{}, files: map[string]map[string]any{}}
}

// newRowID returns 24 hex digits that grow with every call, like the store's
// own: first the seconds, then a counter.
func (st *store) newRowID(now time.Time) string {
	st.idTime = max(st.idTime, now.Unix())
	st.idCount++
	return fmt.Sprintf("%08x%016x", uint32(st.idTime), st.idCount)
}

func (st *store) byName(name string) *table {
	for _, t := range st.tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (st *store) exists(id int64) bool { return st.tables[id] != nil }

// pointedAt tells whether another table has a pointer to this one.
func (st *store) pointedAt(id int64) bool {
	for _, t := range st.tables {
		for i := range t.Schema.Fields {
			target, ok := t.Schema.Fields[i].target()
			if ok && target == id && t.ID != id {
				return true
			}
		}
	}
	return false
}

// table is a table with its rows.
type table struct {
	Table
	createdAt, updatedAt int64

	columns map[string]*Field // of the schema, built-in ones included
	rows    map[string]*row
	indexes []*uniqueIndex
	nextSeq int64
	version int64 // grows with every change, for the cache of orders

	cache    sync.Mutex // guards what follows when only the read lock is held
	byTime   []*row     // by creation: created_at, then insertion
	unsorted bool       // byTime has to be cleaned and sorted
	orders   map[string]sorted
}

// sorted is a whole table in another order, valid for one version of it.
type sorted struct {
	version int64
	rows    []*row
}

// row is one record. Its values are replaced, never changed in place.
type row struct {
	id        string
	seq       int64
	createdAt int64 // the column created_at, decoded
	deleted   bool
	values    map[string]any // every column but id
}

func newTable(def Table, now time.Time) *table {
	t := &table{
		Table: def, createdAt: now.Unix(), updatedAt: now.Unix(),
		rows: map[string]*row{}, orders: map[string]sorted{},
	}
	t.Rows, t.Indexes = nil, nil
	t.setFields(def.Schema.Fields)
	return t
}

func (t *table) setFields(fields []Field) {
	t.Schema.Fields = fields
	t.columns = map[string]*Field{"_id": {Name: "_id", Type: "id"}}
	for i := range builtin {
		t.columns[builtin[i].Name] = &builtin[i]
	}
	for _, name := range permissions {
		t.columns[name] = &Field{Name: name, Type: "array", Items: &Items{Type: "string"}}
	}
	for i := range fields {
		t.columns[fields[i].Name] = &fields[i]
	}
}

// field returns a column of the schema proper, or nil.
func (t *table) field(name string) *Field {
	if slices.Contains(reserved, name) {
		return nil
	}
	return t.columns[name]
}

// get returns a column of a row; present is false when it was never written.
func (r *row) get(column string) (v any, present bool) {
	if column == "id" || column == "_id" {
		return r.id, true
	}
	v, present = r.values[column]
	return v, present
}

// insert adds a row, or returns the unique index that it violates.
func (t *table) insert(id string, values map[string]any) (*row, *uniqueIndex) {
	if ix := t.conflict(values, ""); ix != nil {
		return nil, ix
	}
	t.nextSeq++
	r := &row{id: id, seq: t.nextSeq, values: values, createdAt: createdAt(values)}
	t.rows[id] = r
	for _, ix := range t.indexes {
		ix.add(r.values, id)
	}
	if n := len(t.byTime); n > 0 && compareCreation(t.byTime[n-1], r) > 0 {
		t.unsorted = true
	}
	t.byTime = append(t.byTime, r)
	t.version++
	return r, nil
}

// replace gives a row new values, or returns the unique index they violate.
func (t *table) replace(r *row, values map[string]any) *uniqueIndex {
	if ix := t.conflict(values, r.id); ix != nil {
		return ix
	}
	for _, ix := range t.indexes {
		ix.remove(r.values)
		ix.add(values, r.id)
	}
	r.values = values
	if at := createdAt(values); at != r.createdAt {
		r.createdAt, t.unsorted = at, true
	}
	t.version++
	return nil
}

func (t *table) remove(r *row) {
	for _, ix := range t.indexes {
		ix.remove(r.values)
	}
	delete(t.rows, r.id)
	r.deleted, t.unsorted = true, true
	t.version++
}

func (t *table) conflict(values map[string]any, self string) *uniqueIndex {
	for _, ix := range t.indexes {
		if id, taken := ix.owner(values); taken && id != self {
			return ix
		}
	}
	return nil
}

func createdAt(values map[string]any) int64 {
	n, _ := values["created_at"].(json.Number)
	return parseNumber(n).i
}

// compareCreation is the order of creation; rows of one second stay in the
// order in which they were inserted. inferred: the tie-break.
func compareCreation(a, b *row) int {
	return cmp.Or(cmp.Compare(a.createdAt, b.createdAt), cmp.Compare(a.seq, b.seq))
}

// byCreation returns the rows in the order of creation.
func (t *table) byCreation() []*row {
	t.cache.Lock()
	defer t.cache.Unlock()
	if t.unsorted {
		live := make([]*row, 0, len(t.rows))
		for _, r := range t.byTime {
			if !r.deleted {
				live = append(live, r)
			}
		}
		if !slices.IsSortedFunc(live, compareCreation) {
			slices.SortFunc(live, compareCreation)
		}
		t.byTime, t.unsorted = live, false
	}
	return t.byTime
}

// maxOrders is how many other orders of a table are kept sorted.
const maxOrders = 8

// sortedBy returns the rows in any order; it sorts once per change of the table.
func (t *table) sortedBy(o ordering) []*row {
	base := t.byCreation()
	t.cache.Lock()
	defer t.cache.Unlock()
	if s, ok := t.orders[o.text]; ok && s.version == t.version {
		return s.rows
	}
	rows := slices.Clone(base)
	slices.SortStableFunc(rows, o.compare)
	if len(t.orders) >= maxOrders {
		clear(t.orders)
	}
	t.orders[o.text] = sorted{version: t.version, rows: rows}
	return rows
}

// uniqueIndex maps the values of its columns to the one row that has them.
type uniqueIndex struct {
	name   string
	fields []string
	owners map[string]string
}

// uniqueColumns are the indexes of one column each that find a row by a value
// of this column: an array also matches by its elements.
func (t *table) uniqueColumns() map[string]*uniqueIndex {
	columns := make(map[string]*uniqueIndex)
	for _, ix := range t.indexes {
		if len(ix.fields) != 1 {
			continue
		}
		switch f := t.field(ix.fields[0]); {
		case f == nil:
		case f.Type == "string", f.Type == "integer", f.Type == "number":
			columns[f.Name] = ix
		}
	}
	return columns
}

// newUniqueIndex names an index as the service does: name_1_description_1.
func newUniqueIndex(fields []string) *uniqueIndex {
	return &uniqueIndex{name: strings.Join(fields, "_1_") + "_1", fields: fields, owners: map[string]string{}}
}

// key is empty for a row that has none of the columns. inferred: such rows are
// not compared with each other.
func (ix *uniqueIndex) key(values map[string]any) string {
	var b strings.Builder
	any := false
	for _, f := range ix.fields {
		v := values[f]
		any = any || v != nil
		writeKey(&b, v)
	}
	if !any {
		return ""
	}
	return b.String()
}

func (ix *uniqueIndex) owner(values map[string]any) (string, bool) {
	key := ix.key(values)
	id, taken := ix.owners[key]
	return id, taken && key != ""
}

func (ix *uniqueIndex) add(values map[string]any, id string) {
	if key := ix.key(values); key != "" {
		ix.owners[key] = id
	}
}

func (ix *uniqueIndex) remove(values map[string]any) { delete(ix.owners, ix.key(values)) }

func (ix *uniqueIndex) object() object {
	return object{{"fields", ix.fields}, {"index", ix.name}}
}

// writeKey writes equal text for equal values.
func writeKey(b *strings.Builder, v any) {
	switch x := v.(type) {
	case json.Number:
		b.WriteString(parseNumber(x).key())
	case []any:
		b.WriteByte('[')
		for _, e := range x {
			writeKey(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for _, k := range slices.Sorted(maps.Keys(x)) {
			fmt.Fprintf(b, "%q:", k)
			writeKey(b, x[k])
		}
		b.WriteByte('}')
	default:
		b.Write(appendJSON(nil, v))
	}
	b.WriteByte(',')
}

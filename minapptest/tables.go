package minapptest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

func (s *Server) listTables(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	objects := []object{}
	for _, t := range s.store.named(c.query) {
		objects = append(objects, t.object())
	}
	return listAnswer(s, c, "/oserve/v1/table/", objects, true)
}

// listAnswer answers with the page of a whole list that the call asks for, and
// with the number of its elements if counted. path is that of the links.
func listAnswer[E any](s *Server, c *call, path string, list []E, counted bool) (answer, *failure) {
	limit, err := intParam(c.query, "limit", 1, 20)
	if err != nil {
		return answer{}, err
	}
	offset, err := intParam(c.query, "offset", 0, 0)
	if err != nil {
		return answer{}, err
	}
	limit = min(limit, s.limits.Load().PageMax)
	total := len(list)
	start := min(offset, total)
	end := start + min(limit, total-start)
	var count *int
	if counted {
		count = &total
	}
	meta := pageMeta(path, c.query, limit, offset, end < total, count)
	objects := rawJSON(appendList(nil, list[start:end]))
	return jsonAnswer(http.StatusOK, object{{"meta", meta}, {"objects", objects}}), nil
}

// named returns the tables with the name asked for, by id. inferred: the order.
func (st *store) named(q url.Values) []*table {
	var out []*table
	for _, id := range slices.Sorted(maps.Keys(st.tables)) {
		if t := st.tables[id]; !q.Has("name") || t.Name == q.Get("name") {
			out = append(out, t)
		}
	}
	return out
}

func (s *Server) getTable(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(http.StatusOK, t.object()), nil
}

func (s *Server) createTable(c *call) (answer, *failure) {
	var def Table
	given, bad := decodeTable(c.body, &def)
	if bad != nil {
		return answer{}, bad
	}
	for _, key := range []string{"name", "schema", "row_read_perm", "row_write_perm", "write_perm"} {
		if !given[key] {
			return answer{}, badRequest("%s is required", key)
		}
	}
	def.ID, def.Rows, def.Indexes = 0, nil, nil // inferred: unknown keys, "indexes" among them, are ignored
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.store.addTable(def, s.now())
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(http.StatusCreated, t.object()), nil
}

// updateTable replaces what the body mentions. inferred: a schema replaces the
// whole list of columns, and the values of the columns that are gone.
func (s *Server) updateTable(c *call) (answer, *failure) {
	var def Table
	given, bad := decodeTable(c.body, &def)
	if bad != nil {
		return answer{}, bad
	}
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	if given["name"] {
		if err := s.store.checkRename(t, def.Name); err != nil {
			return answer{}, err
		}
	}
	if given["schema"] {
		if err := checkFields(def.Schema.Fields, s.store.exists); err != nil {
			return answer{}, err
		}
		t.setFields(def.Schema.Fields)
		t.forgetColumns()
	}
	t.assign(def, given)
	t.updatedAt = s.now().Unix()
	return jsonAnswer(http.StatusOK, t.object()), nil
}

func (st *store) checkRename(t *table, name string) *failure {
	switch other := st.byName(name); {
	case name == t.Name:
		return nil
	case other != nil:
		return badRequest("table name already exists: %s", name)
	case !nameRule.MatchString(name):
		return badRequest("invalid table name: %q", name)
	case st.pointedAt(t.ID):
		return badRequest("table is pointed at by another table")
	}
	return nil
}

func (t *table) assign(def Table, given map[string]bool) {
	if given["name"] {
		t.Name = def.Name
	}
	for key, perm := range map[string]struct{ to, from *[]string }{
		"row_read_perm":  {&t.RowReadPerm, &def.RowReadPerm},
		"row_write_perm": {&t.RowWritePerm, &def.RowWritePerm},
		"write_perm":     {&t.WritePerm, &def.WritePerm},
	} {
		if given[key] {
			*perm.to = *perm.from
		}
	}
}

// forgetColumns drops the values of columns that the schema no longer has.
func (t *table) forgetColumns() {
	for _, r := range t.rows {
		values := maps.Clone(r.values)
		maps.DeleteFunc(values, func(column string, _ any) bool { return t.columns[column] == nil })
		r.values = values
	}
	t.version++
}

func (s *Server) deleteTable(c *call) (answer, *failure) {
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	if s.store.pointedAt(t.ID) {
		return answer{}, badRequest("table is pointed at by another table")
	}
	delete(s.store.tables, t.ID)
	return answer{status: http.StatusNoContent}, nil
}

// decodeTable reads a table and tells which of its keys were given.
func decodeTable(body []byte, def *Table) (given map[string]bool, bad *failure) {
	o, bad := decodeObject(body)
	if bad != nil {
		return nil, bad
	}
	given = map[string]bool{}
	for key, v := range o {
		given[key] = v != nil
	}
	if schema, ok := o["schema"].(map[string]any); given["schema"] && (!ok || schema["fields"] == nil) {
		return nil, badRequest("schema.fields is required")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(def); err != nil {
		return nil, badRequest("invalid table: %v", err)
	}
	return given, nil
}

// addTable validates a definition and adds the table.
func (st *store) addTable(def Table, now time.Time) (*table, *failure) {
	if !nameRule.MatchString(def.Name) && def.Name != userTable {
		return nil, badRequest("invalid table name: %q", def.Name)
	}
	if st.byName(def.Name) != nil {
		return nil, badRequest("table name already exists: %s", def.Name)
	}
	if def.ID < 0 || st.exists(def.ID) {
		return nil, badRequest("table id is taken: %d", def.ID)
	}
	if def.ID == 0 {
		def.ID = st.lastID + 1
	}
	known := func(id int64) bool { return st.exists(id) || id == def.ID }
	if err := checkFields(def.Schema.Fields, known); err != nil {
		return nil, err
	}
	t := newTable(def, now)
	st.tables[t.ID] = t
	st.lastID = max(st.lastID, t.ID)
	return t, nil
}

// object is the table as answers show it.
func (t *table) object() object {
	fields := []object{}
	for _, list := range [][]Field{builtin, t.Schema.Fields} {
		for i := range list {
			fields = append(fields, list[i].object())
		}
	}
	return object{
		{"id", t.ID},
		{"name", t.Name},
		{"protected_fields", t.protected()},
		{"schema", object{{"fields", fields}}},
		{"write_perm", orEmpty(t.WritePerm)},
		{"default_row_perm", object{{"_read_perm", orEmpty(t.RowReadPerm)}, {"_write_perm", orEmpty(t.RowWritePerm)}}},
		{"created_at", t.createdAt},
		{"updated_at", t.updatedAt},
	}
}

// protected is null except for built-in tables. inferred: what it lists there.
func (t *table) protected() any {
	if t.Name == userTable {
		return []string{"nickname", "avatar"}
	}
	return nil
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

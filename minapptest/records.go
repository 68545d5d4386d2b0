package minapptest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// serverUser is who created rows that do not say so: the enterprise's
// administrator. inferred: the number.
const serverUser = 36395395

func recordPath(t *table) string { return fmt.Sprintf("/oserve/v1/table/%d/record/", t.ID) }

func (s *Server) listRecords(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	sel, err := t.parseSelection(c.query, 20)
	if err != nil {
		return answer{}, err
	}
	sel.limit = min(sel.limit, s.limits.Load().PageMax) // inferred: clamped, not refused
	re, err := s.store.newRenderer(t, c.query)
	if err != nil {
		return answer{}, err
	}
	f := t.find(sel)
	s.journal.examine(f.examined)
	var total *int
	if sel.total {
		total = &f.total
	}
	body := appendJSON([]byte(`{"meta":`), pageMeta(recordPath(t), c.query, sel.limit, sel.offset, f.more, total))
	body = append(body, `,"objects":[`...)
	for i, r := range f.rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = re.append(body, r)
	}
	body = append(body, "]}"...)
	return jsonAnswer(http.StatusOK, rawJSON(body)), nil
}

func (s *Server) getRecord(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	t, r, err := s.row(c)
	if err != nil {
		return answer{}, err
	}
	return s.recordAnswer(c, t, r, http.StatusOK)
}

// recordAnswer is one row as answer, with keys and expand obeyed. inferred:
// that the open API knows them for one row and after writes too.
func (s *Server) recordAnswer(c *call, t *table, r *row, status int) (answer, *failure) {
	re, err := s.store.newRenderer(t, c.query)
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(status, rawJSON(re.append(nil, r))), nil
}

func (s *Server) createRecord(c *call) (answer, *failure) {
	o, bad := decodeObject(c.body)
	if bad != nil {
		return answer{}, bad
	}
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	values, err := t.newValues(o, s.now().Unix())
	if err != nil {
		return answer{}, err
	}
	if _, err := s.store.newRenderer(t, c.query); err != nil {
		return answer{}, err // before anything is written
	}
	r, violated := t.insert(s.store.newRowID(s.now()), values)
	if violated != nil {
		return answer{}, duplicate(violated)
	}
	return s.recordAnswer(c, t, r, http.StatusCreated)
}

// duplicate is the answer to a single write. inferred: the text.
func duplicate(ix *uniqueIndex) *failure {
	return badRequest("duplicate data, unique index: %s", strings.Join(ix.fields, ", "))
}

// newValues returns the columns of a new row. What the body gets wrong is left
// out silently, unless that leaves nothing of it. inferred: an empty body makes
// an empty row.
func (t *table) newValues(o map[string]any, now int64) (map[string]any, *failure) {
	values := t.rowDefaults(now)
	valid := 0
	for _, column := range slices.Sorted(maps.Keys(o)) {
		if strings.HasPrefix(column, "$") {
			return nil, badRequest("unsupported operator: %s", column)
		}
		if v, ok := t.acceptColumn(column, o[column]); ok {
			values[column] = v
			valid++
		}
	}
	if len(o) > 0 && valid == 0 {
		return nil, badRequest(errTypeConflict)
	}
	return values, t.complete(values)
}

func (t *table) rowDefaults(now int64) map[string]any {
	return map[string]any{
		"created_by": intNumber(serverUser), "created_at": intNumber(now), "updated_at": intNumber(now),
		"read_perm": anyList(t.RowReadPerm), "write_perm": anyList(t.RowWritePerm),
	}
}

// complete fills in defaults and then demands what is required.
func (t *table) complete(values map[string]any) *failure {
	for i := range t.Schema.Fields {
		f := &t.Schema.Fields[i]
		if _, given := values[f.Name]; !given && f.Default != nil {
			values[f.Name] = f.Default
		}
		if f.required() && values[f.Name] == nil {
			return badRequest("field is required: %s", f.Name)
		}
	}
	return nil
}

func anyList(list []string) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// updateRecord answers with the whole row: 201 after a plain update and 200
// after any other on oserve, 200 always on userve.
func (s *Server) updateRecord(c *call) (answer, *failure) {
	s.store.Lock()
	defer s.store.Unlock()
	t, r, err := s.row(c)
	if err != nil {
		return answer{}, err
	}
	p, err := t.parsePatch(c.body)
	if err != nil {
		return answer{}, err
	}
	if _, err := s.store.newRenderer(t, c.query); err != nil {
		return answer{}, err // before anything is written
	}
	values, err := p.apply(r, s.now().Unix())
	if err != nil {
		return answer{}, err
	}
	if violated := t.replace(r, values); violated != nil {
		return answer{}, duplicate(violated)
	}
	status := http.StatusCreated
	if p.special || c.surface == userve {
		status = http.StatusOK
	}
	return s.recordAnswer(c, t, r, status)
}

// deleteRecord ignores the row's permissions, as documented.
func (s *Server) deleteRecord(c *call) (answer, *failure) {
	s.store.Lock()
	defer s.store.Unlock()
	t, r, err := s.row(c)
	if err != nil {
		return answer{}, err
	}
	t.remove(r)
	return answer{status: http.StatusNoContent}, nil
}

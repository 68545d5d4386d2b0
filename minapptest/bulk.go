package minapptest

import (
	"net/http"
)

// The error of an item that violates a unique index, as documented.
const (
	duplicateCode = 11000
	duplicateText = "数据写入失败,具体错误信息可联系知晓云微信客服:minsupport3 获取。"
)

// itemError is an item's error. inferred: the code of an operator that does not
// fit the stored value; it is the document store's own.
func itemError(code int) object {
	return object{{"error", object{{"err_msg", duplicateText}, {"code", code}}}}
}

const typeConflictCode = 16837

// bulkCreate writes many rows and says of each what became of it. inferred: an
// item without a required column, or without any valid one, refuses the call.
func (s *Server) bulkCreate(c *call) (answer, *failure) {
	items, bad := decodeItems(c.body)
	if bad != nil {
		return answer{}, bad
	}
	if limit := s.limits.Load().BulkMax; len(items) > limit {
		return answer{}, badRequest("at most %d records can be created at once", limit)
	}
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	now := s.now()
	rows := make([]map[string]any, len(items))
	for i, o := range items {
		if rows[i], err = t.newValues(o, now.Unix()); err != nil {
			return answer{}, err
		}
	}
	results, succeed := make([]object, len(rows)), 0
	for i, values := range rows {
		r, violated := t.insert(s.store.newRowID(now), values)
		if violated != nil {
			results[i] = itemError(duplicateCode)
			continue
		}
		results[i] = object{{"success", object{{"id", r.id}, {"created_at", values["created_at"]}}}}
		succeed++
	}
	return jsonAnswer(http.StatusCreated, object{
		{"operation_result", results}, {"total_count", len(rows)}, {"succeed", succeed},
	}), nil
}

func decodeItems(body []byte) ([]map[string]any, *failure) {
	v, err := decodeJSON(body)
	if err != nil {
		return nil, badRequest("body is not valid JSON: %v", err)
	}
	list, _ := v.([]any)
	if len(list) == 0 {
		return nil, badRequest("no records") // inferred
	}
	items := make([]map[string]any, len(list))
	for i, e := range list {
		o, ok := e.(map[string]any)
		if !ok {
			return nil, badRequest("item %d is not an object", i)
		}
		items[i] = o
	}
	return items, nil
}

func (s *Server) bulkUpdate(c *call) (answer, *failure) {
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	p, err := t.parsePatch(c.body)
	if err != nil {
		return answer{}, err
	}
	run, err := s.parseBulk(c, t, "update")
	if err != nil {
		return answer{}, err
	}
	run.change = func(r *row, now int64) object { return updateItem(t, r, p, now) }
	if run.async {
		return s.start(run), nil
	}
	now := s.now().Unix()
	results, succeed := make([]object, len(run.rows)), 0
	for i, r := range run.rows {
		results[i] = run.change(r, now)
		if succeeded(results[i]) {
			succeed++
		}
	}
	return run.answer(succeed, member{"operation_result", results}), nil
}

func updateItem(t *table, r *row, p *patch, now int64) object {
	values, err := p.apply(r, now)
	if err != nil {
		return itemError(typeConflictCode)
	}
	if t.replace(r, values) != nil {
		return itemError(duplicateCode)
	}
	return object{{"success", object{{"updated_at", values["updated_at"]}, {"id", t.idValue(r.id)}}}}
}

func (s *Server) bulkDelete(c *call) (answer, *failure) {
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	run, err := s.parseBulk(c, t, "delete")
	if err != nil {
		return answer{}, err
	}
	run.change = func(r *row, _ int64) object {
		t.remove(r)
		return object{{"success", nil}}
	}
	if run.async {
		return s.start(run), nil
	}
	for _, r := range run.rows {
		run.change(r, 0)
	}
	return run.answer(len(run.rows)), nil
}

func succeeded(item object) bool { return item[0].key == "success" }

// bulkRun is an update or delete by filter: the rows it concerns, what happens
// to each, and how to answer.
type bulkRun struct {
	found
	table         *table
	call          *call
	operation     string
	limit, offset int
	wantTotal     bool
	async         bool
	change        func(r *row, now int64) object
}

// parseBulk finds the rows. When more rows match than one call may touch, and
// no limit within that was given, all of them are changed, asynchronously.
// inferred: that a limit beyond it is dropped like a missing one; that is
// documented for another surface.
func (s *Server) parseBulk(c *call, t *table, operation string) (*bulkRun, *failure) {
	most := s.limits.Load().BulkMax
	sel, err := t.parseSelection(c.query, most)
	if err != nil {
		return nil, err
	}
	run := &bulkRun{table: t, call: c, operation: operation, offset: sel.offset, wantTotal: sel.total}
	bounded := sel.limited && sel.limit <= most
	sel.limit = min(sel.limit, most)
	sel.total = true
	run.found, run.limit = t.find(sel), sel.limit
	if !bounded && run.total > most {
		run.async = true
		sel.limit, sel.offset = run.total, 0
		run.found = t.find(sel)
	}
	s.journal.examine(run.examined)
	return run, nil
}

func (run *bulkRun) answer(succeed int, more ...member) answer {
	var next any
	if run.more {
		next = nextLink(recordPath(run.table), run.call.query, run.limit, run.offset+run.limit)
	}
	o := object{{"succeed", succeed}, {"limit", run.limit}, {"offset", run.offset}, {"next", next}}
	if run.wantTotal {
		o = append(o, member{"total_count", run.total})
	}
	return jsonAnswer(http.StatusOK, append(o, more...))
}

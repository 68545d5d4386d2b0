package minapptest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
)

func (s *Server) listIndexes(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	objects := []object{}
	for _, ix := range t.indexes {
		objects = append(objects, ix.object())
	}
	total := len(objects)
	meta := pageMeta("", nil, 20, 0, false, &total)
	return jsonAnswer(http.StatusOK, object{{"meta", meta}, {"objects", objects}}), nil
}

// createIndex answers with an array, like the documented sample.
func (s *Server) createIndex(c *call) (answer, *failure) {
	var body struct {
		Fields []string `json:"fields"`
	}
	if err := json.NewDecoder(bytes.NewReader(c.body)).Decode(&body); err != nil {
		return answer{}, badRequest("invalid index: %v", err)
	}
	s.store.Lock()
	defer s.store.Unlock()
	t, bad := s.table(c)
	if bad != nil {
		return answer{}, bad
	}
	ix, bad := t.addIndex(body.Fields)
	if bad != nil {
		return answer{}, bad
	}
	return jsonAnswer(http.StatusCreated, []object{ix.object()}), nil
}

// addIndex adds a unique index unless rows violate it already.
// inferred: every reason for which it is refused.
func (t *table) addIndex(fields []string) (*uniqueIndex, *failure) {
	if len(fields) == 0 {
		return nil, badRequest("an index needs fields")
	}
	for _, f := range fields {
		if t.field(f) == nil {
			return nil, badRequest("unknown field in index: %s", f)
		}
	}
	ix := newUniqueIndex(fields)
	if t.indexAt(ix.name) >= 0 {
		return nil, badRequest("index already exists: %s", ix.name)
	}
	for _, r := range t.byCreation() {
		if _, taken := ix.owner(r.values); taken {
			return nil, duplicate(ix)
		}
		ix.add(r.values, r.id)
	}
	t.indexes = append(t.indexes, ix)
	return ix, nil
}

func (t *table) indexAt(name string) int {
	return slices.IndexFunc(t.indexes, func(ix *uniqueIndex) bool { return ix.name == name })
}

func (s *Server) deleteIndex(c *call) (answer, *failure) {
	s.store.Lock()
	defer s.store.Unlock()
	t, err := s.table(c)
	if err != nil {
		return answer{}, err
	}
	i := t.indexAt(c.args["index"])
	if i < 0 {
		return answer{}, fail(http.StatusNotFound, "index not found")
	}
	t.indexes = slices.Delete(t.indexes, i, i+1)
	return answer{status: http.StatusNoContent}, nil
}

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
	// inferred: limit and offset; the page shows a meta and no parameters.
	return listAnswer(s, c, "/oserve/v2.6/schema/"+c.args["table"]+"/index/", t.indexObjects(), true)
}

func (t *table) indexObjects() []object {
	objects := []object{}
	for _, ix := range t.indexes {
		objects = append(objects, ix.object())
	}
	return objects
}

// createIndex answers with an array, like the documented sample. inferred: that
// it lists every index of the table, because the sample asks for one of two.
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
	if bad := t.addIndex(body.Fields); bad != nil {
		return answer{}, bad
	}
	return jsonAnswer(http.StatusCreated, t.indexObjects()), nil
}

// addIndex adds a unique index unless rows violate it already.
// inferred: every reason for which it is refused.
func (t *table) addIndex(fields []string) *failure {
	if len(fields) == 0 {
		return badRequest("an index needs fields")
	}
	for _, f := range fields {
		if t.field(f) == nil {
			return badRequest("unknown field in index: %s", f)
		}
	}
	ix := newUniqueIndex(fields)
	if t.indexAt(ix.name) >= 0 {
		return badRequest("index already exists: %s", ix.name)
	}
	for _, r := range t.byCreation() {
		if _, taken := ix.owner(r.values); taken {
			return duplicate(ix)
		}
		ix.add(r.values, r.id)
	}
	t.indexes = append(t.indexes, ix)
	return nil
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

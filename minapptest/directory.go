package minapptest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serverTime answers with the server's clock. inferred: that the zone is
// always the one of the sample.
func (s *Server) serverTime(*call) (answer, *failure) {
	zone := time.FixedZone("", 8*60*60)
	return jsonAnswer(http.StatusOK, object{{"time", s.now().In(zone).Format("2006-01-02T15:04:05.000000-07:00")}}), nil
}

// users is the built-in table of users, an empty one if there is none.
func (s *Server) users() *table {
	if t := s.store.byName(userTable); t != nil {
		return t
	}
	return newTable(Table{Name: userTable}, s.now())
}

// unsortable are the columns of users that cannot be ordered by.
var unsortable = []string{"gender", "country", "province", "city", "language"}

// listUsers finds users as records are found. inferred: keys and expand are
// ignored, because no document has them here.
func (s *Server) listUsers(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	t := s.users()
	sel, err := t.parseSelection(c.query, 20)
	if err != nil {
		return answer{}, err
	}
	for _, key := range sel.order.keys {
		if slices.Contains(unsortable, key.column) {
			return answer{}, badRequest("cannot order by %s", key.column)
		}
	}
	sel.limit = min(sel.limit, s.limits.Load().PageMax)
	f := t.find(sel)
	s.journal.examine(f.examined)
	objects := []object{}
	for _, r := range f.rows {
		objects = append(objects, s.store.user(c, t, r))
	}
	var total *int
	if sel.total {
		total = &f.total
	}
	meta := pageMeta("/dserve/v2.1/miniapp/user_profile/", c.query, sel.limit, sel.offset, f.more, total)
	return jsonAnswer(http.StatusOK, object{{"meta", meta}, {"objects", objects}}), nil
}

func (s *Server) getUser(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	t := s.users()
	s.journal.examine(1)
	r := t.rows[c.args["user"]]
	if r == nil {
		return answer{}, fail(http.StatusNotFound, "user not found")
	}
	return jsonAnswer(http.StatusOK, s.store.user(c, t, r)), nil
}

// user is a user as the samples show one: without permissions, with one id,
// which userve calls user_id.
func (st *store) user(c *call, t *table, r *row) object {
	user := t.trimmed(st, r, keySet{exclude: map[string]bool{"_id": true, "read_perm": true, "write_perm": true}})
	if c.surface == userve {
		user[0].key = "user_id"
	}
	return user
}

// getFile answers with a file that was put there by CreateFile or LoadData: the
// samples that write a file column read it first.
func (s *Server) getFile(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	f := s.store.files[c.args["file"]]
	if f == nil {
		return answer{}, fail(http.StatusNotFound, "file not found")
	}
	return jsonAnswer(http.StatusOK, f), nil
}

// listFiles lists files, of one category if asked. inferred: the order when
// order_by is missing, which the page's table demands and its samples leave out.
func (s *Server) listFiles(c *call) (answer, *failure) {
	column, desc := strings.CutPrefix(c.query.Get("order_by"), "-")
	if column == "" {
		column, desc = "created_at", true
	}
	if !slices.Contains([]string{"created_at", "name", "size"}, column) {
		return answer{}, badRequest("cannot order by %s", column)
	}
	s.store.RLock()
	defer s.store.RUnlock()
	files := s.store.filesBy(column, desc, c.query)
	return listAnswer(s, c, "/dserve/v1.3/uploaded-file/", files, c.query.Get("return_total_count") == "1")
}

// filesBy returns the files of a list in their order; ids break ties.
func (st *store) filesBy(column string, desc bool, q url.Values) []any {
	files := []any{}
	for _, f := range st.files {
		if !q.Has("category") || inCategory(f, q.Get("category")) {
			files = append(files, f)
		}
	}
	compare := func(column string) func(a, b any) int {
		return func(a, b any) int {
			order, _ := compareValues(a.(map[string]any)[column], b.(map[string]any)[column])
			return order
		}
	}
	slices.SortFunc(files, compare("id"))
	slices.SortStableFunc(files, compare(column))
	if desc {
		slices.Reverse(files)
	}
	return files
}

func inCategory(file map[string]any, id string) bool {
	categories, _ := file["categories"].([]any)
	return slices.ContainsFunc(categories, func(v any) bool {
		category, _ := v.(map[string]any)
		return category["id"] == id
	})
}

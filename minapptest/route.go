package minapptest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The surfaces: the same operations with other credentials.
const (
	oserve = "oserve"
	userve = "userve"
	byoa   = "byoa" // MatrixOne Intelligence, which is no surface of minapp
)

// route is one operation of the service.
type route struct {
	name     string
	method   string
	versions []string
	path     string // after the version; {…} is any one segment
	handle   func(*Server, *call) (answer, *failure)
}

var (
	tableVersions = []string{"v1", "v1.8"}

	routes = []route{
		{"tables.list", http.MethodGet, tableVersions, "table", (*Server).listTables},
		{"tables.create", http.MethodPost, tableVersions, "table", (*Server).createTable},
		{"tables.get", http.MethodGet, tableVersions, "table/{table}", (*Server).getTable},
		{"tables.update", http.MethodPut, tableVersions, "table/{table}", (*Server).updateTable},
		{"tables.delete", http.MethodDelete, tableVersions, "table/{table}", (*Server).deleteTable},

		{"indexes.list", http.MethodGet, []string{"v2.6"}, "schema/{table}/index", (*Server).listIndexes},
		{"indexes.create", http.MethodPost, []string{"v2.6"}, "schema/{table}/index", (*Server).createIndex},
		{"indexes.delete", http.MethodDelete, []string{"v2.6"}, "schema/{table}/index/{index}", (*Server).deleteIndex},

		{"records.list", http.MethodGet, []string{"v2.4"}, "table/{table}/record", (*Server).listRecords},
		{"records.get", http.MethodGet, []string{"v2.4"}, "table/{table}/record/{record}", (*Server).getRecord},
		{"records.create", http.MethodPost, []string{"v2.4"}, "table/{table}/record", (*Server).createRecord},
		{"records.update", http.MethodPut, []string{"v2.6"}, "table/{table}/record/{record}", (*Server).updateRecord},
		{"records.delete", http.MethodDelete, []string{"v2.4"}, "table/{table}/record/{record}", (*Server).deleteRecord},

		{"bulk.update", http.MethodPut, []string{"v2.6"}, "table/{table}/record", (*Server).bulkUpdate},
		{"bulk.delete", http.MethodDelete, []string{"v2.4"}, "table/{table}/record", (*Server).bulkDelete},
		{"bulk.operation", http.MethodGet, []string{"v1"}, "bulk-operation/{job}", (*Server).getBulkJob},

		{"users.list", http.MethodGet, []string{"v2.2"}, "miniapp/user_profile", (*Server).listUsers},
		{"users.get", http.MethodGet, []string{"v2.2"}, "miniapp/user_profile/{user}", (*Server).getUser},
		{"files.list", http.MethodGet, []string{"v2.2"}, "file", (*Server).listFiles},
		{"exports.create", http.MethodPost, []string{"v1.5"}, "table/{table}/export", (*Server).createExport},
		{"exports.list", http.MethodGet, []string{"v1.5"}, "table/{table}/export", (*Server).listExports},
		{"exports.get", http.MethodGet, []string{"v1.5"}, "table/{table}/export/{job}", (*Server).getExport},
		{"imports.start", http.MethodPost, []string{"v1"}, "table/{table}/import", (*Server).startImport},

		{"files.get", http.MethodGet, []string{"v2.2", "v2.4"}, "file/{file}", (*Server).getFile},
		{"server.time", http.MethodGet, []string{"v2.2"}, "server/time", (*Server).serverTime},
	}
)

// mustBeOperation panics at a name that no request can have: a fault for it would
// never happen, a count would always be 0, and the test would be of nothing.
func mustBeOperation(name string) {
	named := func(rt route) bool { return rt.name == name }
	switch name {
	case "records.count", "bulk.create", "oauth.refresh", "exports.download": // see newCall, setBody and resolve
		return
	}
	if !slices.ContainsFunc(routes, named) && !slices.ContainsFunc(moiRoutes, named) && !slices.ContainsFunc(signInRoutes, named) {
		panic(fmt.Sprintf("minapptest: there is no operation %q; the package's documentation lists them", name))
	}
}

// call is one request on its way through the server.
type call struct {
	r        *http.Request
	query    url.Values
	body     []byte
	surface  string
	route    route
	args     map[string]string // what the braces of the path stand for
	redirect string            // the address with the slash that is missing
	bad      *failure          // nothing to handle
}

// newCall finds the operation of a request.
func (s *Server) newCall(r *http.Request) *call {
	c := &call{r: r}
	var err error
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		c.bad = badRequest("invalid query: %v", err)
	}
	path := r.URL.EscapedPath()
	segments, slash := strings.CutSuffix(strings.TrimPrefix(path, "/"), "/")
	if bad := c.resolve(strings.Split(segments, "/")); bad != nil {
		c.bad = bad
		return c
	}
	// The documented way of counting has a name of its own.
	if c.route.name == "records.list" && c.query.Get("limit") == "1" && c.query.Get("return_total_count") == "1" {
		c.route.name = "records.count"
	}
	if !slash && !c.slashOptional() {
		c.redirect = path + "/"
		if r.URL.RawQuery != "" {
			c.redirect += "?" + r.URL.RawQuery
		}
	}
	return c
}

// setBody keeps the body; an array makes of a create a bulk create, and a grant
// type of an exchange for a token a refresh.
func (c *call) setBody(body []byte) {
	c.body = body
	if c.route.name == "oauth.token" && isRefresh(body) {
		c.route.name = "oauth.refresh"
	}
	if c.route.name == "records.create" && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		c.route.name, c.route.handle = "bulk.create", (*Server).bulkCreate
	}
}

// slashOptional is for the one documented sample without its slash, which sends
// a body that no redirect would keep. inferred: that everything else is
// redirected, as Django does. Exported files and MOI have no slash.
func (c *call) slashOptional() bool {
	return c.surface == byoa || c.route.name == "records.update" || c.route.name == "exports.download"
}

func (c *call) resolve(segments []string) *failure {
	if segments[0] == downloads && len(segments) == 3 {
		c.route = route{name: "exports.download", handle: (*Server).downloadExport}
		c.args = map[string]string{"job": segments[1], "name": segments[2]}
		return nil
	}
	c.surface = segments[0]
	switch {
	case c.surface == byoa || c.surface == "connectors":
		c.surface = byoa
		return c.find(moiRoutes, segments[0], segments[1:])
	case len(segments) > 1 && c.surface == signIn:
		return c.find(signInRoutes, "", segments[1:])
	case len(segments) > 2 && (c.surface == oserve || c.surface == userve):
		return c.find(routes, segments[1], segments[2:])
	}
	return notFound()
}

func (c *call) find(routes []route, version string, rest []string) *failure {
	known := false
	for _, rt := range routes {
		args, ok := rt.match(version, rest)
		if !ok {
			continue
		}
		known = true
		if rt.method == c.r.Method {
			c.route, c.args = rt, args
			return nil
		}
	}
	if known {
		return fail(http.StatusMethodNotAllowed, "method not allowed")
	}
	return notFound() // inferred: also for a version that no document mentions
}

func (rt route) match(version string, segments []string) (map[string]string, bool) {
	pattern := strings.Split(rt.path, "/")
	if len(pattern) != len(segments) || !slices.Contains(rt.versions, version) {
		return nil, false
	}
	args := map[string]string{}
	for i, p := range pattern {
		v, err := url.PathUnescape(segments[i])
		switch {
		case err != nil || v == "":
			return nil, false
		case strings.HasPrefix(p, "{"):
			args[strings.Trim(p, "{}")] = v
		case p != v:
			return nil, false
		}
	}
	return args, true
}

// table returns the table that the path names; the store is locked.
func (s *Server) table(c *call) (*table, *failure) {
	id, err := strconv.ParseInt(c.args["table"], 10, 64)
	if err != nil || s.store.tables[id] == nil {
		return nil, fail(http.StatusNotFound, "table not found")
	}
	return s.store.tables[id], nil
}

// row returns the row that the path names; the store is locked.
func (s *Server) row(c *call) (*table, *row, *failure) {
	t, bad := s.table(c)
	if bad != nil {
		return nil, nil, bad
	}
	s.journal.examine(1)
	r := t.rows[c.args["record"]]
	if r == nil {
		return nil, nil, fail(http.StatusNotFound, "record not found")
	}
	return t, r, nil
}

package minapptest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/minapptest"
)

// The contract, seen from the service: every documented request gets an answer
// of the documented status and shape from a server in the documented state.
// Values count too, as far as request and state determine them: a filter that
// lets the wrong rows through gives answers of the right shape.
func TestContract(t *testing.T) {
	exchanges, err := fixture.Load(os.DirFS("../testdata/exchanges"))
	require.NoError(t, err)
	for _, e := range exchanges {
		t.Run(e.Name, func(t *testing.T) {
			s := minapptest.NewServer(t, minapptest.WithToken("contract"), minapptest.WithMOIKey("contract"))
			require.NoError(t, s.LoadData(bytes.NewReader(e.Given)))
			if prepare := prepared[e.Name]; prepare != nil {
				prepare(t, s)
			}
			authorizations := []string{"Bearer contract"}
			switch {
			case e.Request.Unauthenticated:
				authorizations = []string{"", "Bearer other"}
			case strings.HasPrefix(e.Request.Path, "/userve/"):
				authorizations = []string{""} // but a cookie
			}
			for _, authorization := range authorizations {
				status, body := answer(t, s, e, authorization)
				for _, diff := range e.Response.Diff(status, body) {
					t.Error(diff)
				}
				assert.Equal(t, determined(t, e, e.Response.Body), determined(t, e, body), "%s", body)
			}
			assert.Equal(t, len(authorizations), s.Count(e.Operation), "requests of this operation")
		})
	}
}

// prepared is what cannot be said in the data of an exchange.
var prepared = map[string]func(*testing.T, *minapptest.Server){}

// chosen lists, by operation or exchange, the members whose values the service
// chooses, unless the request names them.
var chosen = map[string][]string{
	"records.create": {"id", "created_by", "created_at", "updated_at"},
	"records.update": {"updated_at"},
	"bulk.create":    {"operation_result[].success.id", "operation_result[].success.created_at"},
	"bulk.update":    {"operation_result[].success.updated_at"},
	"bulk.operation": {"created_at", "updated_at", "matched_count", "modified_count", "deleted_count"}, // of other rows
	"tables.create":  {"created_at", "updated_at"},
	// The samples of these two answers leave out the built-in columns, which
	// the answer to a create has.
	"tables.get":     {"created_at", "updated_at", "schema"},
	"tables.list":    {"objects[].created_at", "objects[].updated_at", "objects[].schema"},
	"tables.update":  {"created_at", "updated_at", "schema"},
	"exports.create": {"job_id"},
	"exports.get":    {"download_url", "file_name", "updated_at"},
	"oauth.code":     {"code"},
	"oauth.token":    {"access_token", "refresh_token"},
	"oauth.refresh":  {"access_token"},
	// The request holds another token of this name.
	"oauth.refresh/one": {"refresh_token"},
	// The page's answer is that of another table.
	"tables.create/one":        {"name", "schema.fields[].description"},
	"tables.create/userve-one": {"schema.fields[].description"},
	"server.time":              {"time"},
	// The page's answer does not fit its request; see the file.
	"exporttasks.files/page": {"data.files", "data.total", "data.total_failure", "data.total_files", "data.total_success"},
}

func answer(t *testing.T, s *minapptest.Server, e fixture.Exchange, authorization string) (status int, body []byte) {
	t.Helper()
	req, err := e.HTTPRequest(t.Context(), s.URL())
	require.NoError(t, err)
	switch {
	case strings.HasPrefix(e.Request.Path, "/userve/") && !e.Request.Unauthenticated:
		req.Header.Set("Cookie", "session=contract")
	case authorization != "":
		req.Header.Set("Authorization", authorization)
		req.Header.Set("moi-key", strings.TrimPrefix(authorization, "Bearer "))
	}
	jar, err := cookiejar.New(nil) // the way to a code sets cookies
	require.NoError(t, err)
	client := http.Client{Transport: s.Client().Transport, Jar: jar}
	resp, err := client.Do(req.WithContext(t.Context()))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

// determined is what of an answer follows from request and state: all but the
// optional members, those that the service chooses, links and the words of
// refusals.
func determined(t *testing.T, e fixture.Exchange, body []byte) any {
	t.Helper()
	if len(body) == 0 {
		return nil
	}
	var sent map[string]any
	_ = json.Unmarshal(e.Request.Body, &sent) // a bulk create sends an array
	free := slices.Clone(chosen[e.Operation])
	free = slices.DeleteFunc(free, func(name string) bool { return sent[name] != nil })
	free = slices.Concat(free, chosen[e.Name], e.Response.Optional, []string{"meta.next", "error_msg", "msg", "detail[].msg"})
	var v any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&v), "%s", body)
	return without(v, "", free)
}

// without drops members by their path, such as "objects[].created_by.*".
func without(v any, at string, paths []string) any {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(name string, _ any) bool {
			return slices.Contains(paths, at+name) || slices.Contains(paths, at+"*")
		})
		for name, member := range v {
			v[name] = without(member, at+name+".", paths)
		}
	case []any:
		for i, element := range v {
			v[i] = without(element, strings.TrimSuffix(at, ".")+"[].", paths)
		}
	}
	return v
}

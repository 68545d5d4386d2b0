package minapptest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/minapptest"
)

// Operations of the service itself begin with more rows than fit into one
// call: here with two.
func init() { //nolint:gochecknoinits // the table is put together from several files
	tooMany := func(_ *testing.T, s *minapptest.Server) { s.SetLimits(minapptest.Limits{BulkMax: 1}) }
	prepared["bulk.update/async"] = tooMany
	prepared["bulk.delete/async"] = tooMany
	prepared["bulk.operation/update-success"] = started(http.MethodPut, `{"name":"Sam"}`, 0)
	prepared["bulk.operation/update-pending"] = started(http.MethodPut, `{"name":"Sam"}`, time.Hour)
	prepared["bulk.operation/delete-success"] = started(http.MethodDelete, ``, 0)
	prepared["bulk.operation/delete-pending"] = started(http.MethodDelete, ``, time.Hour)
}

// started begins an operation on table 1 that takes a while.
func started(method, body string, delay time.Duration) func(*testing.T, *minapptest.Server) {
	version := map[string]string{http.MethodPut: "v2.6", http.MethodDelete: "v2.4"}[method]
	return func(t *testing.T, s *minapptest.Server) {
		t.Helper()
		s.SetLimits(minapptest.Limits{BulkMax: 1, BulkDelay: delay})
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/oserve/"+version+"/table/1/record/", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer contract")
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"status":"ok","operation_id":1}`, string(text))
	}
}

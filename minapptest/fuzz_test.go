package minapptest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

// fuzzEmulator is reached without a network.
type fuzzEmulator struct{ handler http.Handler }

func newFuzzEmulator(f *testing.F) fuzzEmulator {
	f.Helper()
	s := minapptest.New(minapptest.WithLimits(minapptest.Limits{URLMax: -1}))
	_, err := s.CreateTable(minapptest.Table{ID: 41, Name: "maker"})
	require.NoError(f, err)
	id, err := s.CreateTable(products)
	require.NoError(f, err)
	for _, row := range []string{
		`{"name":"a","price":10,"tags":["x"],"created_at":1,"id":"x","day":"2024-01-01T00:00:00+08:00","obj":{"k":[1]}}`,
		`{"name":"b","price":0.1,"tags":[],"created_at":2,"id":"1","maker":"m"}`,
		`{"name":"c","price":null,"created_at":3,"sizes":[1,2]}`,
	} {
		_, err := s.Seed(id, json.RawMessage(row))
		require.NoError(f, err)
	}
	return fuzzEmulator{s.Handler()}
}

// status sends a list and demands that it is answered or refused.
func (e fuzzEmulator) status(t *testing.T, params ...string) reply {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, recordURL+query(params...), nil)
	req.Header.Set("Authorization", "Bearer token")
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, req)
	require.Contains(t, []int{200, 400}, w.Code, w.Body.String())
	r := reply{status: w.Code, text: w.Body.String()}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r.json))
	return r
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// It prints its base URL, serves, and stops when told to.
func TestServesUntilStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, stdout := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		defer func() { _ = stdout.Close() }()
		code <- run(ctx, []string{"-addr", "127.0.0.1:0", "-data", "testdata/shop.json", "-token", "secret"}, stdout, &stderr)
	}()
	lines := bufio.NewReader(out)
	base, err := lines.ReadString('\n')
	require.NoError(t, err)

	require.Equal(t, 200, get(t, strings.TrimSpace(base), "Bearer secret"))
	require.Equal(t, 401, get(t, strings.TrimSpace(base), "Bearer other"))

	stop()
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.Empty(t, rest, "one line is all it prints")
	require.Zero(t, <-code)
	require.Empty(t, stderr.String())
}

func get(t *testing.T, base, authorization string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/oserve/v2.4/table/3906/record/?limit=1", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", authorization)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// Mistakes are said on stderr and end with 1.
func TestRefuses(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"tables":[{"name":"1"}]}`), 0o600))
	for _, tt := range []struct {
		args []string
		text string
	}{
		{[]string{"-addr", "nonsense"}, "nonsense"},
		{[]string{"-addr", "256.0.0.1:0"}, "256.0.0.1"},
		{[]string{"-data", "nosuch.json"}, "nosuch.json"},
		{[]string{"-data", broken}, "broken.json: minapptest: data: table 0 (1): invalid table name"},
		{[]string{"-nosuch"}, "-nosuch"},
		{[]string{"extra"}, `unexpected argument "extra"`},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(t.Context(), tt.args, &stdout, &stderr), tt.args)
		require.Contains(t, stderr.String(), tt.text)
		require.Empty(t, stdout.String())
	}
	require.Zero(t, run(t.Context(), []string{"-h"}, io.Discard, io.Discard))
}

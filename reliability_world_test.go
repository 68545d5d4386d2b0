package minapp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/minapptest"
)

const (
	worldKey    = "moi-k3y-that-nobody-may-see"
	worldCookie = "c00kie-that-nobody-may-see"
	worldTarget = "c0nnector-s3cret-that-nobody-may-see"
	firstRow    = "5a2fa9b008443e59e0e67801"
	worldTask   = "task_77"
)

const worldData = `{
	"tables": [
		{"id": 1, "name": "product", "schema": {"fields": [{"name": "name", "type": "string"}, {"name": "price", "type": "integer"}]},
		 "row_read_perm": ["user:*"], "row_write_perm": ["user:*"], "write_perm": ["user:*"], "rows": [
			{"id": "5a2fa9b008443e59e0e67801", "name": "a", "price": 1},
			{"id": "5a2fa9b008443e59e0e67802", "name": "b", "price": 1},
			{"id": "5a2fa9b008443e59e0e67803", "name": "c", "price": 1}]},
		{"id": 2, "name": "indexed", "schema": {"fields": [{"name": "name", "type": "string"}]}, "indexes": [["name"]]},
		{"id": 43, "name": "_userprofile", "schema": {"fields": [{"name": "nickname", "type": "string"}]}, "rows": [{"id": 64501217, "nickname": "Larry"}]}
	],
	"files": [{"id": "5a1ba9c1fff1d651135e5ff1", "name": "a.png", "created_at": 1511762369, "mime_type": "image/png", "cdn_path": "1eJCS1.png", "size": 3652}],
	"exports": [{"table": 1, "job_id": "job-1", "file_type": "csv", "status": "finish", "created_at": 1511762369}],
	"moi": {
		"connectors": [{"id": 1, "name": "kb", "source_type": 1, "settings": {"oss": {"access_key_secret": "c0nnector-s3cret-that-nobody-may-see"}}}],
		"tasks": [{"id": "task_77", "name": "t", "creator": "ops", "connector_name": "kb", "type": 1, "files": [{"id": "ef-1", "full_path": ["v", "a.pdf"], "status": 3}]}]
	}
}`

// world is the services with a little of everything, and a client that a
// saboteur sits in front of.
type world struct {
	*minapptest.Server
	client  *minapp.Client
	plain   *minapp.Client // nobody disturbs it
	out     *saboteur
	job     *minapp.ExportJob
	first   minapp.Token // of a client that has signed in
	heard   *evidence
	closing []func()
}

// newWorld makes a world for one call, inside a bubble.
func newWorld(t *testing.T, heard *evidence) *world {
	t.Helper()
	s := minapptest.New(minapptest.WithToken(secret), minapptest.WithMOIKey(worldKey), minapptest.WithClientCredentials(appID, appSecret))
	require.NoError(t, s.LoadData(strings.NewReader(worldData)))
	w := &world{Server: s, heard: heard}
	var err error
	w.plain, err = minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	inner := s.Client().Transport.(*http.Transport)
	outer := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dial, ok := ctx.Value(dialKey{}).(dialer); ok {
			return dial()
		}
		return inner.DialContext(ctx, network, addr)
	}}
	w.out = &saboteur{server: s, next: outer, heard: heard}
	w.client, err = minapp.NewClient(append(s.Options(),
		minapp.WithHTTPClient(&http.Client{Transport: w.out, Timeout: patience}),
		minapp.WithLogger(heard.logger()),
	)...)
	require.NoError(t, err)
	minapp.LimitAnswers(w.client, 64<<10)
	w.closing = []func(){w.plain.CloseIdleConnections, outer.CloseIdleConnections, func() { require.NoError(t, s.Close()) }}
	return w
}

func (w *world) close() {
	for _, end := range w.closing {
		end()
	}
}

// with is the client with another credential.
func (w *world) with(t *testing.T, opts ...minapp.Option) {
	t.Helper()
	c, err := w.client.With(opts...)
	require.NoError(t, err)
	minapp.LimitAnswers(c, 64<<10)
	w.client = c
}

// What became of the services, for the effects of calls.

func (w *world) rows() int { return len(w.Rows(1)) }

// prices is the sum over the three rows that have been there from the start.
func (w *world) prices() int {
	sum := 0
	for _, row := range w.Rows(1) {
		var price int
		_, _ = fmt.Sscan(fmt.Sprint(row["price"]), &price)
		sum += price
	}
	return sum
}

func (w *world) price() int {
	var price int
	_, _ = fmt.Sscan(fmt.Sprint(w.Rows(1)[0]["price"]), &price)
	return price
}

func countAll[T any](seq func(func(T, error) bool)) int {
	n := 0
	for _, err := range seq {
		if err != nil {
			return -1
		}
		n++
	}
	return n
}

func (w *world) named(name string) int {
	n := 0
	for table, err := range w.plain.Tables.All(context.Background(), minapp.TableQuery{}) {
		if err == nil && table.Name == name {
			n++
		}
	}
	return n
}

func (w *world) indexes(table minapp.TableID) int {
	indexes, err := w.plain.Tables.Indexes(context.Background(), table)
	if err != nil {
		return -1
	}
	return len(indexes)
}

func (w *world) jobs() int {
	return countAll(w.plain.Exports.All(context.Background(), 1, minapp.ExportQuery{}))
}

func (w *world) tasks() int {
	return countAll(w.plain.ExportTasks.All(context.Background(), byoa.TaskQuery{}))
}

// failedFiles counts the files of the task that have failed and not been tried
// again.
func (w *world) failedFiles() int {
	return countAll(w.plain.ExportTasks.Files(context.Background(), worldTask, byoa.FileQuery{Statuses: []byoa.FileStatus{byoa.FileFailed}}))
}

// saboteur disturbs the requests of one operation, as often as it is told, and
// counts them.
type saboteur struct {
	server *minapptest.Server
	next   http.RoundTripper
	heard  *evidence

	mu       sync.Mutex
	op       operation.Operation
	path     *regexp.Regexp
	fault    fault
	left     int // requests to disturb; negative is all
	requests int // of the operation
	injected int
}

type (
	dialKey struct{}
	dialer  func() (net.Conn, error)
)

var braces = regexp.MustCompile(`\\\{[^}]*\\\}`)

// disturb arranges for a fault; from here on the requests count.
func (s *saboteur) disturb(op operation.Operation, f fault, times int) {
	pattern := braces.ReplaceAllString(regexp.QuoteMeta(op.Path), "[^/]+") + "$"
	if op.Service == operation.Files {
		pattern = "^/exported-files/"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.op, s.path, s.fault, s.left = op, regexp.MustCompile(pattern), f, times
}

// take counts a request, and tells whether it is to be disturbed.
func (s *saboteur) take(r *http.Request) (f fault, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == nil || r.Method != s.op.Method || !s.path.MatchString(r.URL.Path) {
		return fault{}, false
	}
	s.requests++
	if s.left == 0 {
		return fault{}, false
	}
	s.left--
	s.injected++
	return s.fault, true
}

func (s *saboteur) RoundTrip(r *http.Request) (*http.Response, error) {
	f, mine := s.take(r)
	if !mine {
		return s.listen(s.next.RoundTrip(r))
	}
	switch {
	case f.dial != nil:
		r = r.WithContext(context.WithValue(r.Context(), dialKey{}, f.dial))
		if f.tls {
			r.URL.Scheme = "https"
		}
	case f.fails != nil:
		return nil, f.fails(r)
	case f.service != nil:
		on := f.service(r)
		on.Operation = s.op.Name
		s.server.Fault(on)
	}
	resp, err := s.next.RoundTrip(r)
	if err == nil && f.answer != nil {
		f.answer(resp)
	}
	return s.listen(resp, err)
}

var tokens = regexp.MustCompile(`"(?:access_token|refresh_token|code)":"([^"]+)"`)

// listen notes the secrets that an answer of the sign-in gives away.
func (s *saboteur) listen(resp *http.Response, err error) (*http.Response, error) {
	if err != nil || !strings.HasPrefix(resp.Request.URL.Path, "/api/oauth2/") || resp.ContentLength < 0 {
		return resp, err
	}
	body, readErr := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failingReader{readErr}))
	for _, match := range tokens.FindAllStringSubmatch(string(body), -1) {
		s.heard.secret(match[1])
	}
	for _, cookie := range resp.Cookies() {
		s.heard.secret(cookie.Value)
	}
	return resp, nil
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

// evidence is all that was said, and all that must not be.
type evidence struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets []string
	pieces  int
}

// secret notes one; what is shorter is a flag.
func (e *evidence) secret(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(s) >= 6 && !slices.Contains(e.secrets, s) {
		e.secrets = append(e.secrets, s)
	}
}

// Write takes the lines of the log.
func (e *evidence) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pieces++
	return e.text.Write(p)
}

func (e *evidence) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	return slog.New(slog.NewMultiHandler(slog.NewTextHandler(e, options), slog.NewJSONHandler(e, options)))
}

// say notes what somebody could print.
func (e *evidence) say(format string, args ...any) { _, _ = fmt.Fprintf(e, format+"\n", args...) }

// take notes what a call ended with, in every way it can be printed.
func (e *evidence) take(client *minapp.Client, result any, err error) {
	e.say("%v %+v %#v", client, client, client)
	e.say("%v %+v", result, result)
	if _, isToken := result.(minapp.Token); !isToken { // JSON is how a store keeps it
		e.say("%s", mustJSON(result))
	}
	e.logger().Error("call", "err", err, "result", result)
	if err == nil {
		return
	}
	e.say("%v %+v", err, err)
	for _, failed := range failures(err) {
		e.say("%+v %s", *failed, failed.Body)
	}
}

// failures lists the failed calls in an error, the one inside of another after
// it: that of a sign-in is inside of the call that needed it.
func failures(err error) (list []*minapp.Error) {
	if e, ok := err.(*minapp.Error); ok { //nolint:errorlint // the tree is walked here
		list = append(list, e)
	}
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() error }:
		list = append(list, failures(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			list = append(list, failures(inner)...)
		}
	case interface{ As(any) bool }:
		var inner *minapp.Error
		if e.As(&inner) {
			list = append(list, failures(inner)...)
		}
	}
	return list
}

// leaks lists the secrets that were said, each with its surroundings.
func (e *evidence) leaks() (found []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.secrets {
		if text := e.text.Bytes(); bytes.Contains(text, []byte(s)) {
			at := bytes.Index(text, []byte(s))
			found = append(found, string(text[max(0, at-100):min(len(text), at+len(s)+20)]))
		}
	}
	return found
}

package minapp_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// patience is the time-out of one attempt.
const patience = 5 * time.Second

// expected is how a call ends by its safety class: the number of requests, and
// "ok" or the sentinels that the error is, and no others.
type expected struct{ read, idempotent, once string }

func every(s string) expected { return expected{s, s, s} }

// fault is one thing that goes wrong. Exactly one of dial, service and answer
// says where; a service fault may be changed by answer on top.
type fault struct {
	name      string
	processed bool     // the service does what it is asked, and then it happens
	first     expected // when only the first request meets it
	always    expected // when every request does
	waits     time.Duration
	form      bool // the connection is fine, and the answer is strange

	dial    dialer
	tls     bool // the request wants TLS
	service func(*http.Request) minapptest.Fault
	answer  func(*http.Response)
}

// The rows of the table. By column: a read is repeated until it succeeds, an
// idempotent write likewise, and of every other write nothing is repeated that
// may have happened. Four attempts are the policy; a write that ends without
// certainty says so.
var (
	repeated = expected{"2 ok", "2 ok", "1 unavailable unknown"}
	lost     = expected{"4 unavailable", "4 unavailable unknown", "1 unavailable unknown"}
	strange  = expected{"1 protocol", "1 protocol unknown", "1 protocol unknown"}

	faults = []fault{
		{name: "connection refused", first: every("2 ok"), always: every("4 unavailable"), dial: failingDial(syscall.ECONNREFUSED)},
		{name: "unknown host", first: every("1 unavailable"), always: every("1 unavailable"), dial: failingDial(&net.DNSError{Err: "no such host", Name: "cloud.minapp.example", IsNotFound: true})},
		{name: "name server fails", first: every("2 ok"), always: every("4 unavailable"), dial: failingDial(&net.DNSError{Err: "server misbehaving", Name: "cloud.minapp.example", IsTemporary: true})},
		{name: "TLS failure", first: every("1 unavailable"), always: every("1 unavailable"), dial: untrusted, tls: true},
		{name: "reset before the request was read", first: repeated, always: lost, dial: deaf},
		{name: "reset before it was processed", first: repeated, always: lost, service: drop(minapptest.DropBefore)},
		{name: "reset after it was processed", processed: true, first: repeated, always: lost, service: drop(minapptest.DropAfter)},
		{name: "reset in the middle of the answer", processed: true, first: repeated, always: lost, service: drop(minapptest.CutBody)},
		{name: "time-out before it was processed", first: repeated, always: lost, waits: patience, service: func(*http.Request) minapptest.Fault {
			return minapptest.Fault{Delay: time.Minute}
		}},
		{name: "time-out after it was processed", processed: true, first: repeated, always: lost, waits: patience, service: func(*http.Request) minapptest.Fault {
			return minapptest.Fault{AnswerDelay: time.Minute}
		}},
		{name: "429", first: every("2 ok"), always: every("4 limited"), service: later("")},
		{name: "429, Retry-After: 7", first: every("2 ok"), always: every("4 limited"), waits: 7 * time.Second, service: later("7")},
		{name: "429, Retry-After: a date in 20 s", first: every("2 ok"), always: every("4 limited"), waits: 20 * time.Second, service: later("date")},
		{name: "429, Retry-After: 10¹⁹ s", first: every("1 limited"), always: every("1 limited"), service: later("10000000000000000000")},
		{name: "429, Retry-After: soon", first: every("2 ok"), always: every("4 limited"), service: later("soon")},
		{name: "500", first: repeated, always: lost, service: status(500, false)},
		{name: "500 after it was processed", processed: true, first: repeated, always: lost, service: status(500, true)},
		{name: "502", first: repeated, always: lost, service: status(502, false)},
		{name: "502 after it was processed", processed: true, first: repeated, always: lost, service: status(502, true)},
		{name: "503", first: repeated, always: lost, service: status(503, false)},
		{name: "504 after it was processed", processed: true, first: repeated, always: lost, service: status(504, true)},
		{name: "truncated JSON", processed: true, first: repeated, always: lost, form: true, service: answer("application/json", `{"code":"ok","data":{"objects":[{"id":`)},
		{name: "HTML from a gateway", processed: true, first: strange, always: strange, form: true, service: answer("text/html", "<html><body>bad request: {credentials}</body></html>")},
		{name: "empty body", processed: true, first: strange, always: strange, form: true, service: answer("application/json", "")},
		{name: "wrong content type", processed: true, first: every("1 ok"), always: every("1 ok"), form: true, answer: func(r *http.Response) {
			r.Header.Set("Content-Type", "text/html")
		}},
		{name: "endless body", processed: true, first: strange, always: strange, form: true, answer: withoutEnd(0)},
		{name: "endless body, a byte a second", processed: true, first: repeated, always: lost, form: true, answer: withoutEnd(time.Second)},
	}
)

func failingDial(err error) dialer {
	return func() (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err} }
}

// deaf is a connection whose other end has gone.
func deaf() (net.Conn, error) {
	client, server := net.Pipe()
	return client, server.Close()
}

var certificate = sync.OnceValue(func() tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
})

// untrusted is a connection to somebody with a certificate of his own making.
func untrusted() (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		_ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate()}, MinVersion: tls.VersionTLS12}).HandshakeContext(context.Background())
	}()
	return client, nil
}

func drop(d minapptest.Drop) func(*http.Request) minapptest.Fault {
	return func(*http.Request) minapptest.Fault { return minapptest.Fault{Drop: d} }
}

func later(retryAfter string) func(*http.Request) minapptest.Fault {
	return func(*http.Request) minapptest.Fault {
		f := minapptest.Fault{Status: 429, Header: http.Header{}, Body: `{"error_msg":"too many requests"}`}
		switch retryAfter {
		case "":
		case "date":
			f.Header.Set("Retry-After", time.Now().Add(20*time.Second).UTC().Format(http.TimeFormat))
		default:
			f.Header.Set("Retry-After", retryAfter)
		}
		return f
	}
}

// status is a failure whose text repeats the credentials of the call.
func status(code int, processed bool) func(*http.Request) minapptest.Fault {
	return func(r *http.Request) minapptest.Fault {
		return minapptest.Fault{Status: code, Processed: processed, Body: `{"error_msg":"failed for ` + credentials(r) + `"}`}
	}
}

// credentials is what a request brings.
func credentials(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/api/oauth2/") {
		return appSecret
	}
	return r.Header.Get("Authorization") + r.Header.Get("Moi-Key") + r.Header.Get("Cookie")
}

func answer(contentType, text string) func(*http.Request) minapptest.Fault {
	return func(r *http.Request) minapptest.Fault {
		return minapptest.Fault{
			Status: 200, Processed: true, Header: http.Header{"Content-Type": {contentType}},
			Body: strings.ReplaceAll(text, "{credentials}", credentials(r)),
		}
	}
}

// endless never ends by itself: it says nothing else, a byte after each wait or
// as fast as it is read.
type endless struct {
	io.Closer
	ctx  context.Context //nolint:containedctx // of the request that it answers
	wait time.Duration
}

func (e endless) Read(p []byte) (int, error) {
	if e.wait > 0 {
		select {
		case <-e.ctx.Done():
			return 0, e.ctx.Err()
		case <-time.After(e.wait):
		}
		p = p[:1]
	}
	return copy(p, bytes.Repeat([]byte("{"), len(p))), nil
}

func withoutEnd(wait time.Duration) func(*http.Response) {
	return func(r *http.Response) {
		r.ContentLength, r.Body = -1, endless{r.Body, r.Request.Context(), wait}
	}
}

// operationCase is a call that stands for an operation. Without an effect of its
// own it is a read, or one whose effect nobody can count.
type operationCase struct {
	op     api.Operation
	name   string // of the operation if empty
	safety string // of the operation if empty
	setup  func(*testing.T, *world)
	call   func(context.Context, *world) (any, error)
	effect func(*world) int // how often it has happened

	// Exceptions from the table.
	finds  bool // the create looks for what it has made: if it was, all is well
	unsent bool // it is a step of another call, which was not sent: nothing is unknown
	except map[string]string
	skips  func(fault) bool
}

func (c operationCase) String() string { return cmp.Or(c.name, c.op.Name) }

// noAnswer are deletes, which are done when nothing is answered: a head without
// a body says it all.
// And a 404 says it when the same was asked for before.
var noAnswer = map[string]string{"reset in the middle of the answer": "1 ok", "empty body": "1 ok", "endless body, a byte a second": "2 ok"}

// anyAnswer are writes of MOI whose answer no document shows: JSON that ends too
// early is not told from other nonsense.
var anyAnswer = map[string]string{"truncated JSON": "1 protocol unknown"}

// redirected is the first of three requests; its own answer has no body that
// matters.
var redirected = map[string]string{"reset in the middle of the answer": "1 ok", "endless body": "1 ok"}

// shrinks are lists that are read to their end: a page too large to read is
// asked for again at a quarter of its size, 1000 to 1.
var shrinks = map[string]string{"endless body": "2 ok", "endless body, always": "6 protocol"}

// goesOn is the download: what it has it need not fetch again, and attempts that
// brought something do not count.
var goesOn = map[string]string{"reset in the middle of the answer, always": "11 unavailable"}

var operationCases = []operationCase{
	{op: api.TablesCreate, effect: func(w *world) int { return w.named("fresh") }, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Tables.Create(ctx, minapp.TableSpec{Name: "fresh", Fields: []minapp.Field{{Name: "a", Type: minapp.TypeString}}})
	}},
	{op: api.TablesGet, call: func(ctx context.Context, w *world) (any, error) { return w.client.Tables.Get(ctx, 1) }},
	{op: api.TablesList, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Tables.Page(ctx, minapp.TableQuery{})
	}},
	{op: api.TablesUpdate, effect: func(w *world) int { return w.named("renamed") }, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Tables.Update(ctx, 2, minapp.TableUpdate{Name: "renamed"})
	}},
	{op: api.TablesDelete, except: noAnswer, effect: func(w *world) int { return 1 - w.named("indexed") }, call: func(ctx context.Context, w *world) (any, error) {
		return nil, w.client.Tables.Delete(ctx, 2)
	}},

	{op: api.IndexesList, except: shrinks, call: func(ctx context.Context, w *world) (any, error) { return w.client.Tables.Indexes(ctx, 2) }},
	{op: api.IndexesCreate, effect: func(w *world) int { return w.indexes(1) }, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Tables.CreateIndex(ctx, 1, []string{"name"})
	}},
	{op: api.IndexesDelete, except: noAnswer, effect: func(w *world) int { return 1 - w.indexes(2) }, call: func(ctx context.Context, w *world) (any, error) {
		return nil, w.client.Tables.DeleteIndex(ctx, 2, "name_1")
	}},

	{op: api.RecordsList, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Records.Page(ctx, 1, minapp.Query{Where: where.Gt("price", 0)})
	}},
	{op: api.RecordsCount, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Records.Count(ctx, 1, where.Everything())
	}},
	{op: api.RecordsGet, call: getFirst},
	{op: api.RecordsGet, name: "records.get of a console session", call: getFirst, setup: func(t *testing.T, w *world) {
		t.Helper()
		w.with(t, minapp.WithSession(&http.Cookie{Name: "session", Value: worldCookie}))
	}},
	{op: api.RecordsCreate, effect: rowsAdded(1), call: createRow},
	{op: api.RecordsUpdate, effect: func(w *world) int { return w.price() / 9 }, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Records.Update(ctx, 1, firstRow, patch.Set("price", 9))
	}},
	{op: api.RecordsUpdate, name: "records.update by a difference", safety: "once", effect: func(w *world) int { return w.price() - 1 }, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Records.Update(ctx, 1, firstRow, patch.IncrBy("price", 1))
	}},
	{op: api.RecordsDelete, except: noAnswer, effect: func(w *world) int { return 3 - w.rows() }, call: func(ctx context.Context, w *world) (any, error) {
		return nil, w.client.Records.Delete(ctx, 1, firstRow)
	}},

	{op: api.BulkCreate, effect: rowsAdded(2), call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Bulk.CreateMany(ctx, 1, []minapp.Fields{{"name": "x"}, {"name": "y"}})
	}},
	{op: api.BulkUpdate, effect: func(w *world) int { return w.prices() / 27 }, call: func(ctx context.Context, w *world) (any, error) {
		return lastBatch(w.client.Bulk.UpdateWhere(ctx, 1, where.Everything(), patch.Set("price", 9), minapp.BatchOptions{}))
	}},
	{op: api.BulkUpdate, name: "bulk.update by a difference", safety: "once", effect: pricesRaised, call: func(ctx context.Context, w *world) (any, error) {
		return lastBatch(w.client.Bulk.UpdateWhere(ctx, 1, where.Everything(), patch.IncrBy("price", 1), minapp.BatchOptions{}))
	}},
	{op: api.BulkUpdate, name: "bulk.update left to the service", safety: "once", effect: pricesRaised, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Bulk.StartUpdate(ctx, 1, where.Everything(), patch.IncrBy("price", 1))
	}},
	{op: api.BulkDelete, effect: rowsGone, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Bulk.DeleteWhere(ctx, 1, where.Everything())
	}},
	{op: api.BulkDelete, name: "bulk.delete left to the service", safety: "once", effect: rowsGone, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Bulk.StartDelete(ctx, 1, where.Everything())
	}},
	{op: api.BulkOperation, setup: func(t *testing.T, w *world) {
		t.Helper()
		w.SetLimits(minapptest.Limits{BulkMax: 1})
		_, err := w.plain.Bulk.StartDelete(t.Context(), 1, where.Everything())
		require.NoError(t, err)
	}, call: func(ctx context.Context, w *world) (any, error) { return w.client.Bulk.Operation(ctx, 1) }},

	{op: api.UsersGet, call: func(ctx context.Context, w *world) (any, error) { return w.client.Users.Get(ctx, 64501217) }},
	{op: api.UsersList, call: func(ctx context.Context, w *world) (any, error) { return w.client.Users.Page(ctx, minapp.Query{}) }},
	{op: api.FilesGet, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Files.Get(ctx, "5a1ba9c1fff1d651135e5ff1")
	}},
	{op: api.FilesList, call: func(ctx context.Context, w *world) (any, error) { return w.client.Files.Page(ctx, minapp.FileQuery{}) }},
	{op: api.ServerTime, call: func(ctx context.Context, w *world) (any, error) { return w.client.ServerTime(ctx) }},

	{op: api.ExportsCreate, finds: true, effect: func(w *world) int { return w.jobs() - 1 }, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Exports.Create(ctx, 1, minapp.ExportSpec{FileType: minapp.FileJSON})
	}},
	{op: api.ExportsGet, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Exports.Get(ctx, minapp.ExportRef{Table: 1, Job: "job-1"})
	}},
	{op: api.ExportsList, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Exports.Page(ctx, 1, minapp.ExportQuery{})
	}},
	// A file is whatever comes, and takes as long as it takes: its form is not
	// judged, and there is no time-out but the context's.
	{op: api.ExportsDownload, except: goesOn, skips: func(f fault) bool { return f.form || f.waits == patience }, setup: func(t *testing.T, w *world) {
		t.Helper()
		var err error
		w.job, err = w.plain.Exports.Get(t.Context(), minapp.ExportRef{Table: 1, Job: "job-1"})
		require.NoError(t, err)
		_, query, _ := strings.Cut(string(w.job.DownloadURL), "?")
		require.NotEmpty(t, query)
		w.heard.secret(query)
	}, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.Exports.Download(ctx, w.job, new(bytes.Buffer))
	}},

	{op: api.ImportsStart, effect: rowsAdded(1), call: func(ctx context.Context, w *world) (any, error) {
		return nil, w.client.Imports.Start(ctx, 1, minapp.JSONSource("a.json", elements(minapp.Fields{"name": "x"})))
	}},

	{op: api.ExportTasksCreate, finds: true, effect: func(w *world) int { return w.tasks() - 1 }, except: anyAnswer, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.ExportTasks.Create(ctx, taskOf("fresh", "f-1"))
	}},
	{op: api.ExportTasksList, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.ExportTasks.Page(ctx, byoa.TaskQuery{})
	}},
	{op: api.ExportTasksGet, call: func(ctx context.Context, w *world) (any, error) { return w.client.ExportTasks.Get(ctx, worldTask) }},
	{op: api.ExportTasksFiles, call: func(ctx context.Context, w *world) (any, error) {
		return w.client.ExportTasks.FilePage(ctx, worldTask, byoa.FileQuery{})
	}},
	{op: api.ExportTasksRerun, except: anyAnswer, effect: func(w *world) int { return 1 - w.failedFiles() }, call: func(ctx context.Context, w *world) (any, error) {
		return nil, w.client.ExportTasks.Rerun(ctx, worldTask)
	}},
	{op: api.ExportTasksDelete, except: anyAnswer, effect: func(w *world) int { return 1 - w.tasks() }, call: func(ctx context.Context, w *world) (any, error) {
		return nil, w.client.ExportTasks.Delete(ctx, worldTask)
	}},
	{op: api.ConnectorsList, call: func(ctx context.Context, w *world) (any, error) { return w.client.Connectors.Find(ctx, "kb") }},

	{op: api.OAuthCode, except: redirected, setup: application, call: countRows},
	{op: api.OAuthToken, unsent: true, setup: application, call: countRows},
	{op: api.OAuthRefresh, setup: func(t *testing.T, w *world) {
		t.Helper()
		store := &memory{}
		application(t, w)
		w.with(t, minapp.WithTokenStore(store))
		_, err := countRows(t.Context(), w)
		require.NoError(t, err)
		w.first = store.token
	}, effect: func(w *world) int { // the earlier token is dead
		c, err := w.plain.With(minapp.WithToken(w.first.AccessToken))
		if err == nil {
			_, err = c.Records.Count(context.Background(), 1, where.Everything())
		}
		return map[bool]int{true: 1}[errors.Is(err, minapp.ErrUnauthorized)]
	}, call: func(ctx context.Context, w *world) (any, error) { return w.client.RefreshToken(ctx) }},
}

func getFirst(ctx context.Context, w *world) (any, error) {
	return w.client.Records.Get(ctx, 1, firstRow)
}

func createRow(ctx context.Context, w *world) (any, error) {
	return w.client.Records.Create(ctx, 1, minapp.Fields{"name": "x"})
}

func countRows(ctx context.Context, w *world) (any, error) {
	return w.client.Records.Count(ctx, 1, where.Everything())
}

// application makes the client sign in.
func application(t *testing.T, w *world) {
	t.Helper()
	w.with(t, minapp.WithClientCredentials(appID, appSecret))
}

func rowsAdded(each int) func(*world) int {
	return func(w *world) int { return timesOf(w.rows()-3, each) }
}

func rowsGone(w *world) int     { return timesOf(3-w.rows(), 3) }
func pricesRaised(w *world) int { return timesOf(w.prices()-3, 3) }

// timesOf is how often n are done if each time does so many; -1 is a part.
func timesOf(n, each int) int {
	if n%each != 0 {
		return -1
	}
	return n / each
}

func lastBatch(batches func(func(*minapp.Batch, error) bool)) (last any, err error) {
	for batch, failed := range batches {
		last, err = batch, failed
	}
	return last, err
}

// want is what the table says of a case.
func (c operationCase) want(f fault, always bool) string {
	column := f.first
	if always {
		column = f.always
	}
	want := map[string]string{"read": column.read, "idempotent": column.idempotent, "once": column.once}[cmp.Or(c.safety, c.op.Safety.String())]
	for _, name := range []string{f.name, f.name + map[bool]string{true: ", always"}[always]} {
		want = cmp.Or(c.except[name], want)
	}
	switch {
	case c.finds && f.processed && strings.HasSuffix(want, "unknown"):
		return "1 ok"
	case c.unsent:
		return strings.TrimSuffix(want, " unknown")
	}
	return want
}

// sentinels are the words of the table. Whatever it does not name must not be.
var sentinels = []struct {
	word string
	is   error
}{
	{"unavailable", minapp.ErrUnavailable},
	{"limited", minapp.ErrRateLimited},
	{"protocol", minapp.ErrProtocol},
	{"not found", minapp.ErrNotFound},
	{"unauthorized", minapp.ErrUnauthorized},
	{"forbidden", minapp.ErrForbidden},
	{"invalid", minapp.ErrInvalid},
	{"duplicate", minapp.ErrDuplicate},
	{"unknown", minapp.ErrOutcomeUnknown},
}

// ended spells how a call ended like the table.
func ended(requests int, err error) string {
	if err == nil {
		return strconv.Itoa(requests) + " ok"
	}
	words := []string{strconv.Itoa(requests)}
	for _, s := range sentinels {
		if errors.Is(err, s.is) {
			words = append(words, s.word)
		}
	}
	return strings.Join(words, " ")
}

// tally is what the tests have done.
type tally struct {
	mu sync.Mutex

	calls, injected, requests, succeeded, unknown, happened, lost, doubled int
}

func (n *tally) String() string {
	return fmt.Sprintf("%d calls met %d faults with %d requests: %d succeeded, %d failed; of %d the outcome was unknown, and %d of these had happened; lost %d, doubled %d",
		n.calls, n.injected, n.requests, n.succeeded, n.calls-n.succeeded, n.unknown, n.happened, n.lost, n.doubled)
}

// add counts a call and how often it has happened.
func (n *tally) add(s *saboteur, err error, happened int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	n.injected += s.injected
	n.requests += s.requests
	if err == nil {
		n.succeeded++
	}
	if errors.Is(err, minapp.ErrOutcomeUnknown) {
		n.unknown++
		n.happened += happened
	}
	if err == nil && happened == 0 {
		n.lost++
	}
	if happened > 1 {
		n.doubled++
	}
}

// Every operation meets every fault, once and for good. The table above says
// how many requests there are and how the call ends; what it has done to the
// service follows: once if the call succeeded, nothing if it failed, and if the
// outcome is unknown what had happened before the fault, never twice.
func TestEveryOperationMeetsEveryFault(t *testing.T) {
	var sum tally
	heard := &evidence{secrets: []string{secret, worldKey, worldCookie, worldTarget, appSecret}}
	t.Run("table", func(t *testing.T) {
		for _, c := range operationCases {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				for _, f := range faults {
					if c.skips != nil && c.skips(f) {
						continue
					}
					for _, times := range []int{1, -1} {
						t.Run(f.name, func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { meet(t, c, f, times, &sum, heard) })
						})
					}
				}
			})
		}
	})
	t.Log(&sum)
	if filter := flag.Lookup("test.run").Value.String(); !strings.Contains(filter, "/") {
		onReliabilityPage(t, sum.String())
	}
	assert.Zero(t, sum.lost)
	assert.Zero(t, sum.doubled)
	assert.Empty(t, heard.leaks(), "secrets in errors, results or the log")
}

func meet(t *testing.T, c operationCase, f fault, times int, sum *tally, heard *evidence) {
	t.Helper()
	w := newWorld(t, heard)
	defer w.close()
	if c.setup != nil {
		c.setup(t, w)
	}
	w.out.disturb(c.op, f, times)
	begin := time.Now()
	result, err := c.call(t.Context(), w)
	took := time.Since(begin)
	heard.take(w.client, result, err)
	w.ClearFaults()

	name := fmt.Sprintf("%s: %s, %s", c, f.name, map[int]string{1: "once", -1: "always"}[times])
	assert.Equal(t, c.want(f, times < 0), ended(w.out.requests, err), "%s: %v", name, err)
	if err == nil {
		assert.GreaterOrEqual(t, took, f.waits*time.Duration(min(1, w.out.requests-1)), name)
	}
	if errors.Is(err, minapp.ErrRateLimited) && w.out.requests == 1 {
		all := failures(err)
		assert.Greater(t, all[len(all)-1].RetryAfter, 24*time.Hour, "%s: the figure", name)
	}
	if c.effect == nil {
		sum.add(w.out, err, 1)
		return
	}
	got := c.effect(w)
	assert.Equal(t, map[bool]int{true: 1}[err == nil || f.processed], got, "%s: times that it happened", name)
	sum.add(w.out, err, got)
}

// onReliabilityPage finds what a test has shown in docs/reliability.md, word for
// word.
func onReliabilityPage(t *testing.T, text string) {
	t.Helper()
	page, err := os.ReadFile("docs/reliability.md")
	require.NoError(t, err)
	assert.Contains(t, string(page), text, "docs/reliability.md is not current")
}

// The table of the page is that of the test.
func TestReliabilityPageHasTheTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("| Fault | When | Read | Idempotent | Once |\n|---|---|---|---|---|\n")
	for _, f := range faults {
		when := "first request"
		if f.first == f.always {
			when = "first or every request"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.name, when, f.first.read, f.first.idempotent, f.first.once)
		if f.first != f.always {
			fmt.Fprintf(&b, "| | every request | %s | %s | %s |\n", f.always.read, f.always.idempotent, f.always.once)
		}
	}
	onReliabilityPage(t, b.String())
}

// Every test that the page names is there.
func TestReliabilityPageNamesTests(t *testing.T) {
	page, err := os.ReadFile("docs/reliability.md")
	require.NoError(t, err)
	var code []byte
	for _, dir := range []string{".", "internal/api", "internal/rows", "minapptest", "where", "patch", "geo", "byoa", "migrate", "examples/shared-limiter"} {
		files, err := filepath.Glob(dir + "/*_test.go")
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			code = append(code, text...)
		}
	}
	for _, name := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(string(page), -1) {
		assert.Contains(t, string(code), "func "+name[1]+"(")
	}
}

func TestEveryOperationHasACase(t *testing.T) {
	cases := map[string]bool{}
	for _, c := range operationCases {
		cases[c.op.Name] = true
	}
	for _, op := range api.Operations() {
		assert.True(t, cases[op.Name], "%s meets no fault", op.Name)
	}
}

// With CallReplay a create is sent again whatever became of it; a unique index
// keeps the second one out, and the caller is told that the first may be there.
func TestAReplayedCreateLeavesOneRow(t *testing.T) {
	for _, d := range []minapptest.Drop{minapptest.DropBefore, minapptest.DropAfter, minapptest.CutBody} {
		synctest.Test(t, func(t *testing.T) {
			s, table := emulated(t)
			s.Fault(minapptest.Fault{Operation: "records.create", Drop: d})
			_, err := table.Create(t.Context(), article{Name: "a"}, minapp.CallReplay())
			assert.Equal(t, d != minapptest.DropBefore, errors.Is(err, minapp.ErrOutcomeUnknown), "%v", err)
			assert.Equal(t, d == minapptest.DropBefore, err == nil)
			assert.Equal(t, 2, s.Count("records.create"))
			assert.Len(t, s.Rows(int64(table.ID())), 1)
		})
	}
}

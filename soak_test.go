package minapp_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

var soakTime = flag.Duration("soak", 0, "how long TestSoak goes on; 0 is a few rounds")

const (
	soakers    = 64
	soakRounds = 12 // of each of them, without -soak
)

// soakRow is a row that belongs to one goroutine.
type soakRow struct {
	Owner string `json:"owner"`
	Key   string `json:"key"`
	Value int64  `json:"value"`
}

// Many goroutines do everything at once with one client and some derived from
// it, and one request of eight goes wrong. What each was told agrees with what
// it reads meanwhile, and at the end with the services. Run it with -race, and
// longer with -soak 30s.
func TestSoak(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := time.Now()
	k := newSoak(t)
	over := func(round int) bool { return round == soakRounds }
	if *soakTime > 0 {
		ctx, cancel := context.WithTimeout(t.Context(), *soakTime)
		defer cancel()
		over = func(int) bool { return ctx.Err() != nil }
	}
	everybody := make([]*soaker, soakers)
	var wg sync.WaitGroup
	for i := range everybody {
		w := k.soaker(i)
		everybody[i] = w
		wg.Go(func() {
			for round := 0; !over(round); round++ {
				pick(w.random, soakSteps...)(w)
				k.steps.Add(1)
			}
		})
	}
	wg.Wait()
	stats := k.clients[0].Stats()
	for _, w := range everybody {
		k.checkTables(w)
		k.checkTasks(w)
	}
	k.close()
	k.checkRows(everybody)
	t.Logf("%d goroutines, %s: %d steps, %d requests met %d faults; %d rows, tables and tasks of unknown outcome; %d reads of all own rows, %d exports; at the end %d rows, lost %d, doubled %d, strays %d",
		soakers, time.Since(before).Round(time.Second), k.steps.Load(), stats.Requests, k.storm.faults.Load(), k.unknown.Load(), k.reads.Load(), k.exports.Load(), k.rows, k.lost, k.doubled, k.strays)
	assert.Zero(t, k.lost, "reported as written, and not there")
	assert.Zero(t, k.doubled, "there more than once")
	assert.Zero(t, k.strays, "there, and not reported as written or unknown")
	assert.Positive(t, k.unknown.Load())
	assert.Positive(t, k.reads.Load())
}

// soak is the services, and the clients that everybody uses.
type soak struct {
	*testing.T
	server  *minapptest.Server
	storm   *storm
	plain   *minapp.Client   // in the calm
	clients []*minapp.Client // the one, and some derived from it
	table   minapp.TableID
	jobs    sync.Map // export jobs, each somebody's
	dir     string

	steps, unknown, reads, exports atomic.Int64
	rows, lost, doubled, strays    int
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := minapptest.New(minapptest.WithToken(secret), minapptest.WithClientCredentials(appID, appSecret),
		minapptest.WithLimits(minapptest.Limits{ExportPause: -1}))
	s.MOI().SetPace(time.Millisecond)
	s.MOI().AddConnector(minapptest.MOIConnector{ID: 1, Name: "kb", SourceType: 1})
	id, err := s.CreateTable(minapptest.Table{Name: "shared", Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "owner", Type: "string"}, {Name: "key", Type: "string"}, {Name: "value", Type: "integer"},
	}}})
	require.NoError(t, err)
	k := &soak{T: t, server: s, table: minapp.TableID(id), dir: t.TempDir()}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	k.storm = &storm{server: s, next: s.Client().Transport, random: rand.New(rand.NewPCG(seed, 1))}
	k.plain, err = minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{Transport: k.storm}),
		minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 4, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond}))...)
	require.NoError(t, err)
	k.clients = []*minapp.Client{client}
	for _, opt := range []minapp.Option{
		minapp.WithUserAgent("soak/1"),
		minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}),
		minapp.WithClientCredentials(appID, appSecret),
	} {
		c, err := client.With(opt)
		require.NoError(t, err)
		k.clients = append(k.clients, c)
	}
	for _, c := range k.clients {
		minapp.PauseExports(c, 5*time.Second) // longer than an export that was lost is looked for
	}
	return k
}

func (k *soak) close() {
	k.server.Client().CloseIdleConnections()
	assert.NoError(k, k.server.Close())
}

// storm makes one request of eight go wrong, and counts them.
type storm struct {
	server *minapptest.Server
	next   http.RoundTripper
	faults atomic.Int64

	mu     sync.Mutex
	random *rand.Rand
}

func (s *storm) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	weather := s.random.IntN(8 * 10)
	s.mu.Unlock()
	if weather < 10 {
		s.faults.Add(1)
	}
	switch weather {
	case 0: // these meet some request, not always this one
		s.server.Fault(minapptest.Fault{Drop: minapptest.DropBefore})
	case 1:
		s.server.Fault(minapptest.Fault{Drop: minapptest.DropAfter})
	case 2:
		s.server.Fault(minapptest.Fault{Drop: minapptest.CutBody})
	case 3:
		s.server.Fault(minapptest.Fault{Status: 429})
	case 4:
		s.server.Fault(minapptest.Fault{Status: 503})
	case 5:
		s.server.Fault(minapptest.Fault{Status: 502, Processed: true, Body: "<html>"})
	case 6:
		s.server.Fault(minapptest.Fault{Status: 500, Processed: true})
	case 7:
		s.server.RefuseDials(1)
	case 8, 9:
		return spoil(s.next.RoundTrip(r))(weather == 8)
	}
	return s.next.RoundTrip(r)
}

// spoil cuts an answer without telling, or replaces it. A file is whatever comes,
// and stays as it is.
func spoil(resp *http.Response, err error) func(cut bool) (*http.Response, error) {
	return func(cut bool) (*http.Response, error) {
		if err != nil || resp.StatusCode >= 300 || strings.HasPrefix(resp.Request.URL.Path, "/exported-files/") {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		text := "<html>please wait</html>"
		if cut {
			text = string(body[:len(body)/2])
		}
		if len(body) == 0 {
			text = ""
		}
		resp.ContentLength = -1
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(text), failingReader{err}))
		return resp, nil
	}
}

// soaker is one goroutine, and what it was told of what is its own.
type soaker struct {
	*soak
	owner  string
	random *rand.Rand
	client *minapp.Client
	own    *minapp.Table[soakRow]
	// A hasty one cancels some of its calls. What it does not know may still be
	// on its way, so that it touches such a row no more.
	hasty bool
	last  int
	rows  map[string]*belief
	names map[string]*belief // of tables
	tasks map[string]*belief // by name
}

// belief is what is known of a row, a table or a task. Without certainty it may
// be there or not; a row has one of the values.
type belief struct {
	id      string
	certain bool
	values  []int64
	frozen  bool
}

func (k *soak) soaker(i int) *soaker {
	client := k.clients[i%len(k.clients)]
	return &soaker{
		soak: k, owner: fmt.Sprintf("w%02d", i), random: rand.New(rand.NewPCG(uint64(i), rand.Uint64())),
		client: client, own: minapp.TableOf[soakRow](client, k.table), hasty: i%5 == 4,
		rows: map[string]*belief{}, names: map[string]*belief{}, tasks: map[string]*belief{},
	}
}

// soakSteps is everything, the usual more often.
var soakSteps = []func(*soaker){
	(*soaker).create, (*soaker).create, (*soaker).get, (*soaker).get, (*soaker).update, (*soaker).update, (*soaker).delete,
	(*soaker).createMany, (*soaker).createAll, (*soaker).createAll, (*soaker).updateWhere, (*soaker).updateWhere, (*soaker).deleteWhere,
	(*soaker).importRows, (*soaker).readAll, (*soaker).scan, (*soaker).pageAndCount, (*soaker).export,
	(*soaker).useTables, (*soaker).useTasks, (*soaker).signIn, (*soaker).lookAround,
}

// ctx is that of one call.
func (w *soaker) ctx() (context.Context, context.CancelFunc) {
	if w.hasty && w.random.IntN(2) == 0 {
		return context.WithTimeout(w.Context(), time.Duration(w.random.Int64N(int64(5*time.Millisecond))))
	}
	return context.WithCancel(w.Context())
}

func (w *soaker) fresh(n int) []soakRow {
	list := make([]soakRow, n)
	for i := range list {
		w.last++
		list[i] = soakRow{w.owner, fmt.Sprintf("%s-%d", w.owner, w.last), int64(w.random.IntN(1000))}
	}
	return list
}

// mine is the condition of all own rows.
func (w *soaker) mine() where.Cond { return where.Eq("owner", w.owner) }

// some are own rows that may be touched, with their ids.
func (w *soaker) some(n int) (keys []string) {
	for key, b := range w.rows {
		if len(keys) < n && b.id != "" && !b.frozen && len(b.values) < 8 {
			keys = append(keys, key)
		}
	}
	return keys
}

// uncertain reports whether a write may have happened. Every other error must be
// one that the storm explains: nothing is refused for another reason.
func (w *soaker) uncertain(err error) bool {
	if errors.Is(err, minapp.ErrOutcomeUnknown) {
		w.unknown.Add(1)
		return true
	}
	explained := []error{minapp.ErrUnavailable, minapp.ErrRateLimited, minapp.ErrProtocol, context.DeadlineExceeded}
	assert.True(w, slices.ContainsFunc(explained, func(e error) bool { return errors.Is(err, e) }) || signInWasSpent(err), "%s: %v", w.owner, err)
	return false
}

// signInWasSpent tells a redirect of the sign-in whose answer was lost: net/http
// repeats a GET by itself, and the session behind it works once.
func signInWasSpent(err error) bool {
	return errors.Is(err, minapp.ErrUnauthorized) && strings.Contains(err.Error(), "oauth.code: 401 unauthorized: the cookie of the")
}

// wrote notes what became of a new row.
func (w *soaker) wrote(row soakRow, id string, err error) {
	if err == nil || w.uncertain(err) {
		w.rows[row.Key] = &belief{id: id, certain: err == nil, values: []int64{row.Value}, frozen: w.hasty && err != nil}
	}
}

// changed notes what became of a change of a row.
func (w *soaker) changed(b *belief, change func(int64) int64, err error) {
	var values []int64
	for _, v := range b.values {
		values = append(values, change(v))
	}
	switch {
	case err == nil:
		b.certain, b.values = true, values
	case w.uncertain(err):
		b.values, b.frozen = append(values, b.values...), w.hasty
	}
	slices.Sort(b.values)
	b.values = slices.Compact(b.values)
}

// saw compares a row that was read with what was told.
func (w *soaker) saw(row soakRow, id string) {
	b := w.rows[row.Key]
	if !assert.NotNil(w, b, "%s: nobody wrote %v", w.owner, row) {
		return
	}
	assert.Contains(w, b.values, row.Value, "%s: %v", w.owner, row)
	if !b.frozen {
		*b = belief{id: id, certain: true, values: []int64{row.Value}}
	}
}

// missed notes that a row was not there.
func (w *soaker) missed(key string) {
	b := w.rows[key]
	assert.False(w, b.certain, "%s: %s is not there: %+v", w.owner, key, b)
	if !b.frozen {
		delete(w.rows, key)
	}
}

// removed notes what became of a delete.
func (w *soaker) removed(key string, err error) {
	if err == nil {
		delete(w.rows, key)
	} else if w.uncertain(err) {
		w.rows[key].certain, w.rows[key].frozen = false, w.hasty
	}
}

func (w *soaker) create() {
	ctx, cancel := w.ctx()
	defer cancel()
	row := w.fresh(1)[0]
	record, err := w.own.Create(ctx, row)
	id := ""
	if err == nil {
		id = record.ID()
	}
	w.wrote(row, id, err)
}

func (w *soaker) get() {
	ctx, cancel := w.ctx()
	defer cancel()
	for _, key := range w.some(1) {
		switch record, err := w.own.Get(ctx, w.rows[key].id); {
		case err == nil:
			w.saw(record.Value, record.ID())
		case errors.Is(err, minapp.ErrNotFound):
			w.missed(key)
		default:
			w.uncertain(err)
		}
	}
}

// change is an idempotent patch, or one that must not happen twice.
func (w *soaker) change() (patch.Patch, func(int64) int64) {
	if w.random.IntN(2) == 0 {
		return patch.IncrBy("value", 1), func(v int64) int64 { return v + 1 }
	}
	n := int64(w.random.IntN(1000))
	return patch.Set("value", n), func(int64) int64 { return n }
}

func (w *soaker) update() {
	ctx, cancel := w.ctx()
	defer cancel()
	for _, key := range w.some(1) {
		p, change := w.change()
		record, err := w.own.Update(ctx, w.rows[key].id, p)
		if errors.Is(err, minapp.ErrNotFound) {
			w.missed(key)
			continue
		}
		w.changed(w.rows[key], change, err)
		if err == nil {
			w.saw(record.Value, record.ID())
		}
	}
}

func (w *soaker) delete() {
	ctx, cancel := w.ctx()
	defer cancel()
	for _, key := range w.some(1) {
		err := w.own.Delete(ctx, w.rows[key].id)
		if errors.Is(err, minapp.ErrNotFound) {
			w.missed(key)
			continue
		}
		w.removed(key, err)
	}
}

func (w *soaker) createMany() {
	ctx, cancel := w.ctx()
	defer cancel()
	rows := w.fresh(1 + w.random.IntN(20))
	batch, _ := w.own.CreateMany(ctx, rows)
	for i, o := range batch.Outcomes() {
		w.wrote(rows[i], o.ID, o.Err)
	}
}

func (w *soaker) createAll() {
	ctx, cancel := w.ctx()
	defer cancel()
	rows := w.fresh(1 + w.random.IntN(40))
	o := minapp.BatchOptions{Size: 1 + w.random.IntN(15), Parallel: w.random.IntN(5), OnBatch: func(b *minapp.Batch) {
		for _, o := range b.Outcomes() {
			w.wrote(rows[o.Index], o.ID, o.Err)
		}
	}}
	for b, err := range w.own.CreateAll(ctx, minapp.Items(slices.Values(rows)), o) {
		if b == nil {
			w.uncertain(err)
		}
		if w.random.IntN(10) == 0 {
			break
		}
	}
}

func (w *soaker) updateWhere() {
	ctx, cancel := w.ctx()
	defer cancel()
	keys := w.some(1 + w.random.IntN(30))
	if len(keys) == 0 {
		return
	}
	byID, left := map[string]*belief{}, map[string]string{}
	for _, key := range keys {
		b := w.rows[key]
		byID[b.id], left[b.id] = b, key
	}
	p, change := w.change()
	whole := true
	o := minapp.BatchOptions{Size: 1 + w.random.IntN(15), Parallel: w.random.IntN(5), OnBatch: func(b *minapp.Batch) {
		for _, o := range b.Outcomes() {
			if assert.Contains(w, left, o.ID, "%s: not asked for, or twice", w.owner) {
				delete(left, o.ID)
				w.changed(byID[o.ID], change, o.Err)
			}
		}
	}}
	for b, err := range w.own.UpdateWhere(ctx, w.mine().And(where.In("key", keys...)), p, o) {
		if b == nil {
			whole = false
			w.uncertain(err)
		}
		whole = whole && ctx.Err() == nil
	}
	for _, key := range left {
		if whole {
			w.missed(key)
		}
	}
}

func (w *soaker) deleteWhere() {
	ctx, cancel := w.ctx()
	defer cancel()
	keys := w.some(1 + w.random.IntN(60))
	if len(keys) == 0 {
		return
	}
	certain := 0
	for _, key := range keys {
		if w.rows[key].certain {
			certain++
		}
	}
	totals, err := w.own.DeleteWhere(ctx, w.mine().And(where.In("key", keys...)))
	assert.LessOrEqual(w, totals.Deleted, int64(len(keys)))
	if err == nil && !totals.AtLeast {
		assert.GreaterOrEqual(w, totals.Deleted, int64(certain), "%s: %+v", w.owner, totals)
	}
	for _, key := range keys {
		w.removed(key, err)
	}
}

func (w *soaker) importRows() {
	ctx, cancel := w.ctx()
	defer cancel()
	rows := w.fresh(1 + w.random.IntN(10))
	err := w.client.Imports.Start(ctx, w.table, minapp.JSONSource("rows.json", elements(rows...)))
	for _, row := range rows {
		w.wrote(row, "", err)
	}
}

// readAll reads all own rows: nobody else touches them, so that each of them is
// there once.
func (w *soaker) readAll() {
	ctx, cancel := w.ctx()
	defer cancel()
	q := minapp.Query{Where: w.mine(), PageSize: 7}
	if w.hasty {
		q.PageSize = 1000 // what is on its way may move the rows of the next page
	}
	w.readEach(w.own.All(ctx, q))
}

func (w *soaker) scan() {
	if !w.hasty { // it counts, and what is on its way may come in between
		w.readEach(w.own.Scan(w.Context(), minapp.ScanOptions{Where: w.mine(), PageSize: 20, Parallel: 3}))
	}
}

func (w *soaker) readEach(records func(func(*minapp.Record[soakRow], error) bool)) {
	seen := map[string]bool{}
	for record, err := range records {
		if err != nil {
			w.uncertain(err)
			return
		}
		assert.False(w, seen[record.Value.Key], "%s: twice", record.Value.Key)
		seen[record.Value.Key] = true
		w.saw(record.Value, record.ID())
	}
	w.readWhole(seen)
}

// readWhole notes that these are all own rows.
func (w *soaker) readWhole(seen map[string]bool) {
	w.reads.Add(1)
	for key := range w.rows {
		if !seen[key] {
			w.missed(key)
		}
	}
}

func (w *soaker) pageAndCount() {
	ctx, cancel := w.ctx()
	defer cancel()
	page, err := w.own.Page(ctx, minapp.Query{Where: w.mine(), PageSize: 10})
	if err != nil {
		w.uncertain(err)
		return
	}
	for _, record := range page.Records {
		w.saw(record.Value, record.ID())
	}
	n, err := w.own.Count(ctx, w.mine())
	if err != nil {
		w.uncertain(err)
		return
	}
	certain := int64(0)
	for _, b := range w.rows {
		if b.certain {
			certain++
		}
	}
	assert.GreaterOrEqual(w, n, certain)
	assert.LessOrEqual(w, n, int64(len(w.rows)))
}

// export is mostly told to wait: the service allows one at a time.
func (w *soaker) export() {
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
	defer cancel()
	ref, err := w.client.Exports.Create(ctx, w.table, minapp.ExportSpec{FileType: minapp.FileJSON, Where: w.mine()})
	if err != nil {
		w.uncertain(err)
		return
	}
	_, known := w.jobs.LoadOrStore(ref.Job, w.owner)
	assert.False(w, known, "job %s is somebody else's", ref.Job)
	job, err := w.client.Exports.Wait(w.Context(), ref, minapp.WaitOptions{Interval: time.Millisecond})
	if err != nil {
		w.uncertain(err)
		return
	}
	path := filepath.Join(w.dir, ref.Job+".json")
	if _, err := w.client.Exports.DownloadFile(w.Context(), job, path); err != nil {
		w.uncertain(err)
		return
	}
	seen := map[string]bool{}
	for row, err := range minapp.ExportRows[soakRow](minapp.ExportFile{Path: path, Rows: minapp.AnyRows}) {
		if !assert.NoError(w, err) {
			return
		}
		seen[row.Key] = true
		if b := w.rows[row.Key]; assert.NotNil(w, b) {
			w.saw(row, b.id)
		}
	}
	w.readWhole(seen)
	w.exports.Add(1)
}

// useTables makes a table, an index and a new name, and most often removes the
// table.
func (w *soaker) useTables() {
	ctx, cancel := w.ctx()
	defer cancel()
	w.last++
	name, tables := fmt.Sprintf("%s_%d", w.owner, w.last), w.client.Tables
	info, err := tables.Create(ctx, minapp.TableSpec{Name: name, Fields: []minapp.Field{{Name: "a", Type: minapp.TypeString}}})
	if err != nil {
		if w.uncertain(err) {
			w.names[name] = &belief{}
		}
		return
	}
	w.names[name] = &belief{certain: true}
	if got, err := tables.Get(ctx, info.ID); err == nil {
		assert.Equal(w, name, got.Name)
	} else {
		w.uncertain(err)
	}
	if _, err := tables.CreateIndex(ctx, info.ID, []string{"a"}); err != nil {
		w.uncertain(err)
	} else if indexes, err := tables.Indexes(ctx, info.ID); err != nil {
		w.uncertain(err)
	} else {
		assert.Len(w, indexes, 1)
	}
	if w.random.IntN(8) == 0 {
		return
	}
	if err := tables.Delete(ctx, info.ID); err == nil {
		delete(w.names, name)
	} else if w.uncertain(err) {
		w.names[name].certain = false
	}
}

// useTasks makes a task and most often removes it.
func (w *soaker) useTasks() {
	ctx, cancel := w.ctx()
	defer cancel()
	w.last++
	name, tasks := fmt.Sprintf("%s-%d", w.owner, w.last), w.client.ExportTasks
	short, cancelled := context.WithTimeout(ctx, time.Second) // it looks for a lost task for 7 s
	defer cancelled()
	task, err := tasks.Create(short, taskOf(name, "f-1", "f-2"))
	if err != nil {
		if w.uncertain(err) {
			w.tasks[name] = &belief{}
		}
		return
	}
	w.tasks[name] = &belief{certain: true}
	if got, err := tasks.Get(ctx, task.ID); err == nil {
		assert.Equal(w, name, got.Name)
	} else {
		w.uncertain(err)
	}
	files := 0
	for _, err := range tasks.Files(ctx, task.ID, byoa.FileQuery{}) {
		if err != nil {
			w.uncertain(err)
			files = 2
			break
		}
		files++
	}
	assert.Equal(w, 2, files)
	if _, err := tasks.Wait(ctx, task.ID, minapp.WaitOptions{Interval: time.Millisecond}); err != nil {
		w.uncertain(err)
		return
	}
	if w.random.IntN(8) == 0 {
		return
	}
	if err := tasks.Delete(ctx, task.ID); err == nil {
		delete(w.tasks, name)
	} else if w.uncertain(err) {
		w.tasks[name].certain = false
	}
}

func (w *soaker) signIn() {
	ctx, cancel := w.ctx()
	defer cancel()
	c, err := w.client.With(minapp.WithClientCredentials(appID, appSecret))
	if !assert.NoError(w, err) {
		return
	}
	if _, err := c.Records.Count(ctx, w.table, w.mine()); err != nil {
		w.uncertain(err)
	}
}

func (w *soaker) lookAround() {
	ctx, cancel := w.ctx()
	defer cancel()
	if _, err := w.client.ServerTime(ctx); err != nil {
		w.uncertain(err)
	}
	if c, err := w.client.Connectors.Find(ctx, "kb"); err != nil {
		w.uncertain(err)
	} else {
		assert.Equal(w, "1", c.ID)
	}
	if _, err := w.client.Exports.Page(ctx, w.table, minapp.ExportQuery{PageSize: 5}); err != nil {
		w.uncertain(err)
	}
}

// checkTables compares the tables that are there with what was told.
func (k *soak) checkTables(w *soaker) {
	there := map[string]int{}
	for table, err := range k.plain.Tables.All(k.Context(), minapp.TableQuery{}) {
		require.NoError(k, err)
		if strings.HasPrefix(table.Name, w.owner+"_") {
			there[table.Name]++
		}
	}
	k.compare(w.names, there)
}

func (k *soak) checkTasks(w *soaker) {
	there := map[string]int{}
	for task, err := range k.plain.ExportTasks.All(k.Context(), byoa.TaskQuery{}) {
		require.NoError(k, err)
		if strings.HasPrefix(task.Name, w.owner+"-") {
			there[task.Name]++
		}
	}
	k.compare(w.tasks, there)
}

func (k *soak) checkRows(everybody []*soaker) {
	told := map[string]*belief{}
	for _, w := range everybody {
		maps.Copy(told, w.rows)
	}
	there := map[string]int{}
	for _, row := range k.server.Rows(int64(k.table)) {
		key := row["key"].(string)
		there[key]++
		var value int64
		_, err := fmt.Sscan(fmt.Sprint(row["value"]), &value)
		require.NoError(k, err)
		if b := told[key]; b != nil {
			assert.Contains(k, b.values, value, key)
		}
	}
	k.rows = len(there)
	k.compare(told, there)
}

// compare counts what is not as it was told.
func (k *soak) compare(told map[string]*belief, there map[string]int) {
	for name, b := range told {
		if b.certain && there[name] == 0 {
			k.lost++
			k.Logf("%s is lost", name)
		}
	}
	for name, n := range there {
		if n > 1 {
			k.doubled++
			k.Logf("%s is there %d times", name, n)
		}
		if told[name] == nil {
			k.strays++
			k.Logf("%s is a stray", name)
		}
	}
}

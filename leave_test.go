package minapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// steps is a sequence of whatever elements: only its errors matter here.
type steps = iter.Seq[error]

func stepsOf[V any](seq iter.Seq2[V, error]) steps {
	return func(yield func(error) bool) {
		for _, err := range seq {
			if !yield(err) {
				return
			}
		}
	}
}

// iteratorCase is a sequence that this package exports, over seven elements or
// more in pages of three.
type iteratorCase struct {
	name  string // of the function, as documentation names it
	what  string
	op    string // whose requests it makes
	waits bool   // leaving waits for what is on its way, as documented
	steps func(ctx context.Context, h *hall) steps
}

func (c iteratorCase) String() string { return c.name + c.what }

// hall is what there is to iterate over.
type hall struct {
	*minapptest.Server
	t      *testing.T
	client *minapp.Client
	rows   *minapp.Table[article] // one a second
	second *minapp.Table[article] // all in one
	empty  *minapp.Table[article]
	file   string
}

// ids are those of the rows.
func (h *hall) ids() []string {
	var ids []string
	for _, row := range h.Rows(int64(h.rows.ID())) {
		ids = append(ids, row["id"].(string))
	}
	return ids
}

var threeAtATime = minapp.Query{PageSize: 3}

func pieceOf(page int) minapp.ScanRange {
	return minapp.ScanRange{By: minapp.ByCreatedAt, From: beginning, To: beginning + 100, PageSize: page}
}

func inputOf(n int) iter.Seq2[article, error] {
	return minapp.Items(func(yield func(article) bool) {
		for i := range n {
			if !yield(article{Name: name(i)}) {
				return
			}
		}
	})
}

var iteratorCases = []iteratorCase{
	{name: "Table.All", op: "records.list", steps: func(ctx context.Context, h *hall) steps { return stepsOf(h.rows.All(ctx, threeAtATime)) }},
	{name: "RecordService.All", op: "records.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.Records.All(ctx, h.rows.ID(), threeAtATime))
	}},
	{name: "AllIn", op: "records.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(minapp.AllIn(ctx, h.rows, "price", []int{0, 1, 2, 3, 4, 5, 6}, threeAtATime))
	}},
	{name: "Values", op: "records.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(minapp.Values(h.rows.All(ctx, threeAtATime)))
	}},
	{name: "Table.Scan", op: "records.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.rows.Scan(ctx, minapp.ScanOptions{PageSize: 3, Parallel: 1}))
	}},
	{name: "Table.Scan", what: " of one second", op: "records.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.second.Scan(ctx, minapp.ScanOptions{PageSize: 3, Parallel: 1}))
	}},
	{name: "RecordService.Scan", op: "records.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.Records.Scan(ctx, h.rows.ID(), minapp.ScanOptions{PageSize: 3, Parallel: 1}))
	}},
	{name: "Table.Chunks", op: "records.list", steps: func(ctx context.Context, h *hall) steps { return stepsOf(h.rows.Chunks(ctx, pieceOf(3))) }},
	{name: "Table.Chunks", what: " of one second", op: "records.list", steps: func(ctx context.Context, h *hall) steps { return stepsOf(h.second.Chunks(ctx, pieceOf(3))) }},

	{name: "TableService.All", op: "tables.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.Tables.All(ctx, minapp.TableQuery{PageSize: 3}))
	}},
	{name: "UserService.All", op: "users.list", steps: func(ctx context.Context, h *hall) steps { return stepsOf(h.client.Users.All(ctx, threeAtATime)) }},
	{name: "FileService.All", op: "files.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.Files.All(ctx, minapp.FileQuery{PageSize: 3}))
	}},
	{name: "ExportService.All", op: "exports.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.Exports.All(ctx, h.rows.ID(), minapp.ExportQuery{PageSize: 3}))
	}},
	{name: "ExportTaskService.All", op: "exporttasks.list", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.ExportTasks.All(ctx, byoa.TaskQuery{PageSize: 3}))
	}},
	{name: "ExportTaskService.Files", op: "exporttasks.files", steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.ExportTasks.Files(ctx, "task-1", byoa.FileQuery{PageSize: 3}))
	}},
	{name: "ConnectorService.All", op: "connectors.list", steps: func(ctx context.Context, h *hall) steps { return stepsOf(h.client.Connectors.All(ctx)) }},

	{name: "Table.CreateAll", op: "bulk.create", waits: true, steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.empty.CreateAll(ctx, inputOf(7), minapp.BatchOptions{Size: 3}))
	}},
	{name: "BulkService.CreateAll", op: "bulk.create", waits: true, steps: func(ctx context.Context, h *hall) steps {
		rows := minapp.Items(slices.Values([]minapp.Fields{{"name": "a"}, {"name": "b"}, {"name": "c"}}))
		return stepsOf(h.client.Bulk.CreateAll(ctx, h.empty.ID(), rows, minapp.BatchOptions{Size: 1}))
	}},
	{name: "Table.UpdateWhere", op: "bulk.update", waits: true, steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.rows.UpdateWhere(ctx, where.Everything(), patch.Set("price", 1), minapp.BatchOptions{Size: 3}))
	}},
	{name: "Table.UpdateWhere", what: ", reading ids", op: "records.list", waits: true, steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.rows.UpdateWhere(ctx, where.Everything(), patch.Set("price", 1), minapp.BatchOptions{Size: 3}))
	}},
	{name: "BulkService.UpdateWhere", op: "bulk.update", waits: true, steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.Bulk.UpdateWhere(ctx, h.rows.ID(), where.Everything(), patch.Set("price", 1), minapp.BatchOptions{Size: 3}))
	}},
	{name: "Table.UpdateMany", op: "bulk.update", waits: true, steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.rows.UpdateMany(ctx, h.ids(), patch.Set("price", 1), minapp.BatchOptions{Size: 3}))
	}},
	{name: "BulkService.UpdateMany", op: "bulk.update", waits: true, steps: func(ctx context.Context, h *hall) steps {
		return stepsOf(h.client.Bulk.UpdateMany(ctx, h.rows.ID(), h.ids(), patch.Set("price", 1), minapp.BatchOptions{Size: 3}))
	}},

	{name: "Items", steps: func(context.Context, *hall) steps { return stepsOf(inputOf(7)) }},
	{name: "ExportRows", steps: func(_ context.Context, h *hall) steps {
		return stepsOf(minapp.ExportRows[article](minapp.ExportFile{Path: h.file, Rows: 7}))
	}},
}

// Every function of the package that gives a sequence is among the cases.
func TestEverySequenceHasACase(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range iteratorCases {
		tested[c.name] = true
	}
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range names {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.IsExported() && givesSequence(f) {
				name := strings.TrimPrefix(receiver(f)+"."+f.Name.Name, ".")
				assert.True(t, tested[name], "%s is not among iteratorCases", name)
			}
		}
	}
}

func givesSequence(f *ast.FuncDecl) (gives bool) {
	if f.Type.Results != nil {
		ast.Inspect(f.Type.Results, func(n ast.Node) bool {
			pkg, ok := n.(*ast.Ident)
			gives = gives || ok && pkg.Name == "iter"
			return true
		})
	}
	return gives
}

func receiver(f *ast.FuncDecl) (name string) {
	if f.Recv != nil {
		ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
			if ident, ok := n.(*ast.Ident); ok && name == "" {
				name = ident.Name
			}
			return true
		})
	}
	return name
}

// inHall runs f in a bubble.
func inHall(t *testing.T, transport func(http.RoundTripper) http.RoundTripper, f func(*hall)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rows.json")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat(`{"name":"a"}`, 7)), 0o600))
	synctest.Test(t, func(t *testing.T) {
		s := minapptest.NewServer(t)
		h := &hall{Server: s, t: t, file: file}
		through := s.Client().Transport
		if transport != nil {
			through = transport(through)
		}
		var err error
		h.client, err = minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{Transport: through}))...)
		require.NoError(t, err)
		h.furnish()
		f(h)
		s.Client().CloseIdleConnections()
	})
}

func (h *hall) furnish() {
	t := h.t
	t.Helper()
	table := func(name string, second func(int) int, n int) *minapp.Table[article] {
		id, err := h.CreateTable(minapptest.Table{Name: name, Schema: articleSchema})
		require.NoError(t, err)
		for i := range n {
			_, err := h.Seed(id, map[string]any{"name": fmt.Sprint("n", i), "price": i, "created_at": beginning + second(i)})
			require.NoError(t, err)
		}
		return minapp.TableOf[article](h.client, minapp.TableID(id))
	}
	h.rows, h.second, h.empty = table("rows", eachSecond, 7), table("second", sameSecond, 7), table("empty", eachSecond, 0)
	var data minapptest.Data
	users := minapptest.Table{Name: "_userprofile", Schema: minapptest.Schema{Fields: []minapptest.Field{{Name: "nickname", Type: "string"}}}}
	task := minapptest.MOITask{ID: "task-1", Name: "t"}
	for i := range 7 {
		table(fmt.Sprint("other", i), eachSecond, 0)
		users.Rows = append(users.Rows, fmt.Appendf(nil, `{"id":%d,"nickname":"u"}`, 100+i))
		task.Files = append(task.Files, minapptest.MOIFile{FullPath: []string{"a"}, Status: 2})
		data.Files = append(data.Files, map[string]any{
			"id": fmt.Sprintf("%024x", i), "name": "a", "created_at": beginning + i, "mime_type": "image/png", "cdn_path": "a", "size": 1,
		})
		data.Exports = append(data.Exports, minapptest.ExportJob{Table: int64(h.rows.ID()), ID: fmt.Sprint("job-", i), FileType: "csv", CreatedAt: int64(beginning + i)})
		data.MOI.Tasks = append(data.MOI.Tasks, minapptest.MOITask{ID: fmt.Sprint("more-", i), Name: "t"})
	}
	data.Tables, data.MOI.Tasks = []minapptest.Table{users}, append(data.MOI.Tasks, task)
	for i := range 250 { // in pages of 100
		data.MOI.Connectors = append(data.MOI.Connectors, minapptest.MOIConnector{Name: fmt.Sprint("c", i)})
	}
	text, err := json.Marshal(data)
	require.NoError(t, err)
	require.NoError(t, h.LoadData(bytes.NewReader(text)))
}

// positions are where a loop over n elements is left: in every place of the
// first pages, and at the end.
func positions(n int) (list []int) {
	for i := 1; i <= min(n, 7); i++ {
		list = append(list, i)
	}
	return append(list, n)
}

// ours lists the goroutines that run code of this package and are not the
// test's, once those that are about to end have ended: no time passes.
func ours() (found []string) {
	synctest.Wait()
	buffer := make([]byte, 1<<20)
	stacks := strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n")
	for _, stack := range stacks[1:] { // the first one is this one
		if regexp.MustCompile(`minapp-go/minapp(\.\(|\.[a-z]|/internal/)`).MatchString(stack) {
			found = append(found, stack)
		}
	}
	return found
}

func lengthOf(s steps) (n int) {
	for err := range s {
		if err == nil {
			n++
		}
	}
	return n
}

// Whatever the place, and however a loop is left, that is the end of it: no
// goroutine is left, and no time has passed.
func TestSequencesAreLeftAtOnce(t *testing.T) {
	for _, c := range iteratorCases {
		t.Run(c.String(), func(t *testing.T) {
			n := 0
			inHall(t, nil, func(h *hall) { n = lengthOf(c.steps(h.t.Context(), h)) })
			require.GreaterOrEqual(t, n, 3)
			for _, at := range positions(n) {
				inHall(t, nil, func(h *hall) {
					t := h.t
					begin, i := time.Now(), 0
					for err := range c.steps(t.Context(), h) {
						require.NoError(t, err)
						if i++; i == at {
							break
						}
					}
					assert.Empty(t, ours(), "break at %d", at)
					assert.Zero(t, time.Since(begin))
				})
			}
			inHall(t, nil, func(h *hall) {
				t := h.t
				assert.Panics(t, func() {
					for err := range c.steps(t.Context(), h) {
						panic(fmt.Sprint("in the loop, ", err))
					}
				})
				assert.Empty(t, ours(), "a panic in the loop")
			})
		})
	}
}

// A request that hangs holds nobody up who wants to go: neither a break while
// the next page is on its way, nor the end of the context while the loop waits
// for it, which is told once.
func TestSequencesAreLeftWhileARequestHangs(t *testing.T) {
	for _, c := range iteratorCases {
		if c.op == "" {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			for skip := range 6 {
				hang := minapptest.Fault{Operation: c.op, Skip: skip, Times: -1, Delay: 24 * time.Hour}
				passed, hung := 0, false
				inHall(t, nil, func(h *hall) {
					t := h.t
					h.Fault(hang)
					begin, why := time.Now(), errors.New("enough")
					ctx, cancel := context.WithCancelCause(t.Context())
					defer time.AfterFunc(time.Minute, func() { cancel(why) }).Stop()
					defer cancel(nil)
					var ends []error
					for err := range c.steps(ctx, h) {
						if err != nil {
							ends = append(ends, err)
						} else {
							passed++
						}
					}
					assert.Empty(t, ours(), "cancelled in request %d", skip)
					if hung = time.Since(begin) > 0; hung {
						assert.Equal(t, time.Minute, time.Since(begin))
						require.Len(t, ends, 1)
						require.ErrorIs(t, ends[0], why)
					}
				})
				if !hung {
					return // there are no more requests
				}
				for _, at := range positions(passed) {
					if at == 0 || c.waits {
						continue
					}
					inHall(t, nil, func(h *hall) {
						t := h.t
						h.Fault(hang)
						begin, i := time.Now(), 0
						for err := range c.steps(t.Context(), h) {
							require.NoError(t, err)
							if i++; i == at {
								synctest.Wait() // the next page, if it is fetched ahead, is on its way
								break
							}
						}
						assert.Empty(t, ours(), "break at %d, request %d hangs", at, skip)
						assert.Zero(t, time.Since(begin))
					})
				}
			}
		})
	}
}

// Once the context has ended, in the loop, there is no further element, and the
// cause is told once.
func TestSequencesEndWithTheirContext(t *testing.T) {
	for _, c := range iteratorCases {
		if c.op == "" {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			n := 0
			inHall(t, nil, func(h *hall) { n = lengthOf(c.steps(h.t.Context(), h)) })
			for _, at := range positions(n) {
				inHall(t, nil, func(h *hall) {
					t := h.t
					why := errors.New("enough")
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					i := 0
					var ends []error
					for err := range c.steps(ctx, h) {
						if i++; i == at {
							cancel(why)
						}
						if err != nil {
							ends = append(ends, err)
						}
					}
					assert.Empty(t, ours(), "cancelled at %d", at)
					if at == n && len(ends) == 0 {
						return // nothing was left to end
					}
					assert.Equal(t, at+1, i)
					require.Len(t, ends, 1, "cancelled at %d", at)
					require.ErrorIs(t, ends[0], why)
				})
			}
		})
	}
}

// Several readers, of which all but a few hang, are left like one. The first two
// requests look at the ends of the table.
func TestAParallelScanIsLeftAtOnce(t *testing.T) {
	for pages := 1; pages <= 4; pages++ {
		inHall(t, nil, func(h *hall) {
			t := h.t
			h.Fault(minapptest.Fault{Operation: "records.list", Skip: 2 + pages, Times: -1, Delay: 24 * time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // that one page may have no rows
			defer cancel()
			var left time.Time
			for r, err := range h.rows.Scan(ctx, minapp.ScanOptions{PageSize: 3, Parallel: 4}) {
				assert.True(t, r != nil || errors.Is(err, context.DeadlineExceeded))
				synctest.Wait()
				left = time.Now()
				break
			}
			assert.Zero(t, time.Since(left))
			assert.Empty(t, ours())
		})
	}
}

// stuck is a service that answers every page like the first one.
type stuck struct {
	next  http.RoundTripper
	alter func(first, asked string) string // the offset that it claims

	mu    sync.Mutex
	first map[string][]byte
	sent  int
}

var ownOffset = regexp.MustCompile(`"offset":\d+,?`)

func (s *stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	key := strings.Join([]string{r.Method, r.URL.Path, q.Get("limit"), q.Get("order_by"), q.Get("return_total_count")}, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	resp, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if s.first[key] == nil {
		s.first[key] = body
	}
	text := ownOffset.ReplaceAllStringFunc(string(s.first[key]), func(own string) string {
		return s.alter(own, fmt.Sprintf(`"offset":%s,`, "0"+q.Get("offset")))
	})
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return resp, nil
}

// A page that comes again is an error and not a loop, whatever the service says
// about the place of the page.
func TestAStuckPageIsAnErrorOfEverySequence(t *testing.T) {
	for claims, alter := range map[string]func(first, asked string) string{
		"as it was": func(first, _ string) string { return first },
		"left out":  func(string, string) string { return "" },
		"as asked":  func(_, asked string) string { return regexp.MustCompile(`:0+(\d)`).ReplaceAllString(asked, ":$1") },
	} {
		for _, c := range iteratorCases {
			if !strings.HasSuffix(c.op, ".list") && c.op != "exporttasks.files" || strings.HasPrefix(c.what, ", reading") {
				continue
			}
			service := &stuck{alter: alter, first: map[string][]byte{}}
			inHall(t, func(next http.RoundTripper) http.RoundTripper { service.next = next; return service }, func(h *hall) {
				t := h.t
				passed := 0
				var ends []error
				for err := range c.steps(t.Context(), h) {
					if passed++; err != nil {
						ends = append(ends, err)
					}
				}
				assert.Greater(t, passed, 1, "%s, offset %s: elements of the first page", c, claims)
				require.Len(t, ends, 1, "%s, offset %s", c, claims)
				assert.True(t, errors.Is(ends[0], minapp.ErrProtocol) || errors.Is(ends[0], minapp.ErrScanDrift), "%s, offset %s: %v", c, claims, ends[0])
				assert.LessOrEqual(t, service.sent, 60, "%s, offset %s: requests", c, claims)
			})
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary start itself as the server and as the jobs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "job") {
		main()
		return
	}
	os.Exit(m.Run())
}

// The whole program: the server and the jobs in processes of their own, the
// table and the chart.
func TestRun(t *testing.T) {
	p := plan{rounds: 1, costs: []int{100, 1_500}, pick: func(s size) int { return min(s.quick, 2_500) }}
	for _, g := range groups() {
		if g.rounds.quick == 1 && !g.aside {
			g.latency = time.Millisecond
			p.groups = append(p.groups, g)
		}
	}
	var out bytes.Buffer
	chart := filepath.Join(t.TempDir(), "chart.svg")
	if err := p.run(t.Context(), &out, chart); err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(chart)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range p.groups {
		for _, text := range append([]string{g.name}, names(g.jobs)...) {
			if !strings.Contains(out.String(), text) || !bytes.Contains(drawn, []byte(text)) {
				t.Errorf("%q is missing in the table or in the chart", text)
			}
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// Every job reads or writes each row once.
func TestSumsOfEveryJob(t *testing.T) {
	base := testServer(t)
	for _, g := range groups() {
		for _, j := range g.jobs {
			t.Run(g.name+"/"+j.name, func(t *testing.T) {
				rows := map[string]int{"": 2 * pageSize, calls: 100, mebibytes: 3}[g.unit]
				e, err := newEnv(base, min(g.latency, time.Millisecond), rows)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := measure(t.Context(), j.do, e); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func names(jobs []job) (names []string) {
	for _, j := range jobs {
		names = append(names, j.name)
	}
	return names
}

// Names are how a process is told its job, and what a block's lines compare with
// is a line of the same block.
func TestJobsHaveNamesOfTheirOwn(t *testing.T) {
	seen := make(map[string]bool)
	for _, g := range groups() {
		for _, name := range names(g.jobs) {
			if key := g.name + ": " + name; seen[key] {
				t.Errorf("two jobs are called %q", key)
			} else {
				seen[key] = true
			}
		}
	}
}

func testServer(t *testing.T) string {
	t.Helper()
	s, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.handler())
	t.Cleanup(h.Close)
	return h.URL
}

func fetch(t *testing.T, url string) (status int, body []byte) {
	t.Helper()
	var text bytes.Buffer
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := text.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text.Bytes()
}

// The prepared bytes are the rows that the query asks for.
func TestServerAnswersWhatTheQueryAsksFor(t *testing.T) {
	const rows = 9_001 // over two borders of the period, and not full seconds
	base := testServer(t) + "/0s/oserve/v2.4/table/9001/record/"
	for _, tc := range []struct {
		query    string
		from, to int
		more     bool
	}{
		{`order_by=created_at&limit=1000`, 0, 1000, true},
		{`order_by=created_at,id&limit=1000&offset=3500`, 3500, 4500, true},
		{`order_by=created_at&limit=1000&offset=9000`, 9000, 9001, false},
		{`order_by=created_at&limit=1000&offset=10000`, 0, 0, false},
		{`order_by=created_at&limit=1&keys=created_at&where={"$and":[{"created_at":{"$gte":-9007199254740992}},{"created_at":{"$lt":9007199254740992}}]}`, 0, 1, true},
		{`order_by=-created_at&limit=1`, 9000, 9001, false},
		{`order_by=created_at&limit=1000&where={"$and":[{"created_at":{"$gte":1500000999}},{"created_at":{"$lt":1500001001}}]}`, 3996, 4004, false},
		{`order_by=created_at&limit=3&where={"$and":[{"created_at":{"$gte":1500000999}},{"created_at":{"$lt":1500001001}}]}`, 3996, 3999, true},
		{`order_by=id&limit=1000&offset=1&where={"created_at":{"$eq":1500000002}}`, 9, 12, false},
		{`order_by=id&limit=1000&where={"created_at":{"$isnull":true}}`, 0, 0, false},
		{`order_by=created_at&limit=9&where={"created_at":{"$gte":1600000000}}`, 0, 0, false},
	} {
		t.Run(tc.query, func(t *testing.T) {
			status, body := fetch(t, base+"?"+escaped(tc.query))
			if status != http.StatusOK {
				t.Fatalf("%d: %s", status, body)
			}
			var page Page
			if err := json.Unmarshal(body, &page); err != nil {
				t.Fatal(err)
			}
			if len(page.Objects) != tc.to-tc.from {
				t.Fatalf("%d rows, not %d", len(page.Objects), tc.to-tc.from)
			}
			for i, got := range page.Objects {
				if !sameRow(got, row(tc.from+i)) {
					t.Fatalf("row %d is %+v, not %+v", tc.from+i, got, row(tc.from+i))
				}
			}
			if more := page.Meta.Next != ""; more != tc.more {
				t.Errorf("next: %v", more)
			}
		})
	}
	_, body := fetch(t, base+"?limit=1&return_total_count=1")
	if !bytes.Contains(body, []byte(`"total_count":9001`)) {
		t.Errorf("no count: %.200s", body)
	}
	_, body = fetch(t, base+rowID(rows-1)+"/")
	var one Row
	if err := json.Unmarshal(body, &one); err != nil || !sameRow(one, row(rows-1)) {
		t.Errorf("got %s, %v", body, err)
	}
}

func escaped(query string) string {
	name, where, found := strings.Cut(query, "where=")
	if !found {
		return query
	}
	return name + "where=" + url.QueryEscape(where)
}

func sameRow(a, b Row) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

func TestServerRefusesWhatItWasNotMadeFor(t *testing.T) {
	base := testServer(t) + "/0s/oserve/v2.4/table/9001/record/"
	for _, query := range []string{
		"?limit=1001", "?limit=0", "?offset=-1", "?limit=x", "?order_by=price", "?expand=created_by", "?order_by=-created_at&limit=2",
		"?where=" + url.QueryEscape(`{"price":{"$gt":1}}`), "?where=" + url.QueryEscape(`{"created_at":{"$gt":1}}`),
		"5be3f5784015000000000/", "x/",
	} {
		if status, _ := fetch(t, base+query); status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, status)
		}
	}
}

// A row that is lost, doubled or damaged on the way fails its job.
func TestWrongSumsFail(t *testing.T) {
	e, err := newEnv(testServer(t), 0, 2_000)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*tally){
		"right":   func(*tally) {},
		"lost":    func(t *tally) { t.Rows--; t.Price -= price(7); t.Created -= createdAt(7) },
		"doubled": func(t *tally) { t.Created += createdAt(8) - createdAt(0) },
		"damaged": func(t *tally) { t.Price++ },
	} {
		_, err := measure(t.Context(), func(ctx context.Context, e *env) (tally, error) {
			got, err := readByOffset(newByHand, 0)(ctx, e)
			spoil(&got)
			return got, err
		}, e)
		if fails := err != nil; fails != (name != "right") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The server adds up what is written, and refuses what it cannot read.
func TestWritesAreAddedUp(t *testing.T) {
	base := testServer(t)
	e, err := newEnv(base, 0, 1_500)
	if err != nil {
		t.Fatal(err)
	}
	got, err := createInOrder(newByHand)(t.Context(), e)
	if err != nil || got != want(1_500) {
		t.Fatalf("%+v, %v", got, err)
	}
	if again, err := e.written(t.Context()); err != nil || again != (tally{}) {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	var answer json.RawMessage
	if err := newByHand().post(t.Context(), e.tableURL(), []Row{row(0)}, &answer); err == nil {
		t.Error("a batch of other rows was taken")
	}
}

func TestRatiosAreTakenWithinRounds(t *testing.T) {
	at := func(rows int, seconds, cpu, allocs, peak float64) result {
		return result{Rows: rows, Seconds: seconds, CPU: cpu, Server: cpu, Allocs: allocs, Peak: peak}
	}
	first := []result{at(100, 1, 1, 1000, 20), at(100, 10, 1, 1000, 20), at(100, 2, 1, 1000, 20)}
	runs := []result{at(200, 1, 1, 4000, 20), at(200, 10, 1, 4000, 30), at(200, 1, 1, 4000, 20)}
	s := summarizeJob(job{}, runs, first)
	if s.Ratio != 2 || s.CPURatio != 0.5 || s.Allocs != 20 || s.Extra != 10 || s.Peak != 30 || s.Server != 0.5 || s.Rate != 200 {
		t.Errorf("%+v", s)
	}
}

func TestVerdictNamesWhatIsMissed(t *testing.T) {
	s := summary{job: job{target: target{faster: 1.7, noCPU: true, memory: 64}}, Ratio: 1.7, CPURatio: 1, Peak: 64}
	if text, ok := s.verdict(); !ok || text != "≥ 1.7 ×, CPU ≤ 1 ×, ≤ 64 MiB: met" {
		t.Errorf("%q, %v", text, ok)
	}
	s.CPURatio, s.Peak = 1.01, 65
	if text, ok := s.verdict(); ok || !strings.HasSuffix(text, ": MISSED CPU ≤ 1 ×, ≤ 64 MiB") {
		t.Errorf("%q, %v", text, ok)
	}
	s = summary{job: job{target: target{slower: 1.05, allocs: 18}}, Ratio: 0.9, Extra: 19}
	if text, ok := s.verdict(); ok || !strings.HasSuffix(text, ": MISSED time ≤ 1.05 ×, ≤ 18 allocs more") {
		t.Errorf("%q, %v", text, ok)
	}
}

// Paging by offset costs more for each row the larger the table is; Scan does
// not.
func TestCostOfPagingGrowsAndThatOfScanDoesNot(t *testing.T) {
	costs, err := measureCosts(t.Context(), []int{2_000, 8_000})
	if err != nil {
		t.Fatal(err)
	}
	small, large := costs[0], costs[1]
	if large.Offset < 2*small.Offset || large.Scan > 1.5*small.Scan {
		t.Errorf("%+v", costs)
	}
}

func TestMedian(t *testing.T) {
	for _, values := range [][]float64{{2}, {3, 1}, {9, 2, 1}, {1, 9, 3, 1}} {
		if got := median(slices.Clone(values)); got != 2 {
			t.Errorf("median of %v is %v", values, got)
		}
	}
}

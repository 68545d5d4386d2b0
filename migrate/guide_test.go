package migrate_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// largeTable answers for a table of so many rows, one in every second. It
// exports nothing.
type largeTable int64

const firstSecond = 1_500_000_000

func (n largeTable) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return answer(r, http.StatusBadRequest, `{}`), nil
	}
	query := r.URL.Query()
	at, _ := strconv.ParseInt(query.Get("offset"), 10, 64)
	if query.Get("order_by") == "-created_at" {
		at = int64(n) - 1
	}
	from, until := bound(query.Get("where"), "$gte", 0), bound(query.Get("where"), "$lt", int64(n))
	return answer(r, http.StatusOK, fmt.Sprintf(`{"meta":{"total_count":%d,"next":null},"objects":[{"id":"5be3f57840507204ce725fc7","created_at":%d}]}`,
		until-from, firstSecond+at)), nil
}

// bound is the place that a filter names.
func bound(where, operator string, otherwise int64) int64 {
	match := regexp.MustCompile(`"created_at":\{"` + regexp.QuoteMeta(operator) + `":(\d+)`).FindStringSubmatch(where)
	if match == nil {
		return otherwise
	}
	second, _ := strconv.ParseInt(match[1], 10, 64)
	return second - firstSecond
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

func (n largeTable) client(t *testing.T) *minapp.Client {
	t.Helper()
	client, err := minapp.NewClient(minapp.WithToken("t"), minapp.WithHTTPClient(&http.Client{Transport: n}))
	require.NoError(t, err)
	return client
}

var (
	guideRows  = []int64{10_000, 1_000_000, 12_000_000}
	guidePlans = []minapp.Plan{minapp.PlanFree, minapp.PlanEducation, minapp.PlanPersonal, minapp.PlanBusiness}
)

// The times in the guides are those that Plan.Estimate says.
func TestTimesOfTheGuides(t *testing.T) {
	var want []string
	for _, way := range []migrate.Sink[*minapp.Record[minapp.Fields]]{
		nil, // only read
		migrate.ToTable(minapp.TableOf[*minapp.Record[minapp.Fields]](nil, 2), migrate.ToTableOptions{}),
		migrate.ToTable(minapp.TableOf[*minapp.Record[minapp.Fields]](nil, 2), migrate.ToTableOptions{Update: true}),
	} {
		for _, n := range guideRows {
			want = append(want, timesOf(n, estimateOf(t, n, way)))
		}
	}
	for _, n := range guideRows {
		jobs := jobsOf(t, n)
		want = append(want, fmt.Sprintf("%s | %d | %d |", grouped(n), jobs, jobs-1)) // one starts each minute
	}
	want = append(want, nightOf(t)...)
	for _, guide := range []string{"../docs/migrations.md", "../docs/migrations.zh-CN.md"} {
		text, err := os.ReadFile(guide)
		require.NoError(t, err)
		var have []string
		for _, match := range regexp.MustCompile(`(?m)^\|(?: [^|]+)? \| ([\d,]+ \| .*)$`).FindAllStringSubmatch(string(text), -1) {
			have = append(have, match[1])
		}
		assert.Equal(t, want, have, guide)
	}
}

// estimateOf is the number of requests that the default plan takes.
func estimateOf(t *testing.T, n int64, sink migrate.Sink[*minapp.Record[minapp.Fields]]) int64 {
	t.Helper()
	p := migrate.Plan[*minapp.Record[minapp.Fields], *minapp.Record[minapp.Fields]]{
		Source: migrate.FromTable(minapp.TableOf[minapp.Fields](largeTable(n).client(t), 1), migrate.FromTableOptions{}),
		Sink:   sink,
	}
	if sink == nil {
		p.Sink = nowhere{}
	}
	e, err := p.Estimate(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, e.Rows)
	return e.Requests()
}

// jobsOf is how many parts an export is cut into.
func jobsOf(t *testing.T, n int64) (jobs int) {
	t.Helper()
	_, err := largeTable(n).client(t).Exports.Run(t.Context(), 1, minapp.RunOptions{
		Spec: minapp.ExportSpec{FileType: minapp.FileJSON}, Dir: t.TempDir(),
		OnProgress: func(p minapp.ExportProgress) { jobs = p.Parts },
	})
	require.ErrorIs(t, err, minapp.ErrInvalid)
	return jobs
}

// nightOf are the lines about rows that come back every night: what a lookup of
// them takes, what changes take, and what deleting and creating them does.
func nightOf(t *testing.T) []string {
	t.Helper()
	const rows = 200_000
	write := func(o migrate.ToTableOptions) int64 {
		cost, err := migrate.ToTable(minapp.TableOf[minapp.Fields](nil, 2), o).(migrate.SinkEstimator).Estimate(t.Context(), rows)
		require.NoError(t, err)
		return cost.Requests
	}
	create := write(migrate.ToTableOptions{})
	lookup := write(migrate.ToTableOptions{Update: true}) - create
	return []string{
		minutesOf(lookup), minutesOf(lookup + rows/100), minutesOf(lookup + rows/10), minutesOf(lookup + rows),
		minutesOf(2*create + 1), // the last delete finds nothing more
	}
}

// nowhere is a sink that takes no requests of the service.
type nowhere struct {
	migrate.Sink[*minapp.Record[minapp.Fields]]
}

// timesOf is a line of the tables: rows, requests, and the minutes on each plan.
func timesOf(rows, requests int64) string {
	return grouped(rows) + " | " + minutesOf(requests)
}

// minutesOf are requests, and the minutes on each plan.
func minutesOf(requests int64) string {
	line := grouped(requests) + " |"
	for _, plan := range guidePlans {
		minutes := (migrate.Estimate{Read: migrate.Cost{Requests: requests}}).Duration(float64(plan)).Minutes()
		switch {
		case minutes < 0.1:
			line += " < 0.1 |"
		case minutes < 10:
			line += fmt.Sprintf(" %.1f |", minutes)
		default:
			line += " " + grouped(int64(math.Round(minutes))) + " |"
		}
	}
	return line
}

// grouped is a number with commas.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

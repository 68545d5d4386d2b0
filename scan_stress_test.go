package minapp_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

func scanRuns() int {
	if n, err := strconv.Atoi(os.Getenv("SCAN_RUNS")); err == nil {
		return n
	}
	return 20
}

// jitter is a network on which requests and answers take their time.
type jitter struct {
	next http.RoundTripper
	mu   sync.Mutex
	r    *rand.Rand
}

func (j *jitter) RoundTrip(r *http.Request) (*http.Response, error) {
	j.mu.Lock()
	d := time.Duration(j.r.IntN(50)) * time.Millisecond
	if j.r.IntN(20) == 0 {
		d *= 20
	}
	before := j.r.IntN(2) == 0
	j.mu.Unlock()
	if before {
		<-time.After(d) // in a bubble: no time passes
	}
	resp, err := j.next.RoundTrip(r)
	if !before {
		<-time.After(d) // in a bubble: no time passes
	}
	return resp, err
}

// Readers that take work from each other meet in every way that random tables,
// answers and pauses bring about. SCAN_RUNS makes it longer.
func TestScanOfRandomTables(t *testing.T) {
	for run := range scanRuns() {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(run), 99))
			s := minapptest.NewServer(t)
			id, err := s.CreateTable(minapptest.Table{Name: "product", Schema: articleSchema})
			require.NoError(t, err)
			hc := &http.Client{Transport: &jitter{next: s.Client().Transport, r: rand.New(rand.NewPCG(uint64(run), 5))}}
			client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(hc))...)
			require.NoError(t, err)
			defer client.CloseIdleConnections()
			table := minapp.TableOf[article](client, minapp.TableID(id))
			n := random.IntN(400)
			span := int64(1) << random.IntN(40)
			rows := make([]any, n)
			bursts := random.IntN(3) == 0
			nulls := random.IntN(4) == 0
			at := int64(0)
			for i := range rows {
				row := map[string]any{"name": name(i), "price": i}
				switch random.IntN(6) {
				case 0:
					at = random.Int64N(span) - span/3
				case 1:
					at += random.Int64N(3)
				case 2:
					at -= random.Int64N(2)
				}
				if bursts {
					at %= 1 + int64(i/100)
				}
				row["created_at"] = at
				if nulls && random.IntN(5) == 0 {
					row["created_at"] = nil
				}
				rows[i] = row
			}
			_, err = s.Seed(id, rows...)
			require.NoError(t, err)
			o := minapp.ScanOptions{PageSize: 1 + random.IntN(8), Parallel: 1 + random.IntN(24)}
			seen := map[string]int{}
			for r, err := range table.Scan(t.Context(), o) {
				require.NoError(t, err, "run %d", run)
				seen[r.Value.Name]++
				if random.IntN(20) == 0 {
					<-time.After(time.Duration(random.IntN(40)) * time.Millisecond) // in a bubble: no time passes
				}
			}
			require.Len(t, seen, n, fmt.Sprintf("run %d n %d span %d %+v", run, n, span, o))
			for name, times := range seen {
				require.Equal(t, 1, times, name)
			}
		})
	}
}

// Rows come and go, also with ids between those of others, within the seconds
// that are being read; those that nobody touches are yielded once all the same.
func TestScanOfATableThatChanges(t *testing.T) {
	for run := range scanRuns() {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(run), 3))
			s := minapptest.NewServer(t)
			id, err := s.CreateTable(minapptest.Table{Name: "product", Schema: articleSchema})
			require.NoError(t, err)
			hc := &http.Client{Transport: &jitter{next: s.Client().Transport, r: rand.New(rand.NewPCG(uint64(run), 5))}}
			client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(hc))...)
			require.NoError(t, err)
			defer client.CloseIdleConnections()
			table := minapp.TableOf[article](client, minapp.TableID(id))
			seconds := 1 + random.Int64N(6)
			create := func(name string) string {
				row := map[string]any{"id": fmt.Sprintf("%024x", random.Uint64()), "name": name, "created_at": 1_500_000_000 + random.Int64N(seconds)}
				if random.IntN(10) == 0 {
					row["created_at"] = nil
				}
				ids, err := s.Seed(id, row)
				require.NoError(t, err)
				return ids[0]
			}
			n := 100 + random.IntN(200)
			var fickle []string
			for i := range n {
				create(name(i))
				fickle = append(fickle, create("fickle"))
			}
			done := make(chan struct{})
			go func() { // deletes most of them meanwhile
				defer close(done)
				for i, victim := range fickle {
					if i%4 != 3 {
						assert.NoError(t, table.Delete(t.Context(), victim))
					}
				}
			}()
			o := minapp.ScanOptions{PageSize: 2 + random.IntN(8), Parallel: 1 + random.IntN(8)}
			seen := map[string]int{}
			for r, err := range table.Scan(t.Context(), o) {
				if r == nil {
					require.ErrorContains(t, err, "rows yielded", "run %d: the counts need not agree", run)
					break
				}
				require.NoError(t, err)
				if seen[r.Value.Name]++; random.IntN(10) == 0 && len(seen) < n {
					create("late")
				}
			}
			<-done
			delete(seen, "fickle")
			delete(seen, "late")
			requireEachOnce(t, seen, n)
		})
	}
}

package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// TestMain also is the process that gets killed. No test may leave a goroutine
// behind.
func TestMain(m *testing.M) {
	if dir := os.Getenv("MIGRATE_VICTIM"); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// victim moves the cities: every tenth becomes two places, and every fifty-
// first is rejected.
func victim(dir string) error {
	client, err := minapp.NewClient(minapp.WithToken("t"), minapp.WithBaseURL(os.Getenv("MIGRATE_SERVICE")))
	if err != nil {
		return err
	}
	_, err = migrate.Run(context.Background(), migrate.Plan[*minapp.Record[city], place]{
		Source:     migrate.FromTable(minapp.TableOf[city](client, 1), migrate.FromTableOptions{PageSize: 10}),
		Sink:       migrate.ToTable(minapp.TableOf[place](client, 2), migrate.ToTableOptions{}),
		Key:        "name",
		Checkpoint: migrate.FileCheckpoint(filepath.Join(dir, "checkpoint")),
		Rejected:   filepath.Join(dir, "rejected.jsonl"),
		Parallel:   3,
		Transform: func(r *minapp.Record[city]) ([]place, error) {
			rows, err := toPlace(r)
			switch n := r.Value.People; {
			case n%51 == 50:
				return nil, errors.New("fifty-first")
			case n%10 == 0:
				rows = append(rows, place{Name: r.Value.Name + "-b"})
			}
			return rows, err
		},
	})
	return err
}

// killer kills a process when the service is about to handle the k-th request,
// or has just handled it.
type killer struct {
	next    http.Handler
	mu      sync.Mutex
	left    int
	process *os.Process
	after   bool
	kills   int
}

func (k *killer) aim(p *os.Process, after bool, requests int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.process, k.after, k.left = p, after, requests
}

// due kills the process if it is its last request.
func (k *killer) due(after bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.process == nil || k.after != after {
		return
	}
	if k.left--; k.left == 0 {
		_ = k.process.Kill() // it may have finished
		k.kills++
		k.process = nil
	}
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.due(false)
	answer := httptest.NewRecorder()
	k.next.ServeHTTP(answer, r)
	k.due(true)
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // nobody may be there any more
}

// A process that is killed again and again, SIGKILL at random moments, ends
// with exactly the right rows: none missing, none doubled, each rejected one
// once in the file.
func TestTwoHundredKills(t *testing.T) {
	const cities, kills, worlds = 2000, 200, 4
	for world := range worlds {
		t.Run(strconv.Itoa(world), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, cities, minapptest.WithToken("t"))
			k := &killer{next: w.Handler()}
			server := httptest.NewServer(k)
			defer server.Close()
			dir := t.TempDir()
			random := rand.New(rand.NewPCG(uint64(world), 3))
			deaths := 0
			for {
				var said strings.Builder
				child := exec.CommandContext(t.Context(), os.Args[0])
				child.Env = append(os.Environ(), "MIGRATE_VICTIM="+dir, "MIGRATE_SERVICE="+server.URL)
				child.Stderr = &said
				k.aim(nil, false, 0)
				require.NoError(t, child.Start())
				if deaths < kills/worlds {
					k.aim(child.Process, random.IntN(2) == 0, 1+random.IntN(18))
				}
				err := child.Wait()
				if err == nil {
					break
				}
				require.Equal(t, "signal: killed", err.Error(), said.String())
				deaths++
			}
			require.GreaterOrEqual(t, deaths, kills/worlds)
			want := make(map[string]bool)
			for i := range cities {
				switch {
				case i%51 == 50:
					continue
				case i%10 == 0:
					want[cityName(i)+"-b"] = true
				}
				want[cityName(i)] = true
			}
			got := make(map[string]bool)
			rows := w.Rows(2)
			for _, row := range rows {
				got[row["name"].(string)] = true
			}
			require.Equal(t, want, got)
			require.Len(t, rows, len(want), "doubled")
			rejected := make(map[string]bool)
			for _, r := range rejections(t, filepath.Join(dir, "rejected.jsonl")) {
				require.False(t, rejected[r.At], "rejected twice")
				rejected[r.At] = true
			}
			require.Len(t, rejected, cities/51)
			t.Logf("killed %d times; 0 rows lost, 0 doubled", deaths)
		})
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const token = "bench"

// run is what a job does, in a process of its own. It returns what it has read
// or written; sums that are zero were not looked at.
type run func(context.Context, *env) (tally, error)

// env is what a job finds: the server, and a table of so many rows.
type env struct {
	server string // address of the server
	base   string // the same with the latency: base URL of the service
	rows   int
	row    layout // of a row that is read
	began  sample
}

func newEnv(server string, latency time.Duration, rows int) (*env, error) {
	encoded, err := json.Marshal(row(0))
	return &env{server: server, base: fmt.Sprintf("%s/%s", server, latency), rows: rows, row: newLayout(encoded)}, err
}

func (e *env) tableURL() string {
	return fmt.Sprintf("%s/oserve/v2.4/table/%d/record/", e.base, e.rows)
}

func (e *env) pageURL(offset int) string {
	return fmt.Sprintf("%s?order_by=created_at&limit=%d&offset=%d", e.tableURL(), pageSize, offset)
}

func (e *env) rowURL(i int) string { return e.tableURL() + rowID(i) + "/" }

// written asks the server what has been written since the last time.
func (e *env) written(ctx context.Context) (tally, error) {
	r, err := e.report(ctx)
	return r.Written, err
}

func (e *env) report(ctx context.Context) (r report, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.server+"/report", nil)
	if err != nil {
		return r, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	return r, json.NewDecoder(resp.Body).Decode(&r)
}

// begin starts the measurement. A job that has to prepare something calls it
// once more when that is done.
func (e *env) begin() { e.began = newSample() }

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sample is the state of the process at one moment.
type sample struct {
	at     time.Time
	cpu    float64
	allocs uint64
}

func newSample() sample {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return sample{time.Now(), cpuSeconds(), m.Mallocs}
}

// result is what one run of a job took.
type result struct {
	Rows    int
	Seconds float64
	CPU     float64 // seconds, of this process
	Server  float64 // CPU seconds of the server meanwhile
	Allocs  float64
	Peak    float64 // MiB, resident at most since the process began
}

// measure runs a job once and checks what came of it.
func measure(ctx context.Context, do run, e *env) (result, error) {
	before, err := e.report(ctx) // also clears what an earlier job has written
	if err != nil {
		return result{}, err
	}
	e.begin()
	got, err := do(ctx, e)
	if err != nil {
		return result{}, err
	}
	ended := newSample()
	after, err := e.report(ctx)
	if err != nil {
		return result{}, err
	}
	peak, err := peakMemory()
	return result{
		Rows: e.rows, Seconds: ended.at.Sub(e.began.at).Seconds(), CPU: ended.cpu - e.began.cpu, Server: after.CPU - before.CPU,
		Allocs: float64(ended.allocs - e.began.allocs), Peak: peak,
	}, firstError(err, got.check(e.rows))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// check compares with the sums over the rows of the table.
func (t tally) check(rows int) error {
	right := want(rows)
	if t.Rows != right.Rows || t.Price != 0 && t.Price != right.Price || t.Created != 0 && t.Created != right.Created {
		return fmt.Errorf("wrong sums: %+v instead of %+v", t, right)
	}
	return nil
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return seconds(u.Utime) + seconds(u.Stime)
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// peakMemory is VmHWM and not ru_maxrss, which a new process inherits from the
// one that started it.
func peakMemory() (mib float64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kib, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
			return float64(kib) / 1024, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}

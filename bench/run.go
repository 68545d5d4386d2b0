package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// plan is what a run of the program measures.
type plan struct {
	groups []group
	rounds int
	budget time.Duration // no round begins that would end after it; 0 is none
	pick   func(size) int
	costs  []int // sizes of the tables whose cost is measured

	profiles string // folder for the CPU profiles of the jobs, "" for none
}

// run measures, prints the table and writes the chart.
func (p plan) run(ctx context.Context, out io.Writer, chart string) error {
	began := time.Now()
	costs, err := measureCosts(ctx, p.costs)
	if err != nil {
		return err
	}
	server, stop, err := startServer(ctx)
	if err != nil {
		return err
	}
	results, err := p.measure(ctx, server, began)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	summaries := summarize(p.groups, results)
	if err := printTable(out, summaries, costs); err != nil || chart == "" {
		return err
	}
	return drawChart(chart, summaries, costs)
}

// startServer starts this program once more, as the server.
func startServer(ctx context.Context) (url string, stop func() error, err error) {
	cmd, err := self(ctx, "serve")
	if err != nil {
		return "", nil, err
	}
	alive, err := cmd.StdinPipe() // closed, it ends the server
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(alive.Close(), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("the server did not start: %w", err), stop())
	}
	return strings.TrimSpace(line), stop, nil
}

func self(ctx context.Context, args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// order is what a process is told to measure.
type order struct {
	Group, Job string
	Latency    time.Duration
	Rows       int
	Server     string
	Profile    string // file for the CPU profile, "" for none
}

func (o order) String() string { return o.Group + ": " + o.Job }

// execute measures a job in a process of its own.
func (o order) execute(ctx context.Context) (r result, err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	cmd, err := self(ctx, "job", string(text))
	if err != nil {
		return r, err
	}
	answer, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%s: %w", o, err)
	}
	return r, json.Unmarshal(answer, &r)
}

// doJob is the other side of execute.
func doJob(ctx context.Context, text string, out io.Writer) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	for _, g := range groups() {
		for _, j := range g.jobs {
			if g.name != o.Group || j.name != o.Job {
				continue
			}
			e, err := newEnv(o.Server, o.Latency, o.Rows)
			if err != nil {
				return err
			}
			stop, err := profile(o.Profile)
			if err != nil {
				return err
			}
			r, err := measure(ctx, j.do, e)
			if err := firstError(err, stop()); err != nil {
				return err
			}
			return json.NewEncoder(out).Encode(r)
		}
	}
	return fmt.Errorf("no job %s", o)
}

func profile(file string) (stop func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	stop = func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}
	return stop, pprof.StartCPUProfile(f)
}

// measure runs the jobs in turn, round after round. The results stand by group,
// job and run.
func (p plan) measure(ctx context.Context, server string, began time.Time) ([][][]result, error) {
	results := make([][][]result, len(p.groups))
	for i, g := range p.groups {
		results[i] = make([][]result, len(g.jobs))
	}
	for round := range p.rounds {
		start := time.Now()
		for i, g := range p.groups {
			if most := p.pick(g.rounds); most > 0 && round >= most {
				continue
			}
			for range max(1, g.often) {
				for k, j := range g.jobs {
					r, err := order{g.name, j.name, g.latency, p.pick(j.rows), server, p.profile(i, k)}.execute(ctx)
					if err != nil {
						return nil, err
					}
					results[i][k] = append(results[i][k], r)
				}
			}
		}
		took := time.Since(start)
		fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, p.rounds, took.Round(time.Second))
		if p.budget > 0 && time.Since(began)+took > p.budget {
			break
		}
	}
	return results, nil
}

// profile names the file for the profile of a job; a later run replaces it.
func (p plan) profile(group, job int) string {
	if p.profiles == "" {
		return ""
	}
	return filepath.Join(p.profiles, fmt.Sprintf("%d-%d.cpu.pprof", group+1, job+1))
}

// summary is what the runs of a job say together.
type summary struct {
	job
	Rows     int     // in one run
	Runs     int     //
	Rate     float64 // rows per second
	Ratio    float64 // of the rates, to the group's first job
	CPU      float64 // seconds per million rows
	CPURatio float64
	Allocs   float64 // per row
	Extra    float64 // allocations per row more than the group's first job
	Peak     float64 // MiB, of the largest run
	Server   float64 // share of the CPU time of both processes that the server took
}

// groupSummary is the summaries of a group.
type groupSummary struct {
	group
	jobs []summary
}

func summarize(groups []group, results [][][]result) []groupSummary {
	out := make([]groupSummary, len(groups))
	for i, g := range groups {
		out[i].group = g
		for k, j := range g.jobs {
			out[i].jobs = append(out[i].jobs, summarizeJob(j, results[i][k], results[i][0]))
		}
	}
	return out
}

// summarizeJob takes medians. A ratio is taken within one round, whose jobs ran
// one soon after the other, and then the median of the rounds.
func summarizeJob(j job, runs, first []result) summary {
	over := func(f func(i int) float64) float64 {
		values := make([]float64, len(runs))
		for i := range runs {
			values[i] = f(i)
		}
		return median(values)
	}
	return summary{
		job: j, Rows: runs[0].Rows, Runs: len(runs),
		Rate:     over(func(i int) float64 { return runs[i].rate() }),
		Ratio:    over(func(i int) float64 { return runs[i].rate() / first[i].rate() }),
		CPU:      over(func(i int) float64 { return runs[i].perRow(runs[i].CPU) * million }),
		CPURatio: over(func(i int) float64 { return runs[i].perRow(runs[i].CPU) / first[i].perRow(first[i].CPU) }),
		Allocs:   over(func(i int) float64 { return runs[i].perRow(runs[i].Allocs) }),
		Extra:    over(func(i int) float64 { return runs[i].perRow(runs[i].Allocs) - first[i].perRow(first[i].Allocs) }),
		Peak:     slices.MaxFunc(runs, func(a, b result) int { return cmp.Compare(a.Peak, b.Peak) }).Peak,
		Server:   over(func(i int) float64 { return runs[i].serverShare() }),
	}
}

func (r result) rate() float64                { return float64(r.Rows) / r.Seconds }
func (r result) perRow(total float64) float64 { return total / float64(r.Rows) }
func (r result) serverShare() float64         { return r.Server / (r.Server + r.CPU) }

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

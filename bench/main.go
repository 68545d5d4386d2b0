// Bench measures the client against a loop written by hand, against other HTTP
// clients, and against the bytes alone.
//
//	go run -C bench .         a table, and chart.svg; about ten minutes
//	go run -C bench . -quick  the table from a smaller run; below 40 seconds
//
// It starts its own server, in a process of its own, and every job in another,
// so that CPU time, allocations and memory are those of the job. The jobs take
// turns, several rounds; a ratio is the median of what the rounds say. Every job
// counts its rows and adds up two columns, and wrong sums end the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdin, os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command is the program itself, or what it starts itself again for: its server
// and its jobs.
func command(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve(ctx, in, out)
	case len(args) == 2 && args[0] == "job":
		return doJob(ctx, args[1], out)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "a smaller run, below 40 seconds")
	rounds := flags.Int("rounds", 0, "rounds; 0 is 5, or with -quick what fits")
	only := flags.String("only", "", "groups to run, as a regular expression")
	chart := flags.String("chart", "", "file for the chart (default chart.svg, with -quick none)")
	profiles := flags.String("profiles", "", "folder for the CPU profiles of the jobs, by block and line of the table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	p := plan{rounds: 5, costs: []int{2_000, 8_000, 32_000, 128_000}, pick: func(s size) int { return s.full }}
	if *quick {
		p = plan{rounds: 3, budget: 36 * time.Second, costs: []int{2_000, 8_000, 32_000}, pick: func(s size) int { return s.quick }}
	} else if *chart == "" {
		*chart = "chart.svg"
	}
	if *rounds > 0 {
		p.rounds, p.budget = *rounds, 0
	}
	p.profiles = *profiles
	for _, g := range groups() {
		if chosen.MatchString(g.name) {
			p.groups = append(p.groups, g)
		}
	}
	return p.run(ctx, out, *chart)
}

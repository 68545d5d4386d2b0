// Command mutate breaks code, one small place at a time, and runs tests that
// should notice. What they do not notice is printed, and is a test that is
// missing or a place that does not matter; -explained is a page that says which.
//
//	go -C tools run ./mutate -dir .. -files 'where/*.go' ./where
//
// The arguments are the packages with the tests. No file is changed: all mutants
// are built at once, as an overlay of the go command, and a variable of the
// environment chooses the one that runs. A mutant is killed by a test that fails,
// panics, or does not end in time; one that does not compile is not counted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

type verdict int

const (
	killed verdict = iota
	late           // killed, but only by the time-out
	explained
	survived
	verdicts
)

func main() {
	dir := flag.String("dir", ".", "the module to break")
	files := flag.String("files", "", "patterns of its files, with commas between them; tests are left out")
	page := flag.String("explained", "", "a page of that module that has the survivors with reasons")
	pattern := flag.String("run", ".", "which tests")
	only := flag.String("only", "", "try only the mutants of this function, such as Cond.And")
	sample := flag.Int("sample", 0, "try only so many mutants, chosen at random; 0 is all")
	seed := flag.Uint64("seed", 1, "of the sample")
	parallel := flag.Int("parallel", 2, "mutants at a time")
	flag.Parse()
	temp, err := os.MkdirTemp("", "mutants")
	if err == nil {
		r := run{dir: *dir, temp: temp, pattern: *pattern, packages: flag.Args(), timeout: 10 * time.Minute}
		err = r.mutate(*files, *only, *page, *sample, *seed, *parallel)
		err = errors.Join(err, os.RemoveAll(temp))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type run struct {
	dir, temp string
	pattern   string   // of tests
	packages  []string // with the tests
	timeout   time.Duration
	explained string
}

func (r *run) mutate(files, only, page string, sample int, seed uint64, parallel int) error {
	if page != "" {
		text, err := os.ReadFile(filepath.Join(r.dir, page))
		if err != nil {
			return err
		}
		r.explained = string(text)
	}
	mutants, err := find(r.dir, files)
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return only != "" && m.function != only })
	all := len(mutants)
	if mutants, err = r.build(mutants); err != nil {
		return err
	}
	compiled := len(mutants)
	begun := time.Now()
	if out, err := r.test(0); err != nil {
		return fmt.Errorf("the tests fail before anything is broken: %w\n%s", err, out)
	}
	r.timeout = 10*time.Second + 5*time.Since(begun)
	if sample > 0 && sample < compiled {
		random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a sample
		random.Shuffle(compiled, func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
		mutants = mutants[:sample]
	}
	count := r.all(mutants, parallel)
	fmt.Printf("%s: %d mutants, %d of them compile, %d tried: %d killed (%d of them by the time-out), %d explained, %d survived\n",
		files, all, compiled, len(mutants), count[killed]+count[late], count[late], count[explained], count[survived])
	if count[survived] > 0 {
		return errors.New("there are survivors that nobody has explained")
	}
	return nil
}

// all tries the mutants, several at a time, and prints those that survive.
func (r *run) all(mutants []mutant, parallel int) (count [verdicts]int) {
	var lock sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, m := range mutants {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			v := r.try(m)
			lock.Lock()
			defer lock.Unlock()
			count[v]++
			if v == survived {
				fmt.Printf("survived: line %d: %s\n", m.line, m)
			}
		})
	}
	group.Wait()
	return count
}

// try tells what becomes of a mutant.
func (r *run) try(m mutant) verdict {
	out, err := r.test(m.number)
	switch {
	case err == nil && strings.Contains(r.explained, m.String()):
		return explained
	case err == nil:
		return survived
	case strings.Contains(out, "panic: test timed out"), errors.Is(err, context.DeadlineExceeded):
		return late
	}
	return killed
}

// test runs the tests with one mutant; 0 is none.
func (r *run) test(number int) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*r.timeout)
	defer cancel()
	for i, pkg := range r.packages {
		cmd := exec.CommandContext(ctx, r.binary(i), "-test.failfast", "-test.run", r.pattern, "-test.timeout", r.timeout.String())
		cmd.Dir = filepath.Join(r.dir, pkg)
		cmd.Env = append(os.Environ(), fmt.Sprintf("MUTANT=%d", number))
		if out, err := cmd.CombinedOutput(); err != nil {
			return string(out), errors.Join(err, ctx.Err())
		}
	}
	return "", nil
}

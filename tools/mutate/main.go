// Command mutate breaks code, one small place at a time, and runs tests that
// should notice. What they do not notice is printed, and is a test that is
// missing or a place that does not matter; -explained is a page that says which.
//
// Nothing is copied and no file is changed: each mutant is an overlay of the go
// command. A mutant is killed by a test that fails, panics, or does not end in
// time; one that does not compile is not counted.
//
//	go -C tools run ./mutate -dir .. -files 'where/*.go' -- ./where
//
// What follows -- goes to go test. See .ci/mutate.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type run struct {
	dir       string
	test      []string // arguments of go test
	timeout   time.Duration
	explained string
}

type verdict int

const (
	killed verdict = iota
	late           // killed, but only by the time-out
	invalid
	explained
	survived
	verdicts
)

func main() {
	dir := flag.String("dir", ".", "the module to break")
	files := flag.String("files", "", "patterns of its files, with commas between them; tests are left out")
	page := flag.String("explained", "", "a page of that module that has the survivors with reasons")
	sample := flag.Int("sample", 0, "try only so many mutants, chosen at random; 0 is all")
	seed := flag.Uint64("seed", 1, "of the sample")
	parallel := flag.Int("parallel", 2, "mutants at a time")
	flag.Parse()
	if err := mutate(*dir, *files, *page, *sample, *seed, *parallel, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func mutate(dir, files, page string, sample int, seed uint64, parallel int, test []string) error {
	r := run{dir: dir, test: test, timeout: 10 * time.Minute}
	mutants, err := find(dir, files)
	if err != nil {
		return err
	}
	if page != "" {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			return err
		}
		r.explained = string(text)
	}
	begun := time.Now()
	if out, err := r.tests("{}"); err != nil {
		return fmt.Errorf("the tests fail before anything is broken: %w\n%s", err, out)
	}
	r.timeout = 20*time.Second + 5*time.Since(begun)
	all := len(mutants)
	if sample > 0 && sample < all {
		random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a sample
		random.Shuffle(all, func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
		mutants = mutants[:sample]
	}
	count := r.all(mutants, parallel)
	fmt.Printf("%s: %d of %d mutants tried: %d killed (%d of them by the time-out), %d survived and explained, %d survived, %d do not compile\n",
		files, len(mutants), all, count[killed]+count[late], count[late], count[explained], count[survived], count[invalid])
	if count[survived] > 0 {
		return errors.New("there are survivors that nobody has explained")
	}
	return nil
}

// all tries the mutants, several at a time, and prints those that survive.
func (r run) all(mutants []mutant, parallel int) (count [verdicts]int) {
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
func (r run) try(m mutant) verdict {
	if strings.Contains(r.explained, m.String()) {
		return explained
	}
	out, err := r.overlaid(m)
	switch {
	case err == nil:
		return survived
	case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
		return invalid
	case strings.Contains(out, "panic: test timed out"), errors.Is(err, context.DeadlineExceeded):
		return late
	}
	return killed
}

// overlaid runs the tests with the mutant in the place of its file.
func (r run) overlaid(m mutant) (string, error) {
	temp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	broken := filepath.Join(temp, "broken.go")
	if err := os.WriteFile(broken, m.source(), 0o600); err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.path)
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: broken}})
	if err != nil {
		return "", err
	}
	return r.tests(string(overlay))
}

// tests runs go test with an overlay.
func (r run) tests(overlay string) (string, error) {
	file, err := os.CreateTemp("", "overlay*.json")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	if _, err := file.WriteString(overlay); err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*r.timeout)
	defer cancel()
	args := append([]string{"test", "-overlay", file.Name(), "-vet=off", "-failfast", "-timeout", r.timeout.String()}, r.test...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(out), err
}

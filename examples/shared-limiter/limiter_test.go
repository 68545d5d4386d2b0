package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
)

// holdLock is set for a process that takes the lock of a file and keeps it.
const holdLock = "SHARED_LIMITER_HOLD"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(stateFile) != "":
		main()
	case os.Getenv(holdLock) != "":
		if err := flock.New(os.Getenv(holdLock)).Lock(); err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString("locked\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the end
	default:
		os.Exit(m.Run())
	}
}

// Its processes check their share themselves.
func TestProcessesShare(t *testing.T) {
	t.Setenv("MINAPP_TOKEN", "")
	if err := start(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLimitersOfOneFileShareItsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "next")
		var mu sync.Mutex
		var sent []time.Time
		var all sync.WaitGroup
		for range 4 {
			limiter := NewFileLimiter(path, 60)
			for range 20 {
				all.Go(func() {
					err := limiter.Wait(t.Context())
					mu.Lock()
					defer mu.Unlock()
					sent = append(sent, time.Now())
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		slices.SortFunc(sent, time.Time.Compare)
		for i := 1; i < len(sent); i++ {
			if gap := sent[i].Sub(sent[i-1]); gap < time.Second-time.Millisecond || gap > time.Second+time.Millisecond {
				t.Errorf("request %d left %v after the one before", i, gap)
			}
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := NewFileLimiter(filepath.Join(t.TempDir(), "next"), 1)
		if err := limiter.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		late, cancelLate := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancelLate()
		if err := limiter.Wait(late); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
			t.Errorf("a turn after the deadline is known at once: %v after %v", err, time.Since(began))
		}
		began = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := limiter.Wait(ctx); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestAFileThatHoldsNoTimeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "next")
	if err := os.WriteFile(path, []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewFileLimiter(path, 60).Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "does not hold a time") {
		t.Error(err)
	}
}

func TestADeadProcessHoldsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "next")
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), holdLock+"="+path+".lock")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "locked\n" {
		t.Fatal(line, err)
	}
	limiter := NewFileLimiter(path, 60_000)
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := limiter.Wait(impatient); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the other process has the lock, and got %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := limiter.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// Shared-limiter starts several processes that call the service at the same
// time and share one number of requests a minute through a locked file
// (limiter.go).
//
// Without MINAPP_TOKEN they talk to an emulator in the first process.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/minapptest"
)

const (
	processes = 3
	calls     = 20                           // of each process
	perMinute = int(minapp.PlanPersonal) / 5 // of all together: users of the application need the rest
	stateFile = "SHARED_LIMITER_FILE"        // set for the processes that this one starts
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := start
	if os.Getenv(stateFile) != "" {
		run = work
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "shared-limiter:", err)
		os.Exit(1)
	}
}

// work is what each of the processes does: many calls at once.
func work(ctx context.Context) error {
	client, err := service.Open(minapp.WithLimiter(NewFileLimiter(os.Getenv(stateFile), perMinute)))
	if err != nil {
		return err
	}
	defer client.Close()
	began := time.Now()
	errs := make([]error, calls)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() { _, errs[i] = client.ServerTime(ctx) })
	}
	all.Wait()
	fmt.Printf("  process %d: %d requests in %.1f s\n", os.Getpid(), client.Stats().Requests, time.Since(began).Seconds())
	return errors.Join(errs...)
}

// start runs the processes and looks at what they did together.
func start(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "minapp-limiter")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	env := append(os.Environ(), stateFile+"="+filepath.Join(dir, "next"))
	if os.Getenv("MINAPP_TOKEN") == "" {
		emulator := minapptest.New(minapptest.WithToken("the-emulators-token"))
		defer func() { err = errors.Join(err, emulator.Close()) }()
		base, err := emulator.Listen("127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println("MINAPP_TOKEN is not set: using an emulator inside the first process.")
		env = append(env, "MINAPP_TOKEN=the-emulators-token", "MINAPP_BASE_URL="+base)
	}

	fmt.Printf("%d processes share %d requests a minute:\n", processes, perMinute)
	began := time.Now()
	if err := startAll(ctx, env); err != nil {
		return err
	}
	took, sent := time.Since(began), processes*calls
	rate := float64(sent-1) / took.Minutes() // the first one needs no time
	fmt.Printf("Together %d requests in %.1f s: %.0f a minute.\n", sent, took.Seconds(), rate)
	if rate > float64(perMinute) {
		return errors.New("that is more than their share")
	}
	return nil
}

// startAll runs this program several times at once.
func startAll(ctx context.Context, env []string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	errs := make([]error, processes)
	var all sync.WaitGroup
	for i := range processes {
		cmd := exec.CommandContext(ctx, program) //nolint:gosec // it is this one
		cmd.Env, cmd.Stdout, cmd.Stderr = env, os.Stdout, os.Stderr
		all.Go(func() { errs[i] = cmd.Run() })
	}
	all.Wait()
	return errors.Join(errs...)
}

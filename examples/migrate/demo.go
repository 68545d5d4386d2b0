package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
)

// demonstrate migrates in processes of their own: the first is killed on its
// way, the second goes on.
func demonstrate(ctx context.Context, client *service.Service, from, to minapp.TableID, o options) error {
	env, err := client.Serve()
	if err != nil {
		return err
	}
	env = append(env, fmt.Sprint("MINAPP_SOURCE_TABLE=", from), fmt.Sprint("MINAPP_TARGET_TABLE=", to))
	state, err := os.MkdirTemp("", "migrate-state-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(state) }() // a folder of temporary files
	args := []string{"-state", state, "-page", strconv.Itoa(o.page), "-rpm", strconv.Itoa(o.rpm), fmt.Sprint("-dry-run=", o.dryRun)}
	if !o.dryRun {
		fmt.Println("\nMigrating; the process will be killed on its way.")
		if err := process(ctx, env, args, " 40 %"); err != nil {
			return err
		}
		fmt.Println("Killed. Started again, it goes on:")
	}
	fmt.Println()
	return process(ctx, env, args, "")
}

// process runs this program once more, and kills it after a line that begins
// like this.
func process(ctx context.Context, env, args []string, last string) error {
	child := exec.CommandContext(ctx, os.Args[0], args...)
	child.Env = append(os.Environ(), env...)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	killed, err := watch(out, last, child.Process)
	if end := child.Wait(); err == nil && !killed {
		err = end
	}
	return err
}

// watch passes on what a process prints.
func watch(out io.Reader, last string, p *os.Process) (killed bool, err error) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if killed { // what it had printed already
			continue
		}
		fmt.Println(lines.Text())
		if last != "" && strings.HasPrefix(lines.Text(), last) {
			killed = true
			if err := p.Kill(); err != nil {
				return killed, err
			}
		}
	}
	return killed, lines.Err()
}

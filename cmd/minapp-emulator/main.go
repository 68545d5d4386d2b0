// Command minapp-emulator runs the emulator of the minapp data API, and of the
// export tasks of MatrixOne Intelligence, as a process, for programs in any
// language.
//
//	minapp-emulator [-addr HOST:PORT] [-data FILE] [-token TOKEN]
//
// When it is ready it prints one line, its base URL, to standard output. It
// stops on SIGINT or SIGTERM. Port 0 chooses a free port. Without -token any
// bearer token is accepted. Everything is in memory and gone at the end.
//
// A client in Go takes minapp.WithBaseURL with that URL and any token, and for
// MatrixOne Intelligence minapp.WithMOIBaseURL with /byoa/api/v1 after it and any
// key.
//
// FILE is JSON: tables spelled like the request that creates one, with id,
// indexes and rows added, and files. testdata/shop.json is an example, and
// minapptest.Data describes it:
//
//	{
//	  "tables": [{
//	    "id": 3906,
//	    "name": "product",
//	    "schema": {"fields": [{"name": "name", "type": "string"}, {"name": "price", "type": "number"}]},
//	    "row_read_perm": ["user:*"], "row_write_perm": ["user:*"], "write_perm": ["user:*"],
//	    "indexes": [["name"]],
//	    "rows": [{"name": "headphones", "price": 199}]
//	  }]
//	}
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/minapp-go/minapp/minapptest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until the context ends and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("minapp-emulator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 is any free one")
	data := flags.String("data", "", "JSON `file` with tables and rows to start with")
	token := flags.String("token", "", "the only bearer `token` to accept; any if empty")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 1
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "minapp-emulator: unexpected argument %q\n", flags.Arg(0))
		return 1
	}
	if err := serve(ctx, *addr, *data, *token, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "minapp-emulator: %v\n", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, addr, data, token string, stdout io.Writer) (err error) {
	s := minapptest.New(minapptest.WithToken(token))
	defer func() { err = errors.Join(err, s.Close()) }()
	if data != "" {
		if err := load(s, data); err != nil {
			return err
		}
	}
	base, err := s.Listen(addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, base); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func load(s *minapptest.Server, name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := s.LoadData(bytes.NewReader(content)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

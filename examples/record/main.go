// Record replaces documented exchanges by recorded ones. The files in
// testdata/exchanges hold what the documents say of each call; this program
// makes the same calls on the service, and writes what it really answers into
// files of the same form, so that nothing in them is inferred any more. Where
// an answer has another shape than the documents promise, it says so.
//
// Without flags it only reads the table MINAPP_TABLE, and writes no value of
// its rows: of each column only an example of its type. With -scratch it makes
// tables of its own (named rec_…), which it deletes at the end, writes the
// documented rows into them, and repeats every documented call on one table.
//
// Tokens, cookies, ids of people and the queries of signed addresses are
// replaced; of the headers only a few are kept. Look at the files before you
// publish them nevertheless. Without MINAPP_TOKEN the service is the emulator
// inside this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/internal/fixture"
)

func main() {
	exchanges := flag.String("exchanges", filepath.Join("..", "testdata", "exchanges"), "`directory` of the documented exchanges")
	out := flag.String("out", "", "`directory` for the recorded ones; a new temporary one by default")
	scratch := flag.Bool("scratch", false, "create tables, write into them, and delete them")
	rpm := flag.Int("rpm", 0, "requests per minute at most; 0 is no limit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *exchanges, *out, *scratch, *rpm); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, exchanges, dir string, scratch bool, rpm int) error {
	documented, err := fixture.Load(os.DirFS(exchanges))
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "minapp-recorded-"); err != nil {
			return err
		}
	}
	var opts []minapp.Option
	if rpm > 0 {
		opts = append(opts, minapp.WithPlan(minapp.Plan(rpm), 1))
	}
	client, err := service.Open(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := newRecorder(client.Client, client.Transport(), dir, out)
	if err != nil {
		return err
	}
	if scratch {
		err = r.repeat(ctx, documented)
	} else {
		var table minapp.TableID
		if table, err = tableToRead(ctx, client); err == nil {
			err = r.read(ctx, documented, table)
		}
	}
	_, _ = fmt.Fprintf(out, "%d of %d exchanges recorded in %s, %d of them unlike the documents.\n", r.recorded, len(documented), dir, r.unlike)
	return err
}

// recorder makes calls and writes down what happened.
type recorder struct {
	client   *minapp.Client
	stranger *minapp.Client // with a token that is none
	tape     *tape
	dir      string
	out      io.Writer

	recorded, unlike int
}

func newRecorder(client *minapp.Client, transport http.RoundTripper, dir string, out io.Writer) (*recorder, error) {
	t := &tape{next: transport}
	recording, err := client.With(
		minapp.WithHTTPClient(&http.Client{Transport: t}), minapp.WithUserAgent("record/1"),
	)
	if err != nil {
		return nil, err
	}
	stranger, err := recording.With(minapp.WithToken("record-is-no-token"))
	return &recorder{client: recording, stranger: stranger, tape: t, dir: dir, out: out}, err
}

// record makes the call of a documented exchange on a stage, and writes the
// file. The error is of the files; that a call cannot be recorded is only said.
func (r *recorder) record(ctx context.Context, e fixture.Exchange, s *stage) error {
	client := r.client
	if e.Request.Unauthenticated {
		client = r.stranger
	}
	request := s.live(e.Request)
	r.tape.clear()
	err := client.Do(ctx, request, nil)
	taken := r.tape.taken()
	if taken == nil || taken.status == http.StatusTooManyRequests || taken.status >= 500 {
		_, _ = fmt.Fprintf(r.out, "%-44s not recorded: %v\n", e.Name, err)
		return context.Cause(ctx)
	}
	recorded, err := s.documented(e, taken, r.tape.secrets())
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	recorded.Recorded = time.Now().UTC().Format(time.DateOnly)
	r.recorded++
	diffs, err := s.compare(e.Response, recorded.Response)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	if len(diffs) > 0 {
		r.unlike++
	}
	_, _ = fmt.Fprintf(r.out, "%-44s %d\n", e.Name, recorded.Response.Status)
	for _, diff := range diffs {
		_, _ = fmt.Fprintf(r.out, "    unlike the documents: %s\n", diff)
	}
	return r.write(recorded)
}

// write refuses a file that still shows a secret, whatever scrubbing did.
func (r *recorder) write(e fixture.Exchange) error {
	text, err := encode(e)
	if err != nil {
		return err
	}
	for _, secret := range r.tape.secrets() {
		if contains(text, secret) {
			return fmt.Errorf("%s: a secret is in the answer where it was not expected; nothing was written", e.Name)
		}
	}
	name := filepath.Join(r.dir, filepath.FromSlash(e.Name)+".json")
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, text, 0o644))
}

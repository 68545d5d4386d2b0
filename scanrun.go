package minapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/where"
)

// Scan reads a whole table, or a filtered part of it, with several requests at
// a time, in no particular order and at the cost of about one pass: it walks
// created_at, so that the millionth page is as cheap as the first, and counts
// by offset only within seconds that hold more rows than a page. A reader that
// has nothing left takes over half of what another one still has before it, so
// that bursts and gaps do not matter. Memory does not grow with the table: it
// holds a page as it came for each request at a time, up to 8 that wait to be
// decoded, and a decoded one for each processor.
//
// Rows that others add, change or remove meanwhile, or that this loop removes:
//   - a row that is there from beginning to end and keeps its timestamp is
//     yielded exactly once, whatever happens to others, in the state in which
//     its page found it;
//   - one that is added is yielded if its timestamp lies before that of the last
//     row when the scan began, and its second has not been read yet;
//   - one that is removed is yielded if it was read before;
//   - one whose timestamp changes can be missed or yielded twice. With
//     ByUpdatedAt that is every row that is updated: it goes to the end, and is
//     missed if it was not read before.
//
// The rows are counted before and after: if the number of those yielded lies
// outside both counts, the last element is [ErrScanDrift]. Changes that make up
// for each other are not noticed. A service that does not move forward is
// [ErrProtocol] or [ErrScanDrift].
//
// Pages that are too much shrink and grow again as those of [Table.All].
//
// Otherwise it is used like [Table.All]. Each request is repeated
// automatically. Source: open-api/data/record.md.
func (t *Table[T]) Scan(ctx context.Context, o ScanOptions, opts ...CallOption) iter.Seq2[*Record[T], error] {
	return func(yield func(*Record[T], error) bool) {
		all, err := o.plan()
		if err == nil {
			err = notForMany(ctx, opts)
		}
		if err != nil {
			yield(nil, invalid(operation.RecordsList, "%w", err))
			return
		}
		all, total, err := t.survey(ctx, all, o.Where, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		readers := cmp.Or(o.Parallel, 4)
		s := newScan(ctx, t.walker(opts), newPieces(all, readers))
		s.fetch(readers)
		chunks := decoded(s, readers, t.chunk)
		defer func() {
			s.cancel()
			for range chunks { // until every goroutine has ended
			}
		}()
		progress := ScanProgress{Total: total}
		for c := range chunks {
			for i, record := range c.Rows {
				if ctx.Err() != nil {
					yield(nil, context.Cause(ctx))
					return
				}
				if !yield(record, c.rowErrs[i]) {
					return
				}
			}
			progress.Rows += int64(len(c.Rows))
			progress.Ranges = s.count()
			if o.OnProgress != nil {
				o.OnProgress(progress)
			}
		}
		if err := s.failure(); err != nil {
			yield(nil, err)
			return
		}
		if err := t.compare(ctx, o.Where, progress, opts); err != nil {
			yield(nil, err)
		}
	}
}

// notForMany refuses what makes sense for one request at a time only.
func notForMany(ctx context.Context, opts []CallOption) error {
	if ctx == nil {
		return errors.New("the context is nil")
	}
	for _, o := range opts {
		if o.name == "CallMeta" {
			return errors.New("CallMeta does not apply to a scan, which makes many requests at a time")
		}
	}
	return nil
}

// compare counts again and says if what was yielded fits neither count.
func (t *Table[T]) compare(ctx context.Context, cond where.Cond, p ScanProgress, opts []CallOption) error {
	after, err := t.Count(ctx, cond, opts...)
	if err != nil {
		return err
	}
	if p.Rows >= min(p.Total, after) && p.Rows <= max(p.Total, after) {
		return nil
	}
	return fmt.Errorf("%w: %d rows yielded, %d counted before, %d after", ErrScanDrift, p.Rows, p.Total, after)
}

// scan is a whole table on its way, in three stages, so that neither the network
// nor the processors wait for each other: readers fetch the pages of their
// pieces, decoders make values of the rows, and the caller takes those.
type scan struct {
	*pieces
	ctx      context.Context
	cancel   context.CancelFunc
	walker   walker
	portions chan *portion // from readers to decoders
}

// readAhead is how many pages may wait for a decoder. Where all readers began at
// once, their pages come at once: the next ones are asked for all the same.
const readAhead = 8

func newScan(ctx context.Context, w walker, p *pieces) *scan {
	s := &scan{pieces: p, walker: w, portions: make(chan *portion, readAhead)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// fetch starts the readers.
func (s *scan) fetch(readers int) {
	unhook := context.AfterFunc(s.ctx, func() { s.stop(nil) }) // wakes the readers that wait
	s.crew(readers, s.work, func() {
		unhook()
		close(s.portions)
	})
}

// decoded starts the decoders: one more than readers, since a page often takes
// longer to decode than to fetch, but no more than there are processors. Each of
// them holds a decoded page, which takes several times the memory of its bytes.
func decoded[T any](s *scan, readers int, decode func(*portion) *Chunk[T]) <-chan *Chunk[T] {
	chunks := make(chan *Chunk[T])
	work := func() {
		for p := range s.portions {
			select {
			case chunks <- decode(p):
			case <-s.ctx.Done():
			}
		}
	}
	s.crew(min(readers+1, runtime.GOMAXPROCS(0)), work, func() { close(chunks) })
	return chunks
}

// crew lets several goroutines do the same work, and calls ended when all have
// done it. A panic of the caller's code, such as that of its types, ends the scan
// and is kept for the caller.
func (s *scan) crew(n int, work, ended func()) {
	var crew sync.WaitGroup
	for range n {
		crew.Go(func() {
			done := false
			defer func() {
				if !done {
					s.stop(abandoned{recover()})
					s.cancel()
				}
			}()
			work()
			done = true
		})
	}
	go func() {
		crew.Wait()
		ended()
	}()
}

// work reads pieces until there is none.
func (s *scan) work() {
	for p := s.take(); p != nil; p = s.take() {
		for s.read(p) {
		}
		s.give(p)
	}
}

// read sends one page of a piece on and reports whether something is left.
func (s *scan) read(p *piece) bool {
	asked := s.rest(p)
	if asked.Done() {
		return false
	}
	got, err := s.walker.step(s.ctx, asked)
	if err == nil {
		err = s.advance(p, got, asked)
	}
	if err != nil {
		s.stop(err)
		return false
	}
	if len(got.rows) > 0 {
		select {
		case s.portions <- got:
		case <-s.ctx.Done():
			return false
		}
	}
	return true
}

// failure is why the scan ended early, nil if it did not.
func (s *scan) failure() error {
	return cmp.Or(rethrown(s.reason()), context.Cause(s.ctx))
}

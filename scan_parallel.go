package minapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/where"
)

// Scan reads a whole table, or a filtered part of it, with several requests at
// a time, in no particular order and at the cost of about one pass: it walks
// created_at, so that the millionth page is as cheap as the first, and counts
// by offset only within seconds that hold more rows than a page. A reader that
// has nothing left takes over half of what another one still has before it, so
// that bursts and gaps do not matter. Memory does not grow with the table.
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
			yield(nil, invalid(api.RecordsList, "%w", err))
			return
		}
		all, total, err := t.survey(ctx, all, o.Where, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		s := newScan(t, all.page(), opts)
		s.start(ctx, all, cmp.Or(o.Parallel, 4))
		defer s.drain()
		defer cancel()
		progress := ScanProgress{Total: total}
		for c := range s.chunks {
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
			progress.Ranges = s.ranges()
			if o.OnProgress != nil {
				o.OnProgress(progress)
			}
		}
		if err := s.failure(ctx); err != nil {
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

// scan is the readers of one scan and what they still have before them.
type scan[T any] struct {
	table  *Table[T]
	opts   []CallOption
	chunks chan *Chunk[T]

	mu       sync.Mutex
	changed  *sync.Cond // a piece came, ended, or became divisible
	waiting  []*piece   // that nobody reads
	active   map[*piece]bool
	full     int // rows of a page
	page     int // rows of a page for now, after what the readers met
	err      error
	panicked any // of the caller's code, in a reader
	stopped  bool
}

// piece is a range that is being read. Its end can move towards its beginning
// while a page of it is on its way.
type piece struct {
	rest    ScanRange
	density float64 // rows per second of the last page; 0 before the first one
	until   int     // about the offset where a window ends; 0 if not known
	near    *piece  // whose window this one is to take the far end of, before its first page
	shared  bool    // another piece is about to
}

func newScan[T any](t *Table[T], page int, opts []CallOption) *scan[T] {
	s := &scan[T]{table: t, full: page, page: page, opts: opts, chunks: make(chan *Chunk[T]), active: make(map[*piece]bool)}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// start begins with as many pieces as there are readers, of the same length in
// time, and one for the rows without a timestamp.
func (s *scan[T]) start(ctx context.Context, all ScanRange, parallel int) {
	missing := all
	missing.Missing = true
	s.waiting = append(all.divide(parallel), &piece{rest: missing})
	unhook := context.AfterFunc(ctx, func() { s.stop(nil) }) // wakes the readers that wait
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	var readers sync.WaitGroup
	for range parallel {
		readers.Go(func() { s.work(ctx, turns) })
	}
	go func() {
		readers.Wait()
		unhook()
		close(s.chunks)
	}()
}

// divide cuts a range into pieces of about the same length in time.
func (r ScanRange) divide(n int) []*piece {
	var pieces []*piece
	for ; n > 0 && !r.Done(); n-- {
		p := &piece{rest: r}
		p.rest.To = r.From + max(1, (r.To-r.From)/int64(n))
		r.From = p.rest.To
		pieces = append(pieces, p)
	}
	return pieces
}

// drain waits for the end of every goroutine.
func (s *scan[T]) drain() {
	for range s.chunks { // until it is closed
	}
}

// work reads pieces until there is none. A panic of the caller's code, which
// decodes rows, is kept for the caller.
func (s *scan[T]) work(ctx context.Context, turns chan struct{}) {
	table := *s.table
	table.turn = &turn{of: turns}
	ended := false
	defer func() {
		if !ended {
			s.abandon(recover())
		}
	}()
	for p := s.take(); p != nil; p = s.take() {
		for s.read(ctx, &table, p) {
		}
		s.give(p)
	}
	ended = true
}

// turn is a reader's place among the few that hold a decoded page, which takes
// several times the memory of its bytes. More at a time than there are
// processors would not be faster. A nil turn is always had.
type turn struct {
	of   chan struct{}
	held bool
}

func (t *turn) take() {
	if t != nil && !t.held {
		t.of <- struct{}{}
		t.held = true
	}
}

func (t *turn) give() {
	if t != nil && t.held {
		<-t.of
		t.held = false
	}
}

func (s *scan[T]) abandon(panicked any) {
	s.stop(errReaderEnded)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.panicked = cmp.Or(s.panicked, panicked)
}

// read sends one page of a piece on and reports whether something is left.
func (s *scan[T]) read(ctx context.Context, table *Table[T], p *piece) bool {
	defer table.turn.give()
	asked := s.rest(p)
	if asked.Done() {
		return false
	}
	c, err := table.step(ctx, asked, s.opts)
	if err == nil {
		err = s.advance(p, c, asked)
	}
	if err != nil {
		s.stop(err)
		return false
	}
	if len(c.Rows) > 0 {
		select {
		case s.chunks <- c:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (s *scan[T]) rest(p *piece) ScanRange {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ScanRange{}
	}
	p.rest.PageSize = s.page
	return p.rest
}

// advance moves the beginning of a piece behind the page. If its end moved
// meanwhile, what lies behind the end is another reader's.
func (s *scan[T]) advance(p *piece, c *Chunk[T], asked ScanRange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	s.learn(asked.page(), c.Rest.page())
	if asked.walksIDs() {
		s.advanceByID(p, c, asked)
		return nil
	}
	end := p.rest.To
	p.rest = c.Rest
	p.rest.To = end
	if end < asked.To {
		if err := c.before(asked.By, end); err != nil {
			return err
		}
	}
	p.settle()
	n := len(c.Rows)
	if p.rest.ByID {
		n = s.page // which are read again
	}
	p.density = float64(n) / float64(max(1, p.rest.From-asked.From))
	return nil
}

// learn takes note of the size that a page was asked for in, and had in the end.
// One that was asked for before others became smaller says nothing any more.
func (s *scan[T]) learn(asked, page int) {
	next := grown(page, s.full)
	switch {
	case page < asked:
		s.page = min(s.page, next)
	case page <= s.page:
		s.page = max(s.page, next)
	}
}

// settle ends a piece that has come to its end, and a window with it.
func (p *piece) settle() {
	if p.rest.Done() {
		p.rest = ScanRange{}
	}
	if !p.rest.Missing {
		p.rest.Window = min(p.rest.Window, p.rest.To-p.rest.From)
	}
}

func (s *scan[T]) advanceByID(p *piece, c *Chunk[T], asked ScanRange) {
	if p.near != nil {
		p.takeOver(c.first(), asked)
		if p.rest.Done() {
			c.keep(0)
			return
		}
		c.afterID(p.rest.After)
	}
	to, before := p.rest.To, p.rest.Before
	same := c.Rest.sameWindow(asked)
	p.rest = c.Rest
	switch {
	case before != asked.Before && (c.beforeID(before) || !same):
		p.rest = ScanRange{}
	case !p.rest.Done():
		p.rest.To, p.rest.Before = to, before
	}
	p.settle()
	if !same {
		p.until = 0
	} else if c.total >= 0 {
		p.until = c.total
	}
}

// takeOver settles which rows of the window are this piece's and which the near
// one's, now that the first row of this one is known. The near one may have come
// further than that, or to its end.
func (p *piece) takeOver(first string, asked ScanRange) {
	near := p.near
	p.near, near.shared = nil, false
	if first == "" || !near.rest.sameWindow(asked) {
		p.rest = ScanRange{}
		return
	}
	p.rest = near.rest
	near.rest.Before, near.rest.To = first, asked.From+asked.Window
}

func (r ScanRange) sameWindow(other ScanRange) bool {
	return r.Missing == other.Missing && r.ByID == other.ByID && r.From == other.From && r.Window == other.Window
}

// take returns a piece to read: one that waits, or half of what is left of the
// largest; nil when the scan is over.
func (s *scan[T]) take() *piece {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stopped {
		var p *piece
		if len(s.waiting) > 0 {
			p, s.waiting = s.waiting[0], s.waiting[1:]
		} else {
			p = s.half()
		}
		if p != nil {
			s.active[p] = true
			return p
		}
		if len(s.active) == 0 {
			return nil
		}
		s.changed.Wait()
	}
	return nil
}

// half cuts the piece with the most rows before it in two and returns the far
// end; nil if no piece is worth it.
func (s *scan[T]) half() *piece {
	var largest *piece
	most := 2 * float64(s.page)
	for p := range s.active {
		if n := p.left(); n > most {
			largest, most = p, n
		}
	}
	switch {
	case largest == nil:
		return nil
	case largest.timeBehind() > 0:
		return largest.halfOfTime()
	}
	return largest.halfOfWindow(s.page)
}

// timeBehind is how many seconds are before the piece and not in its window.
func (p *piece) timeBehind() int64 {
	r := p.rest
	switch {
	case r.Missing || p.near != nil || r.Done():
		return 0
	case r.ByID:
		return r.To - r.From - r.Window
	}
	return r.To - r.From
}

// left estimates the rows that a piece still has before it and can give away.
func (p *piece) left() float64 {
	rows := p.density * float64(p.timeBehind())
	if p.rest.walksIDs() && p.near == nil && !p.shared {
		rows += float64(max(0, p.until-p.rest.Skip))
	}
	return rows
}

// halfOfTime cuts behind the window, or without one in the middle.
func (p *piece) halfOfTime() *piece {
	far := &piece{rest: p.rest, density: p.density}
	border := p.rest.From + (p.rest.To-p.rest.From)/2
	if p.rest.ByID {
		border = p.rest.From + p.rest.Window
		far.rest = p.rest.window(border, p.rest.Window)
		far.rest.ByID, far.density = false, 0
	}
	if border <= p.rest.From {
		return nil
	}
	p.rest.To, far.rest.From = border, border
	return far
}

// halfOfWindow cuts a window where about half of its rows are left, behind the
// page on its way. Which row is there shows when the first page of the far end
// has come.
func (p *piece) halfOfWindow(page int) *piece {
	border := p.rest.Skip + max(page, (p.until-p.rest.Skip)/2)
	far := &piece{rest: p.rest, until: p.until, near: p}
	far.rest.Skip, far.rest.After = border, ""
	p.until, p.shared = border, true
	return far
}

// give takes a piece back that has been read.
func (s *scan[T]) give(p *piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, p)
	s.changed.Broadcast()
}

// stop ends the scan; the first error counts.
func (s *scan[T]) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = cmp.Or(s.err, err)
	s.stopped = true
	s.changed.Broadcast()
}

func (s *scan[T]) ranges() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) + len(s.active)
}

// failure is why the scan ended early, nil if it did not.
func (s *scan[T]) failure(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panicked != nil {
		panic(s.panicked)
	}
	return cmp.Or(s.err, context.Cause(ctx))
}

package minapp

import (
	"cmp"
	"sync"
)

// pieces is what the readers of a scan still have before them. A reader that has
// nothing left takes half of what another one has.
type pieces struct {
	mu      sync.Mutex
	changed *sync.Cond // a piece came, ended, or became divisible
	waiting []*piece   // that nobody reads
	active  map[*piece]bool
	full    int // rows of a page
	page    int // rows of a page for now, after what the readers met
	err     error
	stopped bool
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

// newPieces cuts a range into as many pieces as there are readers, of the same
// length in time, and one for the rows without a timestamp.
func newPieces(all ScanRange, readers int) *pieces {
	missing := all
	missing.Missing = true
	ps := &pieces{full: all.page(), page: all.page(), active: make(map[*piece]bool)}
	ps.changed = sync.NewCond(&ps.mu)
	ps.waiting = append(all.divide(readers), &piece{rest: missing})
	return ps
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

func (ps *pieces) rest(p *piece) ScanRange {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.stopped {
		return ScanRange{}
	}
	p.rest.PageSize = ps.page
	return p.rest
}

// advance moves the beginning of a piece behind the page. If its end moved
// meanwhile, what lies behind the end is another reader's.
func (ps *pieces) advance(p *piece, got *portion, asked ScanRange) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	defer ps.changed.Broadcast()
	ps.learn(asked.page(), got.rest.page())
	if asked.walksIDs() {
		ps.advanceByID(p, got, asked)
		return nil
	}
	end := p.rest.To
	p.rest = got.rest
	p.rest.To = end
	if end < asked.To {
		if err := got.before(asked.By, end); err != nil {
			return err
		}
	}
	p.settle()
	n := len(got.rows)
	if p.rest.ByID {
		n = ps.page // which are read again
	}
	p.density = float64(n) / float64(max(1, p.rest.From-asked.From))
	return nil
}

// learn takes note of the size that a page was asked for in, and had in the end.
// One that was asked for before others became smaller says nothing any more.
func (ps *pieces) learn(asked, page int) {
	next := grown(page, ps.full)
	switch {
	case page < asked:
		ps.page = min(ps.page, next)
	case page <= ps.page:
		ps.page = max(ps.page, next)
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

func (ps *pieces) advanceByID(p *piece, got *portion, asked ScanRange) {
	if p.near != nil {
		p.takeOver(got.first(), asked)
		if p.rest.Done() {
			got.keep(0)
			return
		}
		got.afterID(p.rest.After)
	}
	to, before := p.rest.To, p.rest.Before
	same := got.rest.sameWindow(asked)
	p.rest = got.rest
	switch {
	case before != asked.Before && (got.beforeID(before) || !same):
		p.rest = ScanRange{}
	case !p.rest.Done():
		p.rest.To, p.rest.Before = to, before
	}
	p.settle()
	if !same {
		p.until = 0
	} else if got.total >= 0 {
		p.until = got.total
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
func (ps *pieces) take() *piece {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for !ps.stopped {
		var p *piece
		if len(ps.waiting) > 0 {
			p, ps.waiting = ps.waiting[0], ps.waiting[1:]
		} else {
			p = ps.half()
		}
		if p != nil {
			ps.active[p] = true
			return p
		}
		if len(ps.active) == 0 {
			return nil
		}
		ps.changed.Wait()
	}
	return nil
}

// half cuts the piece with the most rows before it in two and returns the far
// end; nil if no piece is worth it.
func (ps *pieces) half() *piece {
	var largest *piece
	most := 2 * float64(ps.page)
	for p := range ps.active {
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
	return largest.halfOfWindow(ps.page)
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
func (ps *pieces) give(p *piece) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.active, p)
	ps.changed.Broadcast()
}

// stop ends the scan; the first error counts.
func (ps *pieces) stop(err error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.err = cmp.Or(ps.err, err)
	ps.stopped = true
	ps.changed.Broadcast()
}

// count is how many pieces are left.
func (ps *pieces) count() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.waiting) + len(ps.active)
}

// reason is why the reading was stopped, nil if it was not, or by the caller.
func (ps *pieces) reason() error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.err
}

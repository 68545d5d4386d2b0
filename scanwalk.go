package minapp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
)

// walker reads pieces of a table, page after page. It decodes nothing: where to
// go on shows in ids and timestamps.
type walker struct{ list func(Query) pageReader }

// portion is the rows of a page that are new and wanted, and what is left of the
// piece after them.
type portion struct {
	page    *rawPage
	rows    []json.RawMessage // one after the other in the page,
	skipped int               // behind so many others
	rest    ScanRange
	total   int // rows in the window that has just begun; -1 if not known
}

// step reads the next page of a piece and returns the rows that are final, and
// what is left. A page that is too much for the service shrinks, and the piece
// keeps the smaller size.
func (w walker) step(ctx context.Context, r ScanRange) (*portion, error) {
	if r.walksIDs() {
		return w.stepByID(ctx, r)
	}
	return w.stepByTime(ctx, r)
}

// ask sends one query of a piece.
func (w walker) ask(ctx context.Context, r *ScanRange, q Query) (*rawPage, error) {
	l := w.list(q)
	limit := l.window.limit
	page, err := l.shrinking(ctx, leastPage)
	if err != nil {
		return nil, err
	}
	if l.window.limit < limit {
		r.PageSize = l.window.limit
	}
	return page, page.check(nil, l.op)
}

// stepByTime takes the next page in the order of time. A full page ends
// somewhere within a second, so it is cut before that second, which is read
// again.
func (w walker) stepByTime(ctx context.Context, r ScanRange) (*portion, error) {
	page, err := w.ask(ctx, &r, r.query())
	if err != nil {
		return nil, err
	}
	p := &portion{page: page, rows: page.Rows, rest: r, total: -1}
	if len(p.rows) == 0 {
		p.rest.From = r.To
		return p, nil
	}
	first, last, err := p.span(r)
	switch {
	case err != nil:
		return nil, err
	case !page.goesOn():
		p.rest.From = r.To
		return p, nil
	case first < last:
		if err := p.before(r.By, last); err != nil {
			return nil, err
		}
		if p.rest.From = last; len(p.rows) < len(page.Rows)*3/4 {
			p.rest = r.window(last, fewPages*(last-first)) // too much to read again each time
		}
		return p, nil
	}
	// The order within the second is not known, so that nothing tells whether
	// these are all of its rows or which ones they are.
	p.rest = r.window(first, 2*r.Window)
	p.keep(0)
	return p, nil
}

// span is the first and the last second of a page.
func (p *portion) span(r ScanRange) (first, last int64, err error) {
	if first, err = stampOf(p.rows[0], r.By); err != nil {
		return 0, 0, err
	}
	if last, err = stampOf(p.rows[len(p.rows)-1], r.By); err != nil {
		return 0, 0, err
	}
	if first < r.From || last >= r.To || first > last {
		err = protocolError(fmt.Errorf("asked for %s from %d to %d in order, got %d to %d", r.By, r.From, r.To, first, last))
	}
	return first, last, err
}

// window is the piece from a second on, of which the first seconds are to be
// read by id.
func (r ScanRange) window(from, seconds int64) ScanRange {
	r.From, r.ByID = from, true
	r.Window = min(max(1, seconds), r.To-from)
	r.After, r.Before, r.Skip = "", "", 0
	return r
}

// A window is to hold a few pages: the more, the fewer requests are spent on
// finding its end; but the service counts through what is skipped.
const (
	fewPages  = 4
	manyPages = 16
)

// behind is what is left of the piece after a window that held so many rows.
// Another one follows if this one was worth it.
func (r ScanRange) behind(n int) ScanRange {
	from := r.From + r.Window
	if r.Missing || r.Before != "" || from >= r.To {
		return ScanRange{By: r.By}
	}
	seconds := r.Window
	switch {
	case n < fewPages*r.page():
		seconds *= 2
	case n > manyPages*r.page():
		seconds /= 2
	}
	next := r.window(from, seconds)
	if n < r.page() {
		next.ByID, next.Window = false, r.Window
	}
	return next
}

// maxProbes bounds the search for the place to go on from.
const maxProbes = 50

// stepByID takes the next page in the order of ids, by offset: that ids can be
// compared is documented nowhere. Offsets move when rows come and go, so a page
// is believed only if it proves its place: it is the first one, or begins with
// a row that has been read. Usually that is the last row of the page before.
func (w walker) stepByID(ctx context.Context, r ScanRange) (*portion, error) {
	q := r.query()
	q.Total = r.After == "" && r.Skip == 0
	search := finder{at: max(0, r.Skip-1)}
	if r.After == "" {
		search.at = r.Skip // a part of a window, from whatever row is there
	}
	for range maxProbes {
		q.Offset = search.at
		page, err := w.ask(ctx, &r, q)
		if err != nil {
			return nil, err
		}
		q.PageSize = r.page() // which may have shrunk
		ids, err := idsOf(page.Rows)
		if err != nil {
			return nil, err
		}
		known, _ := slices.BinarySearchFunc(ids, r.After, func(id, after string) int { return cmp.Or(compareIDs(id, after), -1) })
		switch {
		case r.After != "" && known == 0 && search.at > 0:
			search.back(r.page())
		case known == len(ids) && page.goesOn():
			search.forth(len(ids))
		default:
			return takeByID(r, page, ids, known, search.at), nil
		}
	}
	return nil, fmt.Errorf("%w: no page begins before the row after %q", ErrScanDrift, r.After)
}

// finder is the search for the offset of the first new row: low is before it
// and high behind it, as far as that is known and still true.
type finder struct{ at, low, high, tries int }

// back goes on before at: by a page, in case a few rows vanished; to the
// beginning, in case all did; then by halves.
func (f *finder) back(page int) {
	if f.at <= f.low {
		f.low = 0
	}
	f.high = f.at
	switch f.tries++; f.tries {
	case 1:
		f.at = max(f.low, f.high-page+1)
	case 2:
		f.at = f.low
	default:
		f.at = f.low + (f.high-f.low)/2
	}
}

// forth goes on behind a page of n known rows.
func (f *finder) forth(n int) {
	f.low = f.at + n - 1
	if f.at = f.low; f.high > f.low+n {
		f.at = f.low + (f.high-f.low)/2
	}
}

// takeByID takes the rows of a page that are new and wanted.
func takeByID(r ScanRange, page *rawPage, ids []string, known, offset int) *portion {
	end, more := len(ids), page.goesOn()
	if r.Before != "" {
		end, _ = slices.BinarySearchFunc(ids, r.Before, compareIDs)
		more = more && end == len(ids)
	}
	known = min(known, end)
	p := &portion{page: page, rows: page.Rows[known:end], skipped: known, rest: r, total: int(page.total)}
	if r.Window > 1 && !r.Missing && p.total > manyPages*r.page() && r.After == "" {
		p.rest = r.window(r.From, r.Window/int64(p.total/(fewPages*r.page())))
		p.keep(0)
		return p
	}
	p.rest.Skip = offset + end
	if end > known {
		p.rest.After = ids[end-1]
	}
	if !more {
		p.rest = p.rest.behind(p.rest.Skip)
	}
	return p
}

// idsOf is the ids of rows that were asked for in the order of their ids.
func idsOf(rows []json.RawMessage) ([]string, error) {
	ids := make([]string, len(rows))
	for i, row := range rows {
		if ids[i] = idOf(row); ids[i] == "" || i > 0 && compareIDs(ids[i-1], ids[i]) >= 0 {
			return nil, protocolError(fmt.Errorf("asked for rows ordered by id, got %q after %q", ids[i], ids[max(0, i-1)]))
		}
	}
	return ids, nil
}

// compareIDs is the order of the service's ids: those of rows have 24
// hexadecimal digits, those of users are numbers.
func compareIDs(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func (p *portion) keep(n int) { p.rows = p.rows[:n] }

// first is the id of the first row, "" if there is none.
func (p *portion) first() string {
	if len(p.rows) == 0 {
		return ""
	}
	return idOf(p.rows[0])
}

// afterID keeps the rows after an id, which others have read up to.
func (p *portion) afterID(id string) {
	n := 0
	for n < len(p.rows) && compareIDs(idOf(p.rows[n]), id) <= 0 {
		n++
	}
	p.skipped += n
	if p.rows = p.rows[n:]; len(p.rows) == 0 {
		p.rest.After = id
	}
}

// beforeID keeps the rows before an id and reports whether there were others.
func (p *portion) beforeID(id string) bool {
	n, all := len(p.rows), len(p.rows)
	for n > 0 && compareIDs(idOf(p.rows[n-1]), id) >= 0 {
		n--
	}
	p.keep(n)
	return n < all
}

// before keeps the rows before a second.
func (p *portion) before(by string, end int64) error {
	for n := len(p.rows); n > 0; n-- {
		at, err := stampOf(p.rows[n-1], by)
		if err != nil {
			return err
		}
		if at < end {
			p.keep(n)
			return nil
		}
	}
	p.keep(0)
	return nil
}

// stampOf is the second of the walked column of a row, which some surfaces send
// as text.
func stampOf(row json.RawMessage, by string) (int64, error) {
	raw, ok := rows.Member(row, by)
	if !ok {
		return 0, protocolError(fmt.Errorf("record %q has no %s", idOf(row), by))
	}
	at, err := strconv.ParseInt(text(raw), 10, 64)
	if err == nil {
		return at, nil
	}
	fraction, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || fraction < minStamp || fraction > maxStamp {
		return 0, protocolError(fmt.Errorf("record %q: %s is %s", idOf(row), by, raw))
	}
	return int64(math.Floor(fraction)), nil
}

func protocolError(err error) error {
	return failed(operation.RecordsList, "%w: %w", ErrProtocol, err)
}

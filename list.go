package minapp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"

	"github.com/google/go-querystring/query"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
)

// maxPage is the largest page the service gives, in elements, and the size of
// a page when the caller names none.
const maxPage = 1000

// window is the part of a list that is asked for, page by page.
type window struct {
	offset int
	limit  int // elements of the next page
	size   int // elements of a page, unless they were too much
	max    int // elements at most; 0 is no limit
}

// newWindow checks what a query says about pages.
func newWindow(size, offset, most int) (window, error) {
	w := window{offset: offset, size: cmp.Or(size, maxPage), max: most}
	switch {
	case size < 0 || size > maxPage:
		return w, fmt.Errorf("PageSize is %d, 1 to %d are allowed", size, maxPage)
	case offset < 0 || most < 0:
		return w, fmt.Errorf("Offset %d or Max %d is negative", offset, most)
	}
	w.limit = w.size
	if most > 0 {
		w.limit = min(w.limit, most)
	}
	return w, nil
}

// after is the window behind n elements; ok is false if nothing is wanted
// there.
func (w window) after(n int) (next window, ok bool) {
	w.offset += n
	w.limit = grown(w.limit, w.size)
	if w.max == 0 {
		return w, true
	}
	w.max -= n
	w.limit = min(w.limit, w.max)
	return w, w.max > 0
}

// shrunk is the size that is asked for instead of one that was too much.
func shrunk(limit, least int) int { return max(least, limit/4) }

// grown is the size of the page after one that came. It goes back to the full
// size in steps: where that is still too much, only one request of several is
// spent on finding out.
func grown(limit, size int) int { return min(size, limit+(limit+3)/4) }

func (w window) params() (url.Values, error) {
	return encodeQuery(struct {
		Limit  int `url:"limit"`
		Offset int `url:"offset,omitempty"` // what equals the service's default is left out
	}{w.limit, w.offset})
}

func encodeQuery(params any) (url.Values, error) { return query.Values(params) }

// pageReader reads the pages of one list of the service: every list has the
// same meta, limit and offset, and only what is in it differs.
type pageReader struct {
	client *Client
	op     operation.Operation
	call   api.Call // the query without the window
	window window
	key    string // the member that tells elements apart; "" is the id
	err    error  // why nothing can be asked for
}

// rawPage is one page as it came.
type rawPage struct {
	rows.Page
	mark  []byte // what no other page has; nil if nothing tells
	total int64  // -1 if the service does not say
	more  bool   // whether the service says that there is a next page
	full  bool   // as many elements as were asked for
}

// pageMeta is the member meta of a list. next is a path that may carry the
// prefix of another surface, and its offset skips rows after a delete: it is
// never followed.
type pageMeta struct {
	Next   string `json:"next"`
	Offset *int   `json:"offset"`
	Count  *int64 `json:"total_count"` // absent or null unless asked for
}

func (m pageMeta) total() int64 {
	if m.Count == nil {
		return -1
	}
	return *m.Count
}

// request is the call that reads the window.
func (r pageReader) request() (api.Call, error) {
	if r.err != nil {
		return r.call, r.err
	}
	params, err := r.window.params()
	if err != nil {
		return r.call, invalid(r.op, "%w", err)
	}
	maps.Copy(params, r.call.Query)
	r.call.Query = params
	return r.call, nil
}

// get is the one way a page is read.
func (r pageReader) get(ctx context.Context) (*rawPage, error) {
	call, err := r.request()
	if err != nil {
		return nil, err
	}
	res, err := r.client.api.Do(ctx, r.op, call)
	if err != nil {
		return nil, toError(err)
	}
	page, err := r.split(res.Body)
	if err != nil {
		return nil, misread(r.op, res, err)
	}
	return page, nil
}

// split cuts a page into elements.
func (r pageReader) split(body []byte) (*rawPage, error) {
	split, err := rows.Split(body)
	if err != nil {
		return nil, err
	}
	var meta pageMeta
	if err := json.Unmarshal(split.Meta, &meta); err != nil {
		return nil, fmt.Errorf("meta: %w", err)
	}
	if meta.Offset != nil && *meta.Offset != r.window.offset {
		return nil, fmt.Errorf("asked for offset %d, got %d", r.window.offset, *meta.Offset)
	}
	n := len(split.Rows)
	page := &rawPage{Page: split, total: meta.total(), more: meta.Next != "", full: n >= r.window.limit}
	if n > 0 {
		page.mark = []byte(r.keyOf(split.Rows[0]))
	}
	if len(page.mark) == 0 && n > 0 && meta.Offset == nil {
		page.mark = split.Objects
	}
	return page, nil
}

func (r pageReader) keyOf(element []byte) string {
	if r.key == "" {
		return idOf(element)
	}
	raw, _ := rows.Member(element, r.key)
	return text(raw)
}

func (p *rawPage) goesOn() bool { return len(p.Rows) > 0 && (p.more || p.full) }

// check refuses a page that begins like the one before, and one that is empty
// though it has a next one: the service did not move forward, and the loop would
// never end, or too early. last is nil for the first page.
func (p *rawPage) check(last *rawPage, op operation.Operation) error {
	switch {
	case len(p.Rows) == 0 && p.more:
		return failed(op, "%w: an empty page with a next one", ErrProtocol)
	case last != nil && len(p.mark) > 0 && bytes.Equal(p.mark, last.mark):
		return failed(op, "%w: the next page begins with %.40q again", ErrProtocol, p.mark)
	}
	return nil
}

// shrinking reads the page, or if it is too much at once the first part of it;
// the window keeps the smaller size. A gateway that gave up on the service is
// asked again as often as every other read, but each time for less; an answer
// longer than is read would be so again.
func (r *pageReader) shrinking(ctx context.Context, least int) (*rawPage, error) {
	shrink := func() { r.window.limit = shrunk(r.window.limit, least) }
	r.call.Shrink = func() url.Values {
		shrink()
		call, _ := r.request() // which has succeeded before
		return call.Query
	}
	for {
		page, err := r.get(ctx)
		if r.window.limit <= least || !errors.Is(err, answer.ErrTooLarge) {
			return page, err
		}
		shrink()
	}
}

// lister is a list whose elements are decoded.
type lister[E any] struct {
	pageReader
	decode func(rows.Page) ([]*E, []error) // one error for each element, nil where it decoded
}

// listPage is a page with its elements, and what went wrong in each of them.
type listPage[E any] struct {
	*rawPage
	elements []*E
	errs     []error // as long as elements; nil entries are fine
}

// page reads the window as it is. An error beside a page is that of its
// elements, joined.
func (l lister[E]) page(ctx context.Context) (*listPage[E], error) {
	raw, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	page := l.decoded(raw)
	return page, errors.Join(page.errs...)
}

func (l lister[E]) decoded(raw *rawPage) *listPage[E] {
	elements, errs := l.decode(raw.Page)
	return &listPage[E]{raw, elements, errs}
}

// decodeElements decodes a page one by one; an element that does not decode is
// there as far as it goes.
func decodeElements[E any](page rows.Page) ([]*E, []error) {
	elements, errs := make([]*E, len(page.Rows)), make([]error, len(page.Rows))
	for i, raw := range page.Rows {
		elements[i] = new(E)
		if err := json.Unmarshal(raw, elements[i]); err != nil {
			errs[i] = newDecodeError(raw, err)
		}
	}
	return elements, errs
}

// all walks the list as [Table.All] documents it.
func (l lister[E]) all(ctx context.Context) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		if ctx == nil {
			yield(nil, invalid(l.op, "the context is nil"))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		p := &pager[E]{ctx: ctx, list: l}
		p.prefetch()
		defer p.stop(cancel)
		for p.next() {
			for i, element := range p.page.elements {
				if ctx.Err() != nil {
					yield(nil, context.Cause(ctx))
					return
				}
				if !yield(element, p.page.errs[i]) {
					return
				}
			}
		}
		if p.err != nil {
			yield(nil, p.err)
		}
	}
}

// pager walks a list by offset with one page ahead.
type pager[E any] struct {
	ctx   context.Context
	list  lister[E] // from the page on its way
	ahead *ahead[E] // the page on its way, nil if none
	page  *listPage[E]
	err   error
}

// ahead is a page on its way: it comes, and then it is decoded.
type ahead[E any] struct {
	came  chan struct{} // raw or err, limit and info are there
	raw   *rawPage
	limit int // of the pages from this one on
	info  api.Meta

	done chan struct{} // page or err is there
	page *listPage[E]
	err  error
}

// abandoned is why a goroutine ended in the caller's code, such as that of its
// row type: it panicked, or called runtime.Goexit, which leaves nothing.
type abandoned struct{ panicked any }

// Error implements error.
func (abandoned) Error() string { return "the code that decodes rows ended its goroutine" }

// rethrown panics as the caller's code did, where the caller can recover.
func rethrown(err error) error {
	if e, ok := errors.AsType[abandoned](err); ok && e.panicked != nil {
		panic(e.panicked)
	}
	return err
}

func (p *pager[E]) prefetch() {
	p.ahead = &ahead[E]{came: make(chan struct{}, 1), done: make(chan struct{})}
	go p.ahead.read(p.ctx, p.list)
}

// read ends in any case with both channels closed; came has a signal earlier if
// there is a page.
func (a *ahead[E]) read(ctx context.Context, list lister[E]) {
	ended := false
	defer func() {
		if !ended {
			a.err = abandoned{recover()}
		}
		close(a.came)
		close(a.done)
	}()
	list.call.Meta = &a.info
	a.raw, a.err = list.shrinking(ctx, 1)
	a.limit = list.window.limit
	if a.err == nil {
		a.came <- struct{}{}
		a.page = list.decoded(a.raw)
		if most := list.window.max; most > 0 && len(a.page.elements) > most {
			a.page.elements = a.page.elements[:most] // the service gave more than it was asked for
		}
	}
	ended = true
}

// stop ends the page on its way and waits for it, so that no goroutine is left.
func (p *pager[E]) stop(cancel context.CancelFunc) {
	cancel()
	if p.ahead != nil {
		<-p.ahead.done
	}
}

// next makes the page on its way the current one. The one after it is asked for
// when this one has come, and not only when it is decoded.
func (p *pager[E]) next() bool {
	a := p.ahead
	if a == nil {
		return false
	}
	p.ahead = nil
	<-a.came
	if meta := p.list.call.Meta; meta != nil {
		*meta = a.info // here, on the caller's goroutine
	}
	if a.raw != nil {
		p.err = p.follow(a)
	}
	<-a.done
	if p.page = a.page; p.err == nil {
		p.err = rethrown(a.err)
	}
	return p.err == nil
}

// follow starts the page after one that has come, if there is one. A full page is
// not believed to be the last: whether next is reliable without the total count
// is not settled, and one request too many loses nothing.
func (p *pager[E]) follow(a *ahead[E]) error {
	var last *rawPage
	if p.page != nil {
		last = p.page.rawPage
	}
	if err := a.raw.check(last, p.list.op); err != nil {
		return err
	}
	p.list.window.limit = a.limit
	after, wanted := p.list.window.after(len(a.raw.Rows))
	if wanted && a.raw.goesOn() {
		p.list.window = after
		p.prefetch()
	}
	return nil
}

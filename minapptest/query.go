package minapptest

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// selection is what the query parameters of a list or bulk call ask for.
type selection struct {
	filter        *filter
	order         ordering
	limit, offset int
	limited       bool // limit was given
	total         bool
}

// parseSelection reads where, order_by, limit, offset and return_total_count.
func (t *table) parseSelection(q url.Values, defaultLimit int) (selection, *failure) {
	s := selection{limit: defaultLimit, limited: q.Has("limit"), filter: &filter{}, total: q.Get("return_total_count") == "1"}
	var err *failure
	if s.limit, err = intParam(q, "limit", 1, defaultLimit); err != nil {
		return s, err
	}
	if s.offset, err = intParam(q, "offset", 0, 0); err != nil {
		return s, err
	}
	if q.Has("where") { // inferred: an empty where is a mistake, not "everything"
		if s.filter, err = t.compileFilter(q.Get("where")); err != nil {
			return s, err
		}
	}
	if s.filter.near != nil && q.Get("order_by") == "" {
		s.order = s.filter.near.ordering()
		return s, nil
	}
	s.order, err = t.parseOrder(q.Get("order_by"))
	return s, err
}

// intParam reads an integer. inferred: one that is too small, or none, is a 400.
func intParam(q url.Values, name string, least, otherwise int) (int, *failure) {
	if !q.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < least {
		return 0, badRequest("invalid %s: %q", name, q.Get(name))
	}
	return n, nil
}

// ordering is a parsed order_by.
type ordering struct {
	text string
	keys []orderKey
	near *nearest // instead of keys. inferred: an order_by replaces it
}

type orderKey struct {
	column string
	kind   kind
	desc   bool
}

const defaultOrder = "-created_at"

func (t *table) parseOrder(text string) (ordering, *failure) {
	if text == "" {
		text = defaultOrder
	}
	o := ordering{text: text}
	for name := range strings.SplitSeq(text, ",") {
		column, desc := strings.CutPrefix(strings.TrimSpace(name), "-")
		field := t.columns[column]
		if field == nil {
			return o, badRequest("unknown field in order_by: %q", column) // inferred
		}
		o.keys = append(o.keys, orderKey{column: column, kind: kindOf(field), desc: desc})
	}
	return o, nil
}

// byCreation tells whether the order is that of creation, forwards or backwards.
func (o ordering) byCreation() (yes, backwards bool) {
	if len(o.keys) != 1 || o.keys[0].column != "created_at" {
		return false, false
	}
	return true, o.keys[0].desc
}

// compare leaves rows that are alike to the order of creation, by being stable.
func (o ordering) compare(a, b *row) int {
	if o.near != nil {
		return o.near.compare(a, b)
	}
	for _, k := range o.keys {
		x, _ := a.get(k.column)
		y, _ := b.get(k.column)
		order := k.kind.total(x, y)
		if k.desc {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// total orders any two values: null first, then numbers, texts, objects, lists,
// booleans, as the document store does.
func (k kind) total(a, b any) int {
	if order, ok := k.compare(a, b); ok {
		return order
	}
	return cmp.Compare(typeRank(a), typeRank(b))
}

func typeRank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case json.Number:
		return 1
	case string:
		return 2
	case map[string]any:
		return 3
	case []any:
		return 4
	}
	return 5
}

// found is what a selection yields.
type found struct {
	rows     []*row
	more     bool // rows follow after these
	total    int  // matches, if asked for
	examined int  // rows looked at to answer
}

// find walks the candidates in order, as far as the answer needs: a page at
// some offset costs offset+limit rows, a count or a rare match the whole table.
func (t *table) find(s selection) found {
	candidates, backwards := t.candidates(s)
	if s.filter.everything() {
		return slicePage(candidates, backwards, s)
	}
	var f found
	for i := range candidates {
		r := at(candidates, i, backwards)
		f.examined++
		if !s.filter.match(r) {
			continue
		}
		f.total++
		if f.total > s.offset && len(f.rows) < s.limit {
			f.rows = append(f.rows, r)
		} else if f.total > s.offset {
			f.more = true
			if !s.total {
				break
			}
		}
	}
	return f
}

func at(rows []*row, i int, backwards bool) *row {
	if backwards {
		i = len(rows) - 1 - i
	}
	return rows[i]
}

func slicePage(candidates []*row, backwards bool, s selection) found {
	n := len(candidates)
	start := min(s.offset, n)
	end := start + min(s.limit, n-start)
	f := found{rows: make([]*row, 0, end-start), more: end < n, total: n, examined: end}
	for i := start; i < end; i++ {
		f.rows = append(f.rows, at(candidates, i, backwards))
	}
	return f
}

// candidates returns the rows that can match, in the order asked for.
func (t *table) candidates(s selection) (rows []*row, backwards bool) {
	created, desc := s.order.byCreation()
	switch {
	case s.filter.byID:
		rows = t.withIDs(s.filter.ids)
	case s.filter.byCreated:
		rows = t.createdBetween(s.filter.minCreated, s.filter.maxCreated)
	case created:
		rows = t.byCreation()
	default:
		return t.sortedBy(s.order), false
	}
	if !created {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, s.order.compare)
	}
	return rows, desc && created
}

func (t *table) withIDs(ids []string) []*row {
	rows := make([]*row, 0, len(ids))
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if r := t.rows[id]; r != nil && !seen[id] {
			seen[id] = true
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, compareCreation)
	return rows
}

func (t *table) createdBetween(low, high int64) []*row {
	rows := t.byCreation()
	from := sort.Search(len(rows), func(i int) bool { return rows[i].createdAt >= low })
	to := sort.Search(len(rows), func(i int) bool { return rows[i].createdAt > high })
	return rows[from:max(from, to)]
}

// nextLink is the link to a neighbouring page: a path without host and, as in
// the documented samples, with the prefix and version of another surface.
// inferred: that this also happens to records.
func nextLink(path string, q url.Values, limit, offset int) string {
	link := url.Values{}
	maps.Copy(link, q)
	link.Set("limit", strconv.Itoa(limit))
	link.Set("offset", strconv.Itoa(offset))
	return path + "?" + link.Encode()
}

// pageMeta is the meta of a list. inferred: without return_total_count there is
// no total_count, rather than a null.
func pageMeta(path string, q url.Values, limit, offset int, more bool, total *int) object {
	var next, previous any
	if more {
		next = nextLink(path, q, limit, offset+limit)
	}
	if offset > 0 {
		previous = nextLink(path, q, limit, max(0, offset-limit))
	}
	meta := object{{"limit", limit}, {"next", next}, {"offset", offset}, {"previous", previous}}
	if total != nil {
		meta = append(meta, member{"total_count", *total})
	}
	return meta
}

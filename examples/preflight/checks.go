package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/geo"
	"github.com/minapp-go/minapp/where"
)

// sample is at most a page of rows in an order.
func (r *report) sample(ctx context.Context, orderBy ...string) ([]*minapp.Record[minapp.Fields], error) {
	page, err := r.rows.Page(ctx, minapp.Query{OrderBy: orderBy, PageSize: 500, Keys: []string{"id", "created_at", "updated_at"}})
	if err != nil {
		return nil, err
	}
	return page.Records, nil
}

// splits counts what two conditions let through of which each row fulfils one:
// when they are ignored, every row is counted twice.
func (r *report) splits(ctx context.Context, question, settles string, upTo, after where.Cond) {
	below, err := r.rows.Count(ctx, upTo)
	var above int64
	if err == nil {
		above, err = r.rows.Count(ctx, after)
	}
	switch {
	case err != nil:
		verdict, text := refusal(err)
		r.add(question, verdict, settles, "%s", text)
	case below+above != r.total:
		r.add(question, no, settles, "%d + %d rows, %d in all", below, above, r.total)
	case r.total == 0:
		r.noRows(question, settles, nil)
	default:
		r.add(question, yes, settles, "%d + %d = %d rows", below, above, r.total)
	}
}

type stamp = func(*minapp.Record[minapp.Fields]) minapp.Timestamp

var stamps = []struct {
	column string
	of     stamp
}{
	{"created_at", (*minapp.Record[minapp.Fields]).CreatedAt},
	{"updated_at", (*minapp.Record[minapp.Fields]).UpdatedAt},
}

func (r *report) comparable(ctx context.Context) {
	for _, s := range stamps {
		question := s.column + " compares"
		settles := "$lte and $gt on " + s.column
		rows, err := r.sample(ctx)
		if len(rows) == 0 {
			r.noRows(question, settles, err)
			continue
		}
		at := s.of(rows[len(rows)/2])
		r.splits(ctx, question, settles, where.Lte(s.column, at), where.Gt(s.column, at))
	}
}

func (r *report) noRows(question, settles string, err error) {
	if err != nil {
		verdict, text := refusal(err)
		r.add(question, verdict, settles, "%s", text)
		return
	}
	r.add(question, unclear, settles, "the table is empty")
}

func (r *report) sortable(ctx context.Context) {
	for _, s := range stamps {
		question := s.column + " sorts"
		settles := "order_by " + s.column
		up, err := r.sample(ctx, s.column)
		if len(up) == 0 {
			r.noRows(question, settles, err)
			continue
		}
		down, err := r.sample(ctx, "-"+s.column)
		if len(down) == 0 {
			r.noRows(question, settles, err)
			continue
		}
		rising := func(a, b *minapp.Record[minapp.Fields]) int { return int(s.of(a) - s.of(b)) }
		falling := func(a, b *minapp.Record[minapp.Fields]) int { return rising(b, a) }
		switch {
		case !slices.IsSortedFunc(up, rising) || !slices.IsSortedFunc(down, falling):
			r.add(question, no, settles, "the rows come in another order")
		case s.of(up[0]) == s.of(down[0]):
			r.add(question, unclear, settles, "all values are equal")
		default:
			r.add(question, yes, settles, "both ways, %s to %s", s.of(up[0]), s.of(down[0]))
		}
	}
}

func (r *report) idComparable(ctx context.Context) {
	const question, settles = `{"id": {"$gt": …}} works`, "comparisons of id, which no source shows"
	rows, err := r.sample(ctx, "id")
	if len(rows) == 0 {
		r.noRows(question, settles, err)
		return
	}
	id := rows[len(rows)/2].ID()
	r.splits(ctx, question, settles, where.Lte("id", id), where.Gt("id", id))
}

// orderByTwo needs rows that only the second column tells apart.
func (r *report) orderByTwo(ctx context.Context) {
	const question, settles = "order_by takes a comma list", "order_by=created_at,id"
	rows, err := r.sample(ctx, "created_at", "-id")
	if len(rows) == 0 {
		r.noRows(question, settles, err)
		return
	}
	ties, sorted := 0, true
	for i, row := range rows[1:] {
		switch before := rows[i]; {
		case before.CreatedAt() > row.CreatedAt():
			sorted = false
		case before.CreatedAt() == row.CreatedAt():
			ties++
			sorted = sorted && before.ID() > row.ID()
		}
	}
	switch {
	case !sorted:
		r.add(question, no, settles, "accepted, but the rows come in another order")
	case ties == 0:
		r.add(question, unclear, settles, "accepted; no two rows share a created_at")
	default:
		r.add(question, yes, settles, "%d rows that share a created_at are ordered by the second column", ties)
	}
}

func (r *report) rangeEnds(ctx context.Context) {
	const question, settles = "the ends of $range belong to it", "the ends of $range"
	rows, err := r.sample(ctx)
	if len(rows) == 0 {
		r.noRows(question, settles, err)
		return
	}
	at := rows[len(rows)/2].CreatedAt()
	equal, err := r.rows.Count(ctx, where.Eq("created_at", at))
	var within int64
	if err == nil {
		within, err = r.rows.Count(ctx, where.Range("created_at", at, at))
	}
	switch {
	case err != nil:
		verdict, text := refusal(err)
		r.add(question, verdict, settles, "%s", text)
	case equal > 0 && within == equal:
		r.add(question, yes, settles, "%d rows between a value and itself", within)
	case equal > 0 && within == 0:
		r.add(question, no, settles, "no row between a value and itself")
	default:
		r.add(question, unclear, settles, "%d rows equal a value, %d lie between it and itself", equal, within)
	}
}

// list reads a page as the service sends it.
func (r *report) list(ctx context.Context, query url.Values) (meta map[string]json.RawMessage, rows int, err error) {
	var body struct {
		Meta    map[string]json.RawMessage `json:"meta"`
		Objects []json.RawMessage          `json:"objects"`
	}
	err = r.client.Do(ctx, minapp.Request{Method: "GET", Path: fmt.Sprintf("v2.4/table/%d/record/", r.info.ID), Query: query}, &body)
	return body.Meta, len(body.Objects), err
}

func (r *report) next(ctx context.Context) {
	const question, settles = "next tells the last page", "whether next is reliable without the count"
	if r.total < 2 {
		r.add(question, unclear, settles, "the table has %d rows", r.total)
		return
	}
	first, _, err := r.list(ctx, url.Values{"limit": {"1"}, "order_by": {"created_at"}})
	var last map[string]json.RawMessage
	// An offset costs the service as many rows: not in a large table.
	if err == nil && r.total <= 100_000 {
		last, _, err = r.list(ctx, url.Values{"limit": {"1"}, "offset": {strconv.FormatInt(r.total-1, 10)}, "order_by": {"created_at"}})
	}
	isNull := func(meta map[string]json.RawMessage) bool {
		return meta["next"] == nil || string(meta["next"]) == "null"
	}
	switch {
	case err != nil:
		verdict, text := refusal(err)
		r.add(question, verdict, settles, "%s", text)
	case last == nil:
		r.add(question, unclear, settles, "the last of %d rows is too far away to look", r.total)
	case isNull(first) || !isNull(last):
		r.add(question, no, settles, "next on the first page is %s, on the last %s", show(first["next"]), show(last["next"]))
	default:
		r.add(question, yes, settles, "without the count: a link on the first page, null on the last")
	}
}

func (r *report) totalCount(ctx context.Context) {
	const question, settles = "total_count only when asked for", "total_count: absent or null"
	without, _, err := r.list(ctx, url.Values{"limit": {"1"}})
	if err != nil {
		verdict, text := refusal(err)
		r.add(question, verdict, settles, "%s", text)
		return
	}
	verdict := no
	if count := string(without["total_count"]); count == "" || count == "null" {
		verdict = yes
	}
	r.add(question, verdict, settles, "otherwise it is %s", show(without["total_count"]))
}

func show(raw json.RawMessage) string {
	if raw == nil {
		return "absent"
	}
	return shorten(string(raw))
}

// operators tries what only other surfaces document, with conditions that no
// row fulfils: an operator that is ignored lets every row through.
func (r *report) operators(ctx context.Context) {
	const none = "zq_preflight_zq"
	nowhere := geo.Point{Lng: -140.3, Lat: -48.9} // the point farthest from land
	square := geo.NewPolygon(
		geo.Point{Lng: -140.4, Lat: -49}, geo.Point{Lng: -140.2, Lat: -49}, geo.Point{Lng: -140.2, Lat: -48.8},
		geo.Point{Lng: -140.4, Lat: -48.8}, geo.Point{Lng: -140.4, Lat: -49},
	)
	for _, op := range []struct {
		name, kind string
		cond       func(column string) where.Cond
	}{
		{"$icontains", minapp.TypeString, func(c string) where.Cond { return where.ContainsFold(c, none) }},
		{"$regex", minapp.TypeString, func(c string) where.Cond { return where.Match(c, "^"+none+"$", "") }},
		{"$regex with $options", minapp.TypeString, func(c string) where.Cond { return where.Match(c, "^"+none+"$", "i") }},
		{"$all", minapp.TypeArray, func(c string) where.Cond { return where.ContainsAll(c, none) }},
		{"$has_key", minapp.TypeObject, func(c string) where.Cond { return where.HasKey(c, none) }},
		{"$within", minapp.TypeGeoJSON, func(c string) where.Cond { return where.Within(c, square) }},
		{"$center", minapp.TypeGeoJSON, func(c string) where.Cond {
			return where.WithinCircle(c, geo.Circle{Center: nowhere, RadiusKm: 1})
		}},
		{"$nearsphere", minapp.TypeGeoJSON, func(c string) where.Cond {
			return where.WithinRing(c, geo.Ring{Center: nowhere, MaxMeters: 1000})
		}},
		{"$intersects", minapp.TypeGeoJSON, func(c string) where.Cond { return where.Intersects(c, nowhere) }},
	} {
		question := "operator " + op.name
		column := r.column(op.kind)
		if column == "" {
			r.add(question, unclear, op.name, "no column of type %s", op.kind)
			continue
		}
		n, err := r.rows.Count(ctx, op.cond(column))
		switch {
		case err != nil:
			verdict, text := refusal(err)
			r.add(question, verdict, op.name, "%s", text)
		case r.total == 0:
			r.add(question, unclear, op.name, "accepted; the table is empty")
		case n == r.total:
			r.add(question, no, op.name, "accepted and ignored: every row matches a condition on %s that none fulfils", column)
		default:
			r.add(question, yes, op.name, "on %s", column)
		}
	}
	r.exists(ctx)
}

func (r *report) exists(ctx context.Context) {
	for _, f := range r.info.Fields {
		if f.Name != "id" && !strings.HasPrefix(f.Name, "_") {
			r.splits(ctx, "operator $exists", "$exists", where.Exists(f.Name), where.NotExists(f.Name))
			return
		}
	}
	r.add("operator $exists", unclear, "$exists", "the table has no columns")
}

func (r *report) exports(ctx context.Context) {
	const question, settles = "export jobs can be read", ""
	var body json.RawMessage
	err := r.client.Do(ctx, minapp.Request{Method: "GET", Path: fmt.Sprintf("v1.5/table/%d/export/", r.info.ID)}, &body)
	switch {
	case err == nil:
		r.add(question, yes, settles, "the switch in the console is on")
	case errors.Is(err, minapp.ErrUnauthorized):
		r.add(question, no, settles, "401: the switch (console, Settings > SDK > General) is off")
	default:
		_, text := refusal(err)
		r.add(question, unclear, settles, "%s", text)
	}
}

// refusals looks at the bodies of a 404 and a 401.
func (r *report) refusals(ctx context.Context) {
	_, err := r.rows.Get(ctx, strings.Repeat("0", 24))
	r.refused("a 404 has error_msg", "the body of a 404", 404, err)
	stranger, err := r.client.With(minapp.WithToken("preflight-is-no-token"))
	if err == nil {
		_, err = stranger.Tables.Get(ctx, r.info.ID)
	}
	r.refused("a 401 has error_msg", "the body of a 401", 401, err)
}

func (r *report) refused(question, settles string, status int, err error) {
	e, ok := errors.AsType[*minapp.Error](err)
	switch {
	case err == nil:
		r.add(question, unclear, settles, "the request was not refused")
		return
	case !ok || e.StatusCode != status:
		r.add(question, unclear, settles, "%s", shorten(err.Error()))
		return
	}
	var body map[string]json.RawMessage
	if json.Unmarshal(e.Body, &body) != nil {
		r.add(question, no, settles, "not an object: %s", shorten(string(e.Body)))
		return
	}
	verdict := no
	if body["error_msg"] != nil {
		verdict = yes
	}
	r.add(question, verdict, settles, "its members: %s", strings.Join(slices.Sorted(maps.Keys(body)), ", "))
}

func (r *report) compression(ctx context.Context) {
	const question = "answers are compressed"
	_, rows, err := r.list(ctx, url.Values{"limit": {"1000"}})
	switch compressed, length := r.traffic.last(); {
	case err != nil:
		verdict, text := refusal(err)
		r.add(question, verdict, "", "%s", text)
	case compressed:
		r.add(question, yes, "", "a page of %d rows came as gzip", rows)
	case length >= 0:
		r.add(question, no, "", "a page of %d rows came as %d bytes", rows, length)
	default:
		r.add(question, no, "", "a page of %d rows came as it is", rows)
	}
}

// latency is the median of a few pages, one at a time, over one connection.
func (r *report) latency(ctx context.Context) {
	for _, limit := range []int{1, 1000} {
		question := fmt.Sprintf("median time of a page, limit %d", limit)
		took := make([]time.Duration, r.pages)
		rows := 0
		for i := range took {
			start := time.Now()
			page, err := r.rows.Page(ctx, minapp.Query{PageSize: limit})
			if page == nil {
				verdict, text := refusal(err)
				r.add(question, verdict, "", "%s", text)
				return
			}
			took[i], rows = time.Since(start), len(page.Records)
		}
		slices.Sort(took)
		median := took[len(took)/2]
		r.add(question, "", "", "%s (%s to %s), rows: %d", round(median), round(took[0]), round(took[len(took)-1]), rows)
	}
}

func round(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

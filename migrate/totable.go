package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/patch"
)

// ToTableOptions steers [ToTable].
type ToTableOptions struct {
	// Update changes rows that are there under Plan.Key to what is to be
	// written; columns that it does not name stay. Without Update such a row
	// counts as written if it holds the same, else it is rejected.
	Update bool
	// Compare are the columns that Update looks at; nil is all that are to be
	// written. Rows that differ in others only stay as they are.
	Compare []string
	// OnWritten is told the id of every row that is in the table, with its key
	// as text ("" without a key). Calls do not overlap.
	OnWritten func(key, id string)
}

// ToTable writes into a table, up to 1000 rows with each request. Every row is
// checked against the columns of the table first, because the service drops
// what does not fit and says nothing; a row with such a value is rejected.
// Triggers of the table run: no document says how a token or a session switches
// them off, and the report says so.
//
// With a key ([Plan].Key) rows whose outcome is unknown are looked up and sent
// again ([minapp.BatchOptions]); the column needs a unique index. Without one
// they are not repeated, and end the run in a [DoubtError]. Where the
// service refuses a request of many rows as invalid, they are sent in halves
// until the row is found.
//
// With Update each chunk is looked up by key first, one request for as many
// keys as fit into a URL. Rows that are there as they should be cost nothing
// more, equal changes go together, up to about 490 rows with each request, and
// a change that no other row has takes a request of its own. Changes are
// repeated automatically. Source: open-api/data/record.md.
func ToTable[D any](t *minapp.Table[D], o ToTableOptions) Sink[D] {
	return &tableSink[D]{
		id: t.ID(), options: o,
		table: minapp.TableOf[json.RawMessage](t.Client(), t.ID()),
	}
}

type tableSink[D any] struct {
	id      minapp.TableID
	table   *minapp.Table[json.RawMessage]
	options ToTableOptions
	setup   Setup
	columns columns
	mu      sync.Mutex
}

func (s *tableSink[D]) String() string {
	if s.options.Update {
		return fmt.Sprintf("minapp table %d, updated", s.id)
	}
	return fmt.Sprintf("minapp table %d", s.id)
}

// Rows reads the table back.
func (s *tableSink[D]) Rows() Source[json.RawMessage] {
	return rawTable{&tableSource[json.RawMessage]{table: s.table}}
}

// Pruner finds rows by their key and by created_at, which must be that of the
// source.
func (s *tableSink[D]) Pruner(key string) Pruner { return keyedTable{table: s.table, key: key} }

// Begin reads the columns of the table and checks the key.
func (s *tableSink[D]) Begin(ctx context.Context, setup Setup) error {
	s.setup = setup
	if s.options.Update && setup.Key == "" {
		return errors.New("ToTableOptions.Update needs Plan.Key: by what are rows that are there to be found?")
	}
	setup.Warn("triggers of the table run for every row that is written: no document says how these calls switch them off")
	info, err := s.table.Client().Tables.Get(ctx, s.id)
	if err != nil {
		return err
	}
	s.columns = newColumns(info.Fields)
	for _, name := range s.options.Compare {
		if _, ok := s.columns[name]; !ok && !slices.Contains(system, name) {
			return fmt.Errorf("ToTableOptions.Compare: the table has no column %q", name)
		}
	}
	if setup.Key == "" {
		return nil
	}
	for _, err := range s.create(ctx, nil) { // checks the index, and writes nothing
		return err
	}
	return nil
}

// isAnswer reports an error that the service has answered.
func isAnswer(err error) bool {
	e, ok := errors.AsType[*minapp.Error](err)
	return ok && e.StatusCode != 0
}

// Write writes rows, each of them encoded once.
func (s *tableSink[D]) Write(ctx context.Context, rows []D) ([]minapp.Outcome, error) {
	w := newTableWrite(s, len(rows))
	for i, row := range rows {
		w.take(i, row)
	}
	var err error
	switch {
	case s.options.Update:
		err = w.upsert(ctx)
	case s.setup.DryRun:
		s.setup.Planned(batches(len(w.sent)))
	default:
		err = w.create(ctx, w.sent)
	}
	s.tell(w)
	return w.outcomes, err
}

// tell hands over the ids.
func (s *tableSink[D]) tell(w *tableWrite[D]) {
	if s.options.OnWritten == nil || s.setup.DryRun {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range w.outcomes {
		if o.State == minapp.Written {
			s.options.OnWritten(w.keys[i], o.ID)
		}
	}
}

func (s *tableSink[D]) create(ctx context.Context, rows []json.RawMessage) iter.Seq2[*minapp.Batch, error] {
	return s.table.CreateAll(ctx, minapp.Items(slices.Values(rows)), minapp.BatchOptions{Key: s.setup.Key})
}

// Estimate counts the requests; with Update the least and likely number, one
// for every 500 keys that are looked up.
func (s *tableSink[D]) Estimate(_ context.Context, rows int64) (Cost, error) {
	cost := Cost{Rows: rows, Requests: batches(int(rows))}
	if s.options.Update {
		cost.Requests += (rows + perURL - 1) / perURL
	}
	return cost, nil
}

// batches is the number of requests that create so many rows of usual size.
func batches(rows int) int64 { return (int64(rows) + 999) / 1000 }

// perURL is about how many ids or keys fit into a URL.
const perURL = 490

// tableWrite is one call of Write.
type tableWrite[D any] struct {
	sink     *tableSink[D]
	outcomes []minapp.Outcome
	rows     []json.RawMessage
	keys     []string // as text, for OnWritten
	sent     []int    // rows that can be sent
}

func newTableWrite[D any](s *tableSink[D], n int) *tableWrite[D] {
	return &tableWrite[D]{sink: s, outcomes: make([]minapp.Outcome, n), rows: make([]json.RawMessage, n), keys: make([]string, n)}
}

// take encodes and checks a row.
func (w *tableWrite[D]) take(i int, v D) {
	w.outcomes[i] = minapp.Outcome{Index: i, State: minapp.Written}
	row, err := json.Marshal(v)
	var fields minapp.Fields
	if err == nil {
		err = fields.UnmarshalJSON(row)
	}
	if err == nil {
		err = w.sink.columns.check(fields)
	}
	if err == nil && w.sink.setup.Key != "" {
		w.keys[i], err = keyText(fields, w.sink.setup.Key)
	}
	if err != nil {
		w.outcomes[i].State, w.outcomes[i].Err = minapp.Rejected, err
		return
	}
	w.rows[i] = row
	w.sent = append(w.sent, i)
}

// keyText is the key of a row, the same however a number is written.
func keyText(row map[string]any, column string) (string, error) {
	switch v := row[column].(type) {
	case string:
		return v, nil
	case json.Number:
		return plainNumber(v).String(), nil
	}
	return "", fmt.Errorf("the key %q is neither text nor a number", column)
}

// create sends rows, numbered by which, and finds a row that the service does
// not take among others by halves.
func (w *tableWrite[D]) create(ctx context.Context, which []int) error {
	if len(which) == 0 {
		return nil
	}
	list := make([]json.RawMessage, len(which))
	for n, i := range which {
		list[n] = w.rows[i]
		w.outcomes[i] = minapp.Outcome{Index: i, State: minapp.NotSent}
	}
	var failure error
	n := 0
	for batch, err := range w.sink.create(ctx, list) {
		if batch == nil {
			failure = errors.Join(failure, err)
			break
		}
		for _, o := range batch.Outcomes() {
			i := which[n]
			o.Index = i
			w.outcomes[i] = o
			n++
		}
	}
	return errors.Join(failure, w.review(which, func(half []int) error { return w.create(ctx, half) }))
}

// review looks at why rows were not written. What is about a row rejects it,
// what is about the request ends the run; a request that is refused as invalid
// is made again in halves.
func (w *tableWrite[D]) review(which []int, again func(half []int) error) error {
	var failure error
	var invalid []int
	for _, i := range which {
		o := &w.outcomes[i]
		switch {
		case o.State == minapp.Written:
		case o.Err == nil:
			o.Err = errors.New("not sent, because the run ended")
		case o.State == minapp.NotSent && errors.Is(o.Err, minapp.ErrInvalid): // it cannot be sent
			o.State = minapp.Rejected
		case o.State != minapp.Rejected:
			failure = o.Err
		case isAnswer(o.Err) && errors.Is(o.Err, minapp.ErrInvalid):
			invalid = append(invalid, i)
		case isAnswer(o.Err): // refused with the whole request: nothing was written
			o.State, failure = minapp.NotSent, o.Err
		}
	}
	if len(invalid) < 2 {
		return failure
	}
	half := len(invalid) / 2
	for _, part := range [][]int{invalid[:half], invalid[half:]} {
		if failure == nil {
			failure = again(part)
			continue
		}
		w.leave(part, failure) // nothing is known of any of them
	}
	return failure
}

// upsert creates the rows whose key is not there, and changes those that are
// there and differ.
func (w *tableWrite[D]) upsert(ctx context.Context) error {
	there, err := w.lookUp(ctx)
	if err != nil {
		return err
	}
	var absent []int
	changes := newChanges()
	for _, i := range w.sent {
		record := there[w.keys[i]]
		if record == nil {
			absent = append(absent, i)
			continue
		}
		w.outcomes[i].ID = record.ID()
		if err := changes.add(i, w.rows[i], record, w.sink.options.Compare); err != nil {
			w.outcomes[i].State, w.outcomes[i].Err = minapp.Rejected, err
		}
	}
	if w.sink.setup.DryRun {
		w.sink.setup.Planned(batches(len(absent)) + changes.requests())
		return nil
	}
	return w.change(ctx, changes, w.create(ctx, absent))
}

// leave marks rows that were not sent because something else failed.
func (w *tableWrite[D]) leave(rows []int, err error) {
	for _, i := range rows {
		w.outcomes[i].State, w.outcomes[i].Err = minapp.NotSent, err
	}
}

// lookUp reads the rows that are there, by key. Two rows of one key are one
// mistake: the second is rejected.
func (w *tableWrite[D]) lookUp(ctx context.Context) (map[string]*minapp.Record[json.RawMessage], error) {
	key := w.sink.setup.Key
	taken := make(map[string]bool, len(w.sent))
	var values []any
	w.sent = slices.DeleteFunc(w.sent, func(i int) bool {
		if taken[w.keys[i]] {
			w.outcomes[i].State, w.outcomes[i].Err = minapp.Rejected, fmt.Errorf("another row has the %s %s", key, w.keys[i])
			return true
		}
		taken[w.keys[i]] = true
		var row minapp.Fields
		_ = row.UnmarshalJSON(w.rows[i]) // checked by take
		values = append(values, row[key])
		return false
	})
	query := minapp.Query{}
	if w.sink.options.Compare != nil {
		query.Keys = append([]string{"id", key}, w.sink.options.Compare...)
	}
	there := make(map[string]*minapp.Record[json.RawMessage], len(w.sent))
	for record, err := range minapp.AllIn(ctx, w.sink.table, key, values, query) {
		var row minapp.Fields
		if err == nil {
			err = row.UnmarshalJSON(record.Raw)
		}
		if err != nil {
			w.leave(w.sent, err)
			return nil, err
		}
		if text, err := keyText(row, key); err == nil {
			there[text] = record
		}
	}
	return there, nil
}

// requests is how many the changes take.
func (c *changes) requests() int64 {
	n := 0
	for _, p := range c.list {
		n += (len(p.ids) + perURL - 1) / perURL
	}
	return int64(n)
}

// changes are what rows have to become, equal ones together.
type changes struct {
	list   []*change
	byText map[string]*change
}

type change struct {
	patch patch.Patch
	rows  []int
	ids   []string
}

func newChanges() *changes { return &changes{byText: make(map[string]*change)} }

// add notes what a row that is there has to become, if anything.
func (c *changes) add(i int, row json.RawMessage, there *minapp.Record[json.RawMessage], compare []string) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(row, &values); err != nil {
		return err
	}
	var p patch.Patch
	different := false
	for _, column := range minapp.Differences(row, there.Raw) {
		if compare != nil && !slices.Contains(compare, column) {
			continue
		}
		p, different = p.Set(column, values[column]), true
	}
	if !different {
		return nil
	}
	text, err := p.MarshalJSON()
	if err != nil {
		return err
	}
	same := c.byText[string(text)]
	if same == nil {
		same = &change{patch: p}
		c.byText[string(text)] = same
		c.list = append(c.list, same)
	}
	same.rows, same.ids = append(same.rows, i), append(same.ids, there.ID())
	return nil
}

// change updates the rows that differ, as long as nothing fails.
func (w *tableWrite[D]) change(ctx context.Context, c *changes, failure error) error {
	for _, p := range c.list {
		if failure == nil {
			failure = w.apply(ctx, p)
			continue
		}
		w.leave(p.rows, failure)
	}
	return failure
}

// apply makes one change. Setting columns twice does no harm, so that the
// client repeats a request whose outcome is unknown.
func (w *tableWrite[D]) apply(ctx context.Context, p *change) error {
	n := 0
	var failure error
	for batch, err := range w.sink.table.UpdateMany(ctx, p.ids, p.patch, minapp.BatchOptions{}) {
		if batch == nil {
			failure = err
			break
		}
		for _, o := range batch.Outcomes() {
			o.Index = p.rows[n]
			w.outcomes[o.Index] = o
			n++
		}
	}
	for _, i := range p.rows[n:] {
		w.outcomes[i] = minapp.Outcome{Index: i, State: minapp.NotSent, Err: failure}
	}
	return errors.Join(failure, w.review(p.rows, func(half []int) error { return w.apply(ctx, p.only(half)) }))
}

// only is the change for some of its rows.
func (p *change) only(rows []int) *change {
	some := &change{patch: p.patch, rows: rows}
	for _, i := range rows {
		some.ids = append(some.ids, p.ids[slices.Index(p.rows, i)])
	}
	return some
}

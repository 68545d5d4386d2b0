package sqldb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/minapp-go/minapp"
)

const (
	maxPlaceholders = 65528   // of a prepared statement: 65,535, but Vitess rounds up to bytes within 16 bits
	maxStatement    = 4 << 20 // bytes; larger ones are not faster and hold more locks
)

// write is one call of Write.
type write struct {
	*sink
	outcomes []minapp.Outcome
	rows     []record // those that can be sent
	keys     map[string]bool
	suspects []int // rows that alone were refused for reasons that may lie in them
	refusal  error // of one of them
	written  bool
}

// record is a row on its way.
type record struct {
	index   int
	columns []string
	values  []any
	size    int // bytes that it takes at most, escaped
}

// piece are rows of one statement. They name the same columns.
type piece struct {
	columns []string
	rows    []record
}

func newWrite(s *sink, n int) *write {
	return &write{sink: s, outcomes: make([]minapp.Outcome, n), keys: make(map[string]bool)}
}

// take checks a row.
func (w *write) take(i int, row Row) {
	w.outcomes[i] = minapp.Outcome{Index: i, State: minapp.Written}
	r := record{index: i, columns: slices.Sorted(maps.Keys(row))}
	err := w.checkColumns(r.columns)
	for _, name := range r.columns {
		v, size, valueErr := value(row[name])
		if valueErr != nil && err == nil {
			err = fmt.Errorf("column %q: %w", name, valueErr)
		}
		r.values, r.size = append(r.values, v), r.size+size
	}
	if err == nil && r.size/2 > w.packet {
		err = fmt.Errorf("the row has about %d bytes, the server takes %d at once (@@max_allowed_packet)", r.size/2, w.packet)
	}
	if err == nil && w.setup.Key != "" {
		err = w.checkKey(row[w.setup.Key])
	}
	if err != nil {
		w.outcomes[i].State, w.outcomes[i].Err = minapp.Rejected, err
		return
	}
	w.rows = append(w.rows, r)
}

func (w *write) checkColumns(names []string) error {
	if len(names) == 0 {
		return errors.New("the row is empty")
	}
	for _, name := range names {
		switch {
		case !slices.Contains(w.columns, name):
			return fmt.Errorf("the table has no column %q", name)
		case name == w.counter:
			return fmt.Errorf("the column %q is unique beside the key: leave it to AUTO_INCREMENT", name)
		}
	}
	return nil
}

// checkKey refuses a second row of one key, and keys that SQL does not tell
// from others: it compares texts without the spaces at their end.
func (w *write) checkKey(v any) error {
	v, _, _ = value(v)
	if v == nil {
		return fmt.Errorf("the row has no %s, the key", w.setup.Key)
	}
	text := fmt.Sprint(v)
	switch {
	case strings.HasSuffix(text, " "):
		return fmt.Errorf("the %s %q ends in a space, which SQL does not see when it compares", w.setup.Key, text)
	case w.keys[text]:
		return fmt.Errorf("another row has the %s %s", w.setup.Key, text)
	}
	w.keys[text] = true
	return nil
}

// value makes a value that the driver sends as it is, and its size.
func value(v any) (any, int, error) {
	const small = 25 // bytes of the longest number as text
	switch v := v.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return v, small, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, 0, fmt.Errorf("%v is no number of SQL", v)
		}
		return v, small, nil
	case json.Number:
		return v.String(), small + 2*len(v), nil
	case json.RawMessage: // text: MySQL makes no JSON of bytes
		return value(string(v))
	case string:
		if !utf8.ValidString(v) {
			return nil, 0, errors.New("the text is no UTF-8")
		}
		return v, small + 2*len(v), nil
	case []byte:
		return v, small + 2*len(v), nil
	case time.Time:
		return nil, 0, errors.New("a time.Time does not say in which zone: format it with sqldb.DateTime")
	}
	return nil, 0, fmt.Errorf("%T is no value of SQL", v)
}

// pieces cuts the rows into statements.
func (w *write) pieces() []piece {
	var list []piece
	open := make(map[string]int) // the last piece of these columns
	sizes := make(map[string]int)
	limit := min(maxStatement, w.packet/4*3)
	for _, r := range w.rows {
		names := strings.Join(r.columns, "\x00")
		i, there := open[names]
		if !there || sizes[names]+r.size > limit || (len(list[i].rows)+1)*len(r.columns) > maxPlaceholders {
			i = len(list)
			list = append(list, piece{columns: r.columns})
			open[names], sizes[names] = i, 0
		}
		list[i].rows = append(list[i].rows, r)
		sizes[names] += r.size
	}
	return list
}

func (w *write) mark(rows []record, state minapp.State, err error) {
	for _, r := range rows {
		w.outcomes[r.index].State, w.outcomes[r.index].Err = state, err
	}
}

// send writes a piece, in halves where the server refuses it for a row. Its
// error ends the run.
func (w *write) send(ctx context.Context, p piece) error {
	verdict, err := w.execute(ctx, p)
	switch verdict {
	case fine:
		w.written = true
		return nil
	case uncertain:
		w.mark(p.rows, minapp.Unknown, err)
		return err
	case badData, suspect:
	default:
		w.mark(p.rows, minapp.NotSent, err)
		return err
	}
	if len(p.rows) > 1 {
		return w.halve(ctx, p)
	}
	w.mark(p.rows, minapp.Rejected, err)
	if verdict == suspect {
		return w.suspect(p.rows[0].index, err)
	}
	return nil
}

func (w *write) halve(ctx context.Context, p piece) error {
	middle := len(p.rows) / 2
	if err := w.send(ctx, piece{p.columns, p.rows[:middle]}); err != nil {
		w.mark(p.rows[middle:], minapp.NotSent, err)
		return err
	}
	return w.send(ctx, piece{p.columns, p.rows[middle:]})
}

// suspect notes a row that was refused by an error that does not say whether
// the row is to blame. It is, if other rows were written; where several such
// rows and no other one have been met, the run ends.
func (w *write) suspect(i int, err error) error {
	const enough = 4
	w.suspects, w.refusal = append(w.suspects, i), err
	if len(w.suspects) >= enough {
		return w.settleSuspects()
	}
	return nil
}

func (w *write) settleSuspects() error {
	if len(w.suspects) == 0 || w.written {
		return nil
	}
	for _, i := range w.suspects {
		w.outcomes[i].State, w.outcomes[i].Err = minapp.NotSent, w.refusal
	}
	return w.refusal
}

// execute sends a piece until it is known what became of it.
func (w *write) execute(ctx context.Context, p piece) (verdict, error) {
	doubt := false
	for attempt := 0; ; attempt++ {
		verdict, err := w.attempt(ctx, p)
		doubt = doubt || verdict == uncertain
		switch {
		case verdict == conflict, verdict == unsent, verdict == uncertain && w.setup.Key != "":
			if ctx.Err() == nil && pause(ctx, attempt) {
				continue
			}
			if verdict = unsent; doubt {
				verdict = uncertain
			}
		case verdict == hopeless && doubt:
			verdict = uncertain
		}
		return verdict, advise(err)
	}
}

// attempt sends a piece once, on a connection of its own: an error before there
// is one means that nothing was sent.
func (w *write) attempt(ctx context.Context, p piece) (verdict, error) {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return unsent, err
	}
	defer func() { _ = conn.Close() }() // goes back to the pool
	if w.options.Load.takes(p, w.columns) {
		done, verdict, err := w.load(ctx, conn, p)
		if done {
			return verdict, err
		}
	}
	_, err = conn.ExecContext(ctx, w.statement(p), p.args()...)
	return judge(err), err
}

func (p piece) args() []any {
	args := make([]any, 0, len(p.rows)*len(p.columns))
	for _, r := range p.rows {
		args = append(args, r.values...)
	}
	return args
}

// statement is an INSERT. VALUES(column) is what MySQL, MariaDB and MatrixOne
// all know.
func (w *write) statement(p piece) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", w.table.quoted(), quoteAll(p.columns))
	row := "(" + strings.Repeat("?,", len(p.columns)-1) + "?)"
	b.Grow((len(row) + 1) * len(p.rows))
	b.WriteString(row)
	for range p.rows[1:] {
		b.WriteByte(',')
		b.WriteString(row)
	}
	if w.setup.Key == "" {
		return b.String()
	}
	b.WriteString(" ON DUPLICATE KEY UPDATE ")
	separator := ""
	for _, name := range p.columns {
		if name != w.setup.Key || len(p.columns) == 1 {
			fmt.Fprintf(&b, "%s%s = VALUES(%s)", separator, quote(name), quote(name))
			separator = ", "
		}
	}
	return b.String()
}

// number is a value as text, for LOAD DATA.
func number(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "1"
		}
		return "0"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

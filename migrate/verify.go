package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
)

// Readable is a sink whose rows can be read back, as JSON objects.
type Readable interface {
	Rows() Source[json.RawMessage]
}

// VerifyOptions steers [Verify].
type VerifyOptions struct {
	// OnStep is told what the next step will do and what it costs.
	OnStep func(step string)
	// Most is how many rows may have to be compared one by one; 0 is 100,000. Of
	// more the verdict is [Verification].TooMany. They are kept in memory.
	Most int64
}

// Verification is what [Verify] found.
type Verification struct {
	Expected int64 // rows that the plan makes of its source
	Found    int64 // rows of the sink
	Missing  int64 // are not in the sink
	Surplus  int64 // are in the sink and come from nowhere
	Changed  int64 // are there with other values
	// Differences names up to 100 of these rows.
	Differences []Difference
	// TooMany says that so many rows may differ that they were not looked at one
	// by one: Missing, Surplus and Changed are not known.
	TooMany bool
}

// Difference is one row that is not as it should be.
type Difference struct {
	Key     string          // or the whole row, without a key
	Want    json.RawMessage // nil if the row should not be there
	Got     json.RawMessage // nil if it is not
	Columns []string        // that differ, if it is there
}

// OK reports whether the sink holds what it should, and nothing else.
func (v Verification) OK() bool {
	return !v.TooMany && v.Missing+v.Surplus+v.Changed == 0 && v.Expected == v.Found
}

// String is the verdict in one line.
func (v Verification) String() string {
	switch {
	case v.OK():
		return fmt.Sprintf("%d rows, as they should be", v.Found)
	case v.TooMany:
		return fmt.Sprintf("%d rows expected, %d found, and too many of them differ", v.Expected, v.Found)
	}
	return fmt.Sprintf("%d rows expected, %d found: %d missing, %d surplus, %d changed", v.Expected, v.Found, v.Missing, v.Surplus, v.Changed)
}

// Verify compares what a plan should have written with what is there. Rows are
// paired by [Plan].Key, or by all they hold; only the columns that the plan
// writes are compared, as [minapp.Differences] does. Rows that Transform drops
// or rejects, and those that cannot be read, are not expected.
//
// It goes on only as far as it must. First the sink is read, and its digest
// compared with that of what was written: with [Plan].Digest the run has taken
// it, else the source is read, too. Only if they differ, both sides are read
// once more, and the rows of the parts that differ compared one by one. Memory
// does not grow with the tables: a digest is 16 KiB. Reading is repeated
// automatically, nothing is written, and rows that differ are no error. A sink
// that is not [Readable] is one.
func Verify[S, D any](ctx context.Context, p Plan[S, D], o VerifyOptions) (Verification, error) {
	if err := p.check(); err != nil {
		return Verification{}, err
	}
	sink, ok := p.Sink.(Readable)
	if !ok {
		return Verification{}, fmt.Errorf("%s cannot be read back", p.Sink)
	}
	v := &verifier[S, D]{plan: p, options: o, sink: sink.Rows()}
	if v.options.OnStep == nil {
		v.options.OnStep = func(string) {}
	}
	if v.options.Most == 0 {
		v.options.Most = 100_000
	}
	return v.run(ctx)
}

type verifier[S, D any] struct {
	plan    Plan[S, D]
	options VerifyOptions
	sink    Source[json.RawMessage]
	want    *digest
	found   Verification
}

func (v *verifier[S, D]) run(ctx context.Context) (Verification, error) {
	if err := v.expect(ctx); err != nil {
		return v.found, err
	}
	got := newDigest()
	v.options.OnStep("reading " + v.sink.String() + v.cost(ctx, v.sink))
	err := v.readSink(ctx, func(r plain) error { got.add(r); return nil })
	if err != nil {
		return v.found, err
	}
	v.found.Expected, v.found.Found = v.want.rows(), got.rows()
	which, rows := v.want.differing(got)
	switch {
	case len(which) == 0:
		return v.found, nil
	case rows > v.options.Most:
		v.found.TooMany = true
		return v.found, nil
	}
	v.options.OnStep(fmt.Sprintf("about %d rows may differ: reading both sides again%s", rows, v.cost(ctx, v.sink)))
	return v.found, v.compare(ctx, which)
}

// cost says what reading a source takes, if it can tell.
func (v *verifier[S, D]) cost(ctx context.Context, source any) string {
	e, ok := source.(SourceEstimator)
	if !ok {
		return ""
	}
	cost, err := e.Estimate(ctx)
	if err != nil {
		return "" // reading it says why
	}
	return fmt.Sprintf(": %d rows, about %d requests", cost.Rows, cost.Requests)
}

// expect gets the digest of what should be there: from the run, or by reading
// the source again.
func (v *verifier[S, D]) expect(ctx context.Context) error {
	if v.plan.Digest && v.plan.Checkpoint != nil {
		s, err := v.taken(ctx)
		if err != nil {
			return err
		}
		if s != nil && s.finished() && s.Digest != nil {
			v.want = s.Digest
			return nil
		}
	}
	v.options.OnStep("reading " + v.plan.Source.String() + v.cost(ctx, v.plan.Source))
	v.want = newDigest()
	return v.readSource(ctx, func(r plain) error { v.want.add(r); return nil })
}

// taken is the checkpoint of the run, nil if there is none.
func (v *verifier[S, D]) taken(ctx context.Context) (*state, error) {
	data, err := v.plan.Checkpoint.Load(ctx)
	if err != nil || data == nil {
		return nil, wrap("reading the checkpoint", err)
	}
	s, err := decodeState(data)
	if err != nil {
		return nil, err
	}
	return s, s.Plan.belongs(v.plan.identity())
}

// readSource makes of the source what the plan makes of it.
func (v *verifier[S, D]) readSource(ctx context.Context, see func(plain) error) error {
	return readAll(ctx, v.plan.Source, func(row Row[S]) error {
		if row.Err != nil {
			return nil //nolint:nilerr // it cannot be expected either
		}
		out, err := v.plan.Transform(row.Value)
		if err != nil {
			return nil //nolint:nilerr // a rejected row is not expected
		}
		for _, d := range out {
			r, err := plainOf(d, v.plan.Key, v.want.columns)
			if err == nil {
				err = see(r)
			}
			if err != nil {
				return fmt.Errorf("row %s: %w", row.At, err)
			}
		}
		return nil
	})
}

// plainOf is a row to be written, whose columns are learnt.
func plainOf[D any](v D, key string, columns map[string]bool) (plain, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return plain{}, err
	}
	return newPlain(raw, key, columns, true)
}

func (v *verifier[S, D]) readSink(ctx context.Context, see func(plain) error) error {
	return readAll(ctx, v.sink, func(row Row[json.RawMessage]) error {
		if row.Err != nil {
			return fmt.Errorf("row %s: %w", row.At, row.Err)
		}
		r, err := newPlain(row.Value, v.plan.Key, v.want.columns, false)
		if err != nil { // it has no key, so nobody has written it
			r = plain{name: string(row.Value), raw: row.Value}
		}
		return see(r)
	})
}

// readAll reads every part of a source, one after the other.
func readAll[S any](ctx context.Context, s Source[S], see func(Row[S]) error) error {
	parts, err := s.Parts(ctx, 1)
	if err != nil {
		return wrap(s.String(), err)
	}
	for _, p := range parts {
		for chunk, err := range s.Chunks(ctx, p) {
			if err != nil {
				return wrap(s.String(), err)
			}
			for _, row := range chunk.Rows {
				if err := see(row); err != nil {
					return wrap(s.String(), err)
				}
			}
		}
	}
	return nil
}

// errTooMany ends a comparison of rows that would not end.
var errTooMany = errors.New("too many rows differ")

// compare looks at the rows of the buckets that differ.
func (v *verifier[S, D]) compare(ctx context.Context, which map[int]bool) error {
	want := make(map[string][]json.RawMessage)
	rows := int64(0)
	err := v.readSource(ctx, func(r plain) error {
		if !which[r.bucket()] {
			return nil
		}
		if rows++; rows > 2*v.options.Most {
			return errTooMany
		}
		want[r.name] = append(want[r.name], r.raw)
		return nil
	})
	if err == nil {
		err = v.readSink(ctx, func(r plain) error {
			if which[r.bucket()] {
				v.pair(want, r)
			}
			return nil
		})
	}
	if errors.Is(err, errTooMany) {
		v.found.TooMany = true
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		for _, raw := range want[name] {
			v.found.Missing++
			v.note(Difference{Key: name, Want: raw})
		}
	}
	return err
}

// pair compares a row of the sink with the one that should be there.
func (v *verifier[S, D]) pair(want map[string][]json.RawMessage, got plain) {
	list := want[got.name]
	if len(list) == 0 {
		v.found.Surplus++
		v.note(Difference{Key: got.name, Got: got.raw})
		return
	}
	if columns := minapp.Differences(list[0], got.raw); len(columns) > 0 {
		v.found.Changed++
		v.note(Difference{Key: got.name, Want: list[0], Got: got.raw, Columns: columns})
	}
	if want[got.name] = list[1:]; len(list) == 1 {
		delete(want, got.name)
	}
}

func (v *verifier[S, D]) note(d Difference) {
	const most = 100
	if len(v.found.Differences) < most {
		v.found.Differences = append(v.found.Differences, d)
	}
}

// String is the difference in one line.
func (d Difference) String() string {
	switch {
	case d.Got == nil:
		return d.Key + " is missing"
	case d.Want == nil:
		return d.Key + " should not be there"
	}
	return d.Key + " differs in " + strings.Join(d.Columns, ", ")
}

// Package where builds the filters of record queries, bulk updates and bulk
// deletes.
//
// A filter is a Cond: a comparison of one column, or a group of filters under
// $and or $or.
//
//	where.Eq("price", 10).And(where.Contains("name", "包")).Or(where.Gt("price", 100))
//
// A Cond is a value. It can be kept, shared between goroutines and built upon;
// building upon it never changes it. Values are encoded once, when the
// comparison is built, with encoding/json: integers stay exact, object keys
// are sorted, so that the same filter always gives the same bytes, and <, >
// and & are not escaped, which would cost URL length.
//
// Strings must be valid UTF-8. The fields of structs, and types with a
// MarshalJSON of their own, are left to encoding/json.
//
// A mistake, such as an empty column name or a value that has no JSON, does
// not panic and does not vanish: the Cond carries it, Err reports it, encoding
// fails, and so does the call the filter is given to.
//
// The service documents eleven operators and calls the list complete: Eq, Ne,
// Lt, Lte, Gt, Gte, Contains, NotIn, In, IsNull and NotNull, Range; and the
// groups And and Or. The others are known from its end-user API, and their
// comments say so.
//
// # Times
//
// The columns created_at and updated_at are integers, Unix seconds. Columns of
// type date are ISO 8601 strings with an offset. A time.Time does not say
// which of the two is meant, so it is a mistake as a value: write t.Unix() or
// t.Format(time.RFC3339).
//
// # Length
//
// The filter travels in the URL, which may have 16,386 bytes: about 490 record
// ids in one In.
//
// Source: open-api/data/record.md.
package where

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const everything = "{}"

// Cond is a filter.
//
// It is immutable and safe for concurrent use. The zero Cond is no filter at
// all: reads take it for every row, bulk writes refuse it, and so do And and
// Or.
//
// Source: open-api/data/record.md.
type Cond struct {
	group string   // "$and" or "$or" if parts are the members of a group
	parts []string // encoded conditions; exactly one unless group is set
	err   error    // mistakes made while building, joined
}

// And returns the filter that rows pass when they pass all of the conditions.
//
// And of one condition is that condition. An $and directly inside an $and
// dissolves into it, so that And(And(a, b), c), And(a, And(b, c)),
// a.And(b).And(c) and And(a, b, c) are the same bytes; an $or inside stays as
// it is, and so does whatever Raw holds.
//
// And of nothing is a mistake, and so are the zero Cond and Everything as
// members: a condition that went missing would otherwise widen the filter
// without a word. Collect optional conditions in a slice.
//
// Source: open-api/data/record.md.
func And(conds ...Cond) Cond { return join("$and", conds) }

// Or returns the filter that rows pass when they pass any of the conditions.
//
// What And says about one condition, about groups inside groups and about
// mistakes holds for Or with $or.
//
// Source: open-api/data/record.md.
func Or(conds ...Cond) Cond { return join("$or", conds) }

// And returns the filter that rows pass when they pass c and all of more.
//
// It is the function And with c in front; c is not changed.
func (c Cond) And(more ...Cond) Cond { return And(prepend(c, more)...) }

// Or returns the filter that rows pass when they pass c or any of more.
//
// It is the function Or with c in front; c is not changed. Each method takes
// all that stands to its left: a.And(b).Or(c) is (a and b) or c, and
// a.Or(b).And(c) is (a or b) and c.
func (c Cond) Or(more ...Cond) Cond { return Or(prepend(c, more)...) }

func prepend(c Cond, more []Cond) []Cond { return append([]Cond{c}, more...) }

func join(group string, conds []Cond) Cond {
	if len(conds) == 0 {
		return Cond{err: fmt.Errorf("where: %s: needs at least one condition", group)}
	}
	if len(conds) == 1 {
		return alone(group, conds[0])
	}
	out := Cond{group: group}
	var errs []error
	for i, c := range conds {
		switch err := c.memberErr(group, i); {
		case err != nil:
			errs = append(errs, err)
		case c.group == group:
			out.parts = append(out.parts, c.parts...)
		default:
			out.parts = append(out.parts, c.encode())
		}
	}
	out.err = errors.Join(errs...)
	return out
}

// alone is a group of one: the condition itself, unless it may not be in one.
func alone(group string, c Cond) Cond {
	if err := c.memberErr(group, 0); err != nil {
		return Cond{err: err}
	}
	return c
}

func (c Cond) memberErr(group string, i int) error {
	switch {
	case c.err != nil:
		return c.err
	case c.IsZero():
		return fmt.Errorf("where: %s: condition %d: empty condition", group, i+1)
	case c.IsEverything():
		return fmt.Errorf("where: %s: condition %d: Everything stands alone, it cannot be combined", group, i+1)
	}
	return nil
}

// Raw returns the filter written by the caller, for operators this package
// does not know.
//
// It must be one JSON object with at least one member. White space is dropped;
// nothing else is looked at or changed, and Err knows nothing of what is
// inside. How the service reads several members side by side is documented
// nowhere; use And.
func Raw(filter json.RawMessage) Cond {
	var compact bytes.Buffer
	if err := json.Compact(&compact, filter); err != nil {
		return Cond{err: fmt.Errorf("where: Raw: %w", err)}
	}
	switch text := compact.String(); {
	case !strings.HasPrefix(text, "{"):
		return Cond{err: fmt.Errorf("where: Raw: %.40s is not an object", text)}
	case text == everything:
		return Cond{err: errors.New("where: Raw: an empty object would be every row; say Everything()")}
	case !utf8.ValidString(text):
		return Cond{err: errors.New("where: Raw: not valid UTF-8")}
	default:
		return Cond{parts: []string{text}}
	}
}

// Everything returns the filter that every row passes.
//
// It is the only way to aim a bulk update or a bulk delete at a whole table.
// It encodes as {} and cannot be combined with other conditions.
//
// Source: open-api/data/record.md.
func Everything() Cond { return Cond{parts: []string{everything}} }

// IsZero reports whether c is the zero Cond: no condition and no mistake.
//
// encoding/json leaves out such a struct field when it is tagged omitzero.
func (c Cond) IsZero() bool { return len(c.parts) == 0 && c.err == nil }

// IsEverything reports whether c is Everything().
func (c Cond) IsEverything() bool { return len(c.parts) == 1 && c.parts[0] == everything }

// Err returns the mistakes made while c was built, joined, or nil.
//
// Each names the column and the operator. The zero Cond has none.
func (c Cond) Err() error { return c.err }

// MarshalJSON encodes the filter as the service takes it, always with one
// root.
//
// It fails with the mistakes of Err, and for the zero Cond, which has no form
// of its own: a caller that may have no filter asks IsZero and leaves it out.
// Note that json.Marshal, which calls this, escapes <, > and & afterwards; the
// result means the same and is longer.
func (c Cond) MarshalJSON() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	if c.IsZero() {
		return nil, errors.New("where: empty condition")
	}
	return []byte(c.encode()), nil
}

// String returns the JSON of the filter, or the text of its mistakes.
//
// Mistakes start with "where:". The zero Cond is "".
func (c Cond) String() string {
	if c.err != nil {
		return c.err.Error()
	}
	return c.encode()
}

func (c Cond) encode() string {
	if c.group == "" {
		return strings.Join(c.parts, "")
	}
	return `{"` + c.group + `":[` + strings.Join(c.parts, ",") + `]}`
}

// compare builds {"field":{"op":value}}.
func compare(field, op string, value any) Cond {
	body, err := member(op, value)
	return condition(field, op, body, err)
}

// condition builds {"field":{body}}, or the mistake err filed under op.
func condition(field, op, body string, err error) Cond {
	name, nameErr := columnName(field)
	if err := errors.Join(nameErr, err); err != nil {
		return mistake(field, op, err)
	}
	return Cond{parts: []string{"{" + name + ":{" + body + "}}"}}
}

// member builds "op":value.
func member(op string, value any) (string, error) {
	data, err := encode(value)
	return `"` + op + `":` + data, err
}

func mistake(field, op string, err error) Cond {
	return Cond{err: fmt.Errorf("where: %q %s: %w", field, op, err)}
}

// columnName encodes the name of a column.
func columnName(field string) (string, error) {
	switch {
	case strings.TrimSpace(field) == "":
		return "", errors.New("the column name is empty")
	case strings.HasPrefix(field, "$"):
		return "", errors.New("a column name does not start with $; use And, Or or Raw")
	}
	name, err := encode(field)
	if err != nil {
		return "", fmt.Errorf("the column name: %w", err)
	}
	return name, nil
}

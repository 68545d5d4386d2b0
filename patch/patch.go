// Package patch builds updates of records: new values, cleared columns and
// atomic operations, in one body.
//
//	patch.Set("name", "x").Unset("example").IncrBy("price", -1).Append("tags", "a")
//
// Only the columns that a Patch names are written; the rest of the row keeps
// its values. Every function of the package begins a Patch, and the method of
// the same name continues one.
//
// A Patch is a value. It can be kept, shared between goroutines and built
// upon; building upon it never changes it. Values are encoded when they are
// given, with encoding/json: integers stay exact, and <, > and & are not
// escaped. Strings must be valid UTF-8; the fields of structs, and types with
// a MarshalJSON of their own, are left to encoding/json.
//
// A mistake, such as an empty column name or a column named twice, does not
// panic and does not vanish: the Patch carries it, Err reports it, encoding
// fails, and so does the call the Patch is given to.
//
// # One operation per column
//
// The body holds one member per column, so a second operation on a column
// could only replace the first, without a word. It is a mistake instead.
//
// # Types
//
// The service drops a value whose type is not the column's, and reports an
// error only if nothing is left to write.
//
// The columns created_at and updated_at may be set; they are integers, Unix
// seconds. Columns of type date take ISO 8601 strings with an offset. A
// time.Time does not say which of the two is meant, so it is a mistake as a
// value: write t.Unix() or t.Format(time.RFC3339).
//
// Source: open-api/data/record.md.
package patch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minapp-go/minapp/internal/literal"
)

// Patch is an update of one record, or of all records a filter selects.
//
// It is immutable and safe for concurrent use. The zero Patch changes nothing
// and is refused by updates; use it to begin a Patch in a loop.
//
// Source: open-api/data/record.md.
type Patch struct {
	ops []operation
	err error // mistakes made while building, joined
}

type operation struct {
	field string // a column, or with $incr_by a path into one
	name  string // quoted for JSON
	value string // encoded
	unset bool
	once  bool // doing it twice differs from doing it once
}

// Set writes v into the column.
//
// nil writes null. An object may not have a member whose name starts with $:
// the service would take it for an operation.
//
// Source: open-api/data/record.md.
func Set(field string, v any) Patch { return Patch{}.Set(field, v) }

// Set continues p with what the function Set does.
func (p Patch) Set(field string, v any) Patch {
	value, err := encodeValue(v)
	return p.with(operation{field: field, value: value}, "", err)
}

// Unset clears the columns ($unset).
//
// Source: open-api/data/record.md.
func Unset(fields ...string) Patch { return Patch{}.Unset(fields...) }

// Unset continues p with what the function Unset does.
func (p Patch) Unset(fields ...string) Patch {
	if len(fields) == 0 {
		return p.mistake(errors.New("patch: $unset: needs at least one column"))
	}
	for _, field := range fields {
		p = p.with(operation{field: field, value: `""`, unset: true}, "$unset", nil)
	}
	return p
}

// IncrBy adds an integer, which may be negative, to a number column
// ($incr_by).
//
// The addition is atomic on the server, and repeating it adds again. A dotted
// path such as "obj.n" reaches a number inside an object column; the path is
// documented for the end-user API only; oserve and userve may answer 400.
//
// Source: open-api/data/record.md; the path from js-sdk/schema/update-record.md.
func IncrBy(field string, by int64) Patch { return Patch{}.IncrBy(field, by) }

// IncrBy continues p with what the function IncrBy does.
func (p Patch) IncrBy(field string, by int64) Patch { return p.incrBy(field, by) }

// IncrByFloat is IncrBy for a number that need not be whole.
//
// Source: open-api/data/record.md; the path from js-sdk/schema/update-record.md.
func IncrByFloat(field string, by float64) Patch { return Patch{}.IncrByFloat(field, by) }

// IncrByFloat continues p with what the function IncrByFloat does.
func (p Patch) IncrByFloat(field string, by float64) Patch { return p.incrBy(field, by) }

// Append adds the items at the end of an array column ($append).
//
// The addition is atomic on the server, and repeating it adds again. An item
// that is a slice stands for its elements, because array columns hold no
// arrays: Append("tags", tags) takes a []string. No items, or nil as one, is a
// mistake.
//
// Source: open-api/data/record.md.
func Append(field string, items ...any) Patch { return Patch{}.Append(field, items...) }

// Append continues p with what the function Append does.
func (p Patch) Append(field string, items ...any) Patch {
	return p.list(field, "$append", true, items)
}

// AppendUnique adds the items that the array column does not hold yet
// ($append_unique).
//
// An item that is a slice stands for its elements; no items is a mistake.
//
// Source: open-api/data/record.md.
func AppendUnique(field string, items ...any) Patch { return Patch{}.AppendUnique(field, items...) }

// AppendUnique continues p with what the function AppendUnique does.
func (p Patch) AppendUnique(field string, items ...any) Patch {
	return p.list(field, "$append_unique", false, items)
}

// Remove deletes the items from an array column, wherever they are ($remove).
//
// An item that is a slice stands for its elements; no items is a mistake. In
// columns of objects, files or geojson the service looks at the first item
// only.
//
// Source: open-api/data/record.md; the restriction from
// cloud-function/node-sdk/schema/update-record.md.
func Remove(field string, items ...any) Patch { return Patch{}.Remove(field, items...) }

// Remove continues p with what the function Remove does.
func (p Patch) Remove(field string, items ...any) Patch {
	return p.list(field, "$remove", false, items)
}

// Pop deletes the last item of an array column ($pop 1).
//
// Repeating it deletes another one.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/update-record.md.
func Pop(field string) Patch { return Patch{}.Pop(field) }

// Pop continues p with what the function Pop does.
//
// Documented for the end-user API only; oserve and userve may answer 400.
func (p Patch) Pop(field string) Patch {
	return p.operator(field, "$pop", "1", true, nil)
}

// Shift deletes the first item of an array column ($pop −1).
//
// Repeating it deletes another one.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/update-record.md.
func Shift(field string) Patch { return Patch{}.Shift(field) }

// Shift continues p with what the function Shift does.
//
// Documented for the end-user API only; oserve and userve may answer 400.
func (p Patch) Shift(field string) Patch {
	return p.operator(field, "$pop", "-1", true, nil)
}

// Merge writes the members of object into an object column, and keeps the
// column's other members ($update).
//
// The merge is one level deep: a member that is an object replaces the one of
// that name. The argument must encode as a JSON object with at least one
// member.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/update-record.md.
func Merge(field string, object any) Patch { return Patch{}.Merge(field, object) }

// Merge continues p with what the function Merge does.
//
// Documented for the end-user API only; oserve and userve may answer 400.
func (p Patch) Merge(field string, object any) Patch {
	value, err := encodeObject(object)
	return p.operator(field, "$update", value, false, err)
}

// From sets every column that v names.
//
// v must encode as one JSON object; each of its members is a Set, in the order
// they are encoded. The members id and _id are left out, because a record
// keeps its id. Members that are null are written as null; omitempty and
// omitzero leave them out. A time.Time field of a struct is written as
// encoding/json does, as an ISO 8601 string, which suits date columns; for
// created_at and updated_at that is a mistake.
//
// Source: open-api/data/record.md.
func From(v any) Patch { return Patch{}.From(v) }

// From continues p with what the function From does.
func (p Patch) From(v any) Patch {
	object, err := literal.Encode(v)
	if err != nil {
		return p.mistake(fmt.Errorf("patch: From: %w", err))
	}
	members, err := split(object)
	if err != nil {
		return p.mistake(fmt.Errorf("patch: From: %w", err))
	}
	for _, m := range members {
		if m.name != "id" && m.name != "_id" {
			p = p.with(operation{field: m.name, value: m.value}, "", checkMembers(m.value))
		}
	}
	return p
}

// Idempotent reports whether applying p twice leaves what applying it once
// leaves.
//
// It is false with IncrBy, IncrByFloat, Append, Pop and Shift. Updates that
// are not idempotent are not repeated when their outcome is unknown.
func (p Patch) Idempotent() bool {
	return !slices.ContainsFunc(p.ops, func(op operation) bool { return op.once })
}

// IsZero reports whether p changes nothing and carries no mistake.
func (p Patch) IsZero() bool { return len(p.ops) == 0 && p.err == nil }

// Err returns the mistakes made while p was built, joined, or nil.
//
// Each names the column and the operator. An empty Patch has none.
func (p Patch) Err() error { return p.err }

// MarshalJSON encodes the update as the service takes it: one object, the
// columns in the order of the calls, $unset last.
//
// It fails with the mistakes of Err, and for an empty Patch. Note that
// json.Marshal, which calls this, escapes <, > and & afterwards; the result
// means the same.
func (p Patch) MarshalJSON() ([]byte, error) {
	if p.err != nil {
		return nil, p.err
	}
	if p.IsZero() {
		return nil, errors.New("patch: nothing to change")
	}
	return []byte(p.encode()), nil
}

// String returns the JSON of the update, or the text of its mistakes.
//
// Mistakes start with "patch:". An empty Patch is "{}".
func (p Patch) String() string {
	if p.err != nil {
		return p.err.Error()
	}
	return p.encode()
}

func (p Patch) encode() string {
	var members, unset []string
	for _, op := range p.ops {
		member := op.name + ":" + op.value
		if op.unset {
			unset = append(unset, member)
		} else {
			members = append(members, member)
		}
	}
	if len(unset) > 0 {
		members = append(members, `"$unset":{`+strings.Join(unset, ",")+"}")
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (p Patch) incrBy(field string, by any) Patch {
	value, err := literal.Encode(by)
	return p.operator(field, "$incr_by", value, true, err)
}

func (p Patch) list(field, operator string, once bool, items []any) Patch {
	value, err := encodeList(items)
	return p.operator(field, operator, value, once, err)
}

func (p Patch) operator(field, operator, value string, once bool, err error) Patch {
	value = `{"` + operator + `":` + value + `}`
	return p.with(operation{field: field, value: value, once: once}, operator, err)
}

// with adds one operation, or the mistake that it is.
func (p Patch) with(op operation, operator string, err error) Patch {
	name, nameErr := columnName(op.field, operator == "$incr_by")
	op.name = name
	err = errors.Join(nameErr, err, checkTime(op))
	if nameErr == nil {
		err = errors.Join(err, p.checkUnused(op.field))
	}
	if err != nil {
		about := strings.TrimSpace(fmt.Sprintf("%q %s", op.field, operator))
		return p.mistake(fmt.Errorf("patch: %s: %w", about, err))
	}
	// Clipped, so that two patches built upon p do not share a tail.
	p.ops = append(slices.Clip(p.ops), op)
	return p
}

func (p Patch) mistake(err error) Patch {
	p.err = errors.Join(p.err, err)
	return p
}

func (p Patch) checkUnused(field string) error {
	for _, op := range p.ops {
		if overlap(op.field, field) {
			return fmt.Errorf("the update already writes %q, and the service keeps only the last operation on a column", op.field)
		}
	}
	return nil
}

// overlap reports whether one is the other, or a path into it.
func overlap(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, ok := strings.CutPrefix(b, a)
	return ok && (rest == "" || rest[0] == '.')
}

// columnName checks the name of a column and quotes it.
func columnName(field string, path bool) (string, error) {
	parts := strings.Split(field, ".")
	if len(parts) > 1 && !path {
		return "", errors.New("a dotted path is for IncrBy only; use Merge for members of an object")
	}
	for _, part := range parts {
		switch {
		case strings.TrimSpace(part) == "":
			return "", errors.New("the column name is empty")
		case strings.HasPrefix(part, "$"):
			return "", errors.New("a column name does not start with $")
		}
	}
	if parts[0] == "id" || parts[0] == "_id" {
		return "", errors.New("a record keeps its id")
	}
	name, err := literal.Encode(field)
	if err != nil {
		return "", fmt.Errorf("the column name: %w", err)
	}
	return name, nil
}

// checkTime refuses text where the service wants Unix seconds: it would drop
// the value and report success.
func checkTime(op operation) error {
	if (op.field == "created_at" || op.field == "updated_at") && !op.unset && strings.HasPrefix(op.value, `"`) {
		return errors.New("the column is an integer, Unix seconds: use t.Unix()")
	}
	return nil
}

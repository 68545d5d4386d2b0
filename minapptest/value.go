package minapptest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Values of columns are what encoding/json decodes with UseNumber: nil, bool,
// json.Number, string, []any and map[string]any. They are never changed in
// place, so rows can share them.

// decodeJSON reads exactly one JSON value and keeps its numbers as written.
func decodeJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// number is a JSON number prepared for comparisons that are exact for 64-bit
// integers and for decimals of any usual length.
type number struct {
	text  string
	whole bool // i is the value
	short bool // at most 15 digits: f identifies the value
	i     int64
	f     float64
}

const shortInt = 1_000_000_000_000_000 // integers below have at most 15 digits

func parseNumber(n json.Number) number {
	text := string(n)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return number{text: text, whole: true, short: -shortInt < i && i < shortInt, i: i, f: float64(i)}
	}
	f, err := strconv.ParseFloat(text, 64)
	return number{text: text, short: err == nil && digits(text) <= 15 && !strings.ContainsAny(text, "eE"), f: f}
}

func digits(text string) int {
	n := 0
	for i := range len(text) {
		if '0' <= text[i] && text[i] <= '9' {
			n++
		}
	}
	return n
}

func (a number) compare(b number) int {
	switch {
	case a.whole && b.whole:
		return cmp.Compare(a.i, b.i)
	case a.short && b.short:
		return cmp.Compare(a.f, b.f)
	}
	x, okA := a.big()
	y, okB := b.big()
	if !okA || !okB {
		return cmp.Compare(a.f, b.f)
	}
	return x.Cmp(y)
}

// big is the number with 256 bits, so that an absurd exponent costs nothing.
func (a number) big() (*big.Float, bool) {
	f, _, err := big.ParseFloat(a.text, 10, 256, big.ToNearestEven)
	return f, err == nil
}

// integer returns the value if it is an integer of 64 bits, however written.
func (a number) integer() (int64, bool) {
	if a.whole {
		return a.i, true
	}
	f, ok := a.big()
	if !ok || f.IsInf() || !f.IsInt() {
		return 0, false
	}
	i, acc := f.Int64()
	return i, acc == big.Exact
}

// key is the same text for equal numbers, for unique indexes.
func (a number) key() string {
	if i, ok := a.integer(); ok {
		return strconv.FormatInt(i, 10)
	}
	if f, ok := a.big(); ok {
		return f.Text('p', 0) // binary: decimal would be slow for large exponents
	}
	return a.text
}

// addNumbers adds without loss when both are integers, like the store, and
// as doubles otherwise.
func addNumbers(a, b json.Number) (json.Number, error) {
	x, okX := parseNumber(a).integer()
	y, okY := parseNumber(b).integer()
	if okX && okY {
		sum := x + y
		if (sum > x) != (y > 0) && y != 0 {
			return "", errors.New("integer overflow")
		}
		return json.Number(strconv.FormatInt(sum, 10)), nil
	}
	sum := parseNumber(a).f + parseNumber(b).f
	text, err := json.Marshal(sum)
	if err != nil {
		return "", fmt.Errorf("number out of range: %w", err)
	}
	return json.Number(text), nil
}

// compareValues orders two values of one type; ok is false across types and for
// values that have no order.
func compareValues(a, b any) (order int, ok bool) {
	switch x := a.(type) {
	case json.Number:
		if y, same := b.(json.Number); same {
			return parseNumber(x).compare(parseNumber(y)), true
		}
	case string:
		if y, same := b.(string); same {
			return strings.Compare(x, y), true
		}
	case bool:
		if y, same := b.(bool); same {
			return cmp.Compare(boolRank(x), boolRank(y)), true
		}
	}
	return 0, false
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// equalValues is deep equality in which 1 and 1.0 are the same number.
func equalValues(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case []any:
		y, ok := b.([]any)
		return ok && equalLists(x, y)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && equalObjects(x, y)
	}
	order, ok := compareValues(a, b)
	return ok && order == 0
}

func equalLists(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equalValues(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalObjects(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		w, ok := b[k]
		if !ok || !equalValues(v, w) {
			return false
		}
	}
	return true
}

func containsValue(list []any, v any) bool {
	for _, item := range list {
		if equalValues(item, v) {
			return true
		}
	}
	return false
}

// copyValue copies a value deeply, for handing it out.
func copyValue(v any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = copyValue(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = copyValue(e)
		}
		return out
	}
	return v
}

// dateLayouts are the forms in which a date is accepted: ISO 8601 with a zone.
// inferred: a date without a zone or without a time is a wrong type.
var dateLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"}

func parseDate(v any) (time.Time, bool) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func intNumber(i int64) json.Number { return json.Number(strconv.FormatInt(i, 10)) }

package minapptest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// compileOperator is the list of operators. $contains and those below it are
// documented for other surfaces only (the open API lists none after $range).
func compileOperator(field *Field, op string, v any, siblings map[string]any) (test, *failure) {
	k := kindOf(field)
	if k.opaque() && op != "$isnull" && op != "$exists" {
		if _, known := operatorNames[op]; !known {
			return nil, badRequest("unsupported operator: %s", op)
		}
		return never, nil
	}
	switch op {
	case "$eq":
		return k.equals(v), nil
	case "$ne":
		return not(k.equals(v)), nil
	case "$lt", "$lte", "$gt", "$gte":
		return k.ordered(op, v), nil
	case "$in":
		return k.oneOf(op, v)
	case "$nin":
		t, err := k.oneOf(op, v)
		return not(t), err
	case "$range":
		return k.between(v)
	case "$isnull":
		return isNull(v)
	case "$exists":
		return exists(v)
	case "$contains", "$icontains":
		return contains(op, v)
	case "$regex":
		return matches(v, siblings["$options"])
	case "$all":
		return k.containsAll(v)
	case "$has_key":
		return hasKey(v)
	case "$intersects", "$within", "$center", "$nearsphere":
		return compileGeo(op, v)
	}
	return nil, badRequest("unsupported operator: %s", op)
}

var operatorNames = map[string]bool{
	"$eq": true, "$ne": true, "$lt": true, "$lte": true, "$gt": true, "$gte": true, "$in": true, "$nin": true,
	"$range": true, "$contains": true, "$icontains": true, "$regex": true, "$all": true, "$has_key": true,
	"$intersects": true, "$within": true, "$center": true, "$nearsphere": true,
}

func never(any, bool) bool { return false }

func not(t test) test {
	if t == nil {
		return nil
	}
	return func(v any, present bool) bool { return !t(v, present) }
}

// kind says how the values of a column compare.
type kind struct {
	typ  string
	item string // of an array
}

func kindOf(f *Field) kind {
	k := kind{typ: f.Type}
	if f.Items != nil {
		k.item = f.Items.Type
	}
	return k
}

// opaque arrays cannot be queried and match nothing.
func (k kind) opaque() bool {
	return k.typ == "array" && slices.Contains([]string{"file", "geojson", "object", "date"}, k.item)
}

// operand prepares the value of a condition: ids compare as text.
func (k kind) operand(v any) any {
	if n, ok := v.(json.Number); ok && (k.typ == "reference" || k.typ == "id") {
		return string(n)
	}
	return v
}

// compare orders two values; dates compare as moments.
func (k kind) compare(a, b any) (int, bool) {
	if k.typ == "date" {
		x, okX := parseDate(a)
		y, okY := parseDate(b)
		return x.Compare(y), okX && okY
	}
	return compareValues(a, b)
}

func (k kind) equal(a, b any) bool {
	if k.typ == "date" {
		if order, ok := k.compare(a, b); ok {
			return order == 0
		}
	}
	return equalValues(a, b)
}

func (k kind) equals(want any) test {
	want = k.operand(want)
	if want == nil {
		return func(v any, _ bool) bool { return v == nil }
	}
	eq := func(v any) bool { return k.equal(v, want) }
	return func(v any, _ bool) bool { return v != nil && elementOrWhole(v, eq) }
}

func (k kind) ordered(op string, want any) test {
	want = k.operand(want)
	return perElement(func(v any) bool {
		order, ok := k.compare(v, want)
		return ok && holds(op, order)
	})
}

func holds(op string, order int) bool {
	switch op {
	case "$lt":
		return order < 0
	case "$lte":
		return order <= 0
	case "$gt":
		return order > 0
	}
	return order >= 0
}

func (k kind) oneOf(op string, v any) (test, *failure) {
	list, ok := v.([]any)
	if !ok {
		return nil, badRequest("%s needs an array", op)
	}
	texts, rest := map[string]bool{}, []test(nil)
	for _, e := range list {
		e = k.operand(e)
		if s, isText := e.(string); isText && k.typ != "date" {
			texts[s] = true
			continue
		}
		rest = append(rest, k.equals(e))
	}
	oneText := func(v any) bool { s, ok := v.(string); return ok && texts[s] }
	return func(v any, present bool) bool {
		if len(texts) > 0 && elementOrWhole(v, oneText) {
			return true
		}
		return slices.ContainsFunc(rest, func(t test) bool { return t(v, present) })
	}, nil
}

// inferred: both ends of a range belong to it.
func (k kind) between(v any) (test, *failure) {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return nil, badRequest("$range needs an array of two values")
	}
	low, high := k.operand(list[0]), k.operand(list[1])
	return perElement(func(v any) bool {
		above, okLow := k.compare(v, low)
		below, okHigh := k.compare(v, high)
		return okLow && okHigh && above >= 0 && below <= 0
	}), nil
}

func (k kind) containsAll(v any) (test, *failure) {
	list, ok := v.([]any)
	if !ok {
		return nil, badRequest("$all needs an array")
	}
	return func(v any, _ bool) bool {
		have, ok := v.([]any)
		if !ok || len(list) == 0 {
			return false
		}
		for _, want := range list {
			if !containsValue(have, want) {
				return false
			}
		}
		return true
	}, nil
}

func isNull(v any) (test, *failure) {
	want, ok := truth(v)
	if !ok {
		return nil, badRequest("$isnull needs true or false")
	}
	return func(v any, _ bool) bool { return (v == nil) == want }, nil
}

func exists(v any) (test, *failure) {
	want, ok := truth(v)
	if !ok {
		return nil, badRequest("$exists needs true or false")
	}
	return func(_ any, present bool) bool { return present == want }, nil
}

// inferred: 1 and 0 are accepted for true and false.
func truth(v any) (value, ok bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case json.Number:
		return x == "1", x == "0" || x == "1"
	}
	return false, false
}

func contains(op string, v any) (test, *failure) {
	part, ok := v.(string)
	if !ok || part == "" {
		return nil, badRequest("%s needs a text that is not empty", op)
	}
	find := strings.Contains
	if op == "$icontains" {
		part = strings.ToLower(part)
		find = func(s, part string) bool { return strings.Contains(strings.ToLower(s), part) }
	}
	return perElement(func(v any) bool {
		s, ok := v.(string)
		return ok && find(s, part)
	}), nil
}

// matches evaluates a regular expression in Go's dialect; what only the
// service's dialect has (look-around, back references) is a 400 here.
func matches(pattern, options any) (test, *failure) {
	text, ok := pattern.(string)
	if !ok {
		return nil, badRequest("$regex needs a text")
	}
	flags, err := regexFlags(options)
	if err != nil {
		return nil, err
	}
	re, compileErr := regexp.Compile(flags + text)
	if compileErr != nil {
		return nil, badRequest("invalid $regex: %v", compileErr)
	}
	return perElement(func(v any) bool {
		s, ok := v.(string)
		return ok && re.MatchString(s)
	}), nil
}

// regexFlags turns the flags of JavaScript into Go's; g, u and y mean nothing here.
func regexFlags(options any) (string, *failure) {
	if options == nil {
		return "", nil
	}
	text, ok := options.(string)
	if !ok {
		return "", badRequest("$options needs a text")
	}
	flags := strings.NewReplacer("g", "", "u", "", "y", "").Replace(text)
	if strings.Trim(flags, "ims") != "" {
		return "", badRequest("invalid $options: %q", text)
	}
	if flags == "" {
		return "", nil
	}
	return "(?" + flags + ")", nil
}

func hasKey(v any) (test, *failure) {
	key, ok := v.(string)
	if !ok || !keyRule.MatchString(key) {
		return nil, badRequest("$has_key needs the name of a top-level key")
	}
	return func(v any, _ bool) bool {
		o, ok := v.(map[string]any)
		if !ok {
			return false
		}
		_, has := o[key]
		return has
	}, nil
}

// elementOrWhole applies a test to the value and, if it is a list, to its elements.
func elementOrWhole(v any, f func(any) bool) bool {
	if f(v) {
		return true
	}
	list, ok := v.([]any)
	return ok && slices.ContainsFunc(list, f)
}

func perElement(f func(any) bool) test {
	return func(v any, _ bool) bool {
		if list, ok := v.([]any); ok {
			return slices.ContainsFunc(list, f)
		}
		return f(v)
	}
}

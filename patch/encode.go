package patch

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// encode returns the JSON of one value, or why it cannot be sent.
func encode(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	data := bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
	if !utf8.Valid(data) {
		return "", errors.New("the value is not valid UTF-8")
	}
	// Only now: what has been encoded has no cycles.
	return string(data), inspect(reflect.ValueOf(v))
}

// encodeValue encodes what a column is set to.
func encodeValue(v any) (string, error) {
	value, err := encode(v)
	if err != nil {
		return "", err
	}
	return value, checkMembers(value)
}

// encodeObject encodes what an object column is merged with.
func encodeObject(v any) (string, error) {
	object, err := encodeValue(v)
	if err != nil {
		return "", err
	}
	if object == "{}" {
		return "", errors.New("needs at least one member")
	}
	_, err = split(object)
	return object, err
}

// encodeList encodes the items of an array operation, and those that are
// arrays themselves as their elements.
func encodeList(values []any) (string, error) {
	var items []string
	for i, v := range values {
		item, err := encode(v)
		if err != nil {
			return "", fmt.Errorf("item %d: %w", i+1, err)
		}
		if item == "null" {
			return "", fmt.Errorf("item %d is nil", i+1)
		}
		if strings.HasPrefix(item, "[") {
			item = item[1 : len(item)-1]
		}
		if item != "" {
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		return "", errors.New("needs at least one item")
	}
	return "[" + strings.Join(items, ",") + "]", nil
}

type member struct{ name, value string }

// split returns the members of one encoded object in their order.
func split(object string) ([]member, error) {
	if !strings.HasPrefix(object, "{") {
		return nil, fmt.Errorf("%.40s is not an object", object)
	}
	var out []member
	dec := json.NewDecoder(strings.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		out = append(out, member{fmt.Sprint(name), string(value)})
	}
	return out, nil
}

// checkMembers refuses an object that the service would take for an operation:
// it would be a way around everything Idempotent promises.
func checkMembers(value string) error {
	if !strings.HasPrefix(value, "{") {
		return nil
	}
	members, err := split(value)
	for _, m := range members {
		if strings.HasPrefix(m.name, "$") {
			return fmt.Errorf("the value has a member %q, which the service would take for an operation", m.name)
		}
	}
	return err
}

// inspect looks for what encoding/json takes without complaint and the service
// would take for something else. Structs, and types with an encoding of their
// own, say themselves what they mean.
func inspect(v reflect.Value) error {
	if !v.IsValid() {
		return nil
	}
	t := v.Type()
	if t == reflect.TypeFor[time.Time]() {
		return errors.New("a time.Time is ambiguous: use t.Unix() for created_at and updated_at, " +
			"t.Format(time.RFC3339) for a date column")
	}
	switch kind := t.Kind(); {
	case kind == reflect.Pointer || kind == reflect.Interface:
		return inspect(v.Elem())
	case encodesItself(t):
		return nil
	case kind == reflect.String && !utf8.ValidString(v.String()):
		return errors.New("the value is not valid UTF-8")
	case kind == reflect.Slice || kind == reflect.Array:
		return inspectItems(v)
	case kind == reflect.Map:
		return inspectMap(v)
	}
	return nil
}

func inspectItems(v reflect.Value) error {
	for i := range v.Len() {
		if err := inspect(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func inspectMap(v reflect.Value) error {
	for iter := v.MapRange(); iter.Next(); {
		if err := errors.Join(inspect(iter.Key()), inspect(iter.Value())); err != nil {
			return err
		}
	}
	return nil
}

func encodesItself(t reflect.Type) bool {
	// The pointer's methods include those of the value.
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// Package literal encodes the values that filters and updates carry.
package literal

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"time"
	"unicode/utf8"
)

// Encode returns the JSON of one value, without HTML escaping (an escaped <
// costs 9 bytes of URL), or why the service could not read it as it is meant.
func Encode(v any) (string, error) {
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

package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/minapp-go/minapp/internal/literal"
)

// encodeValue encodes what a column is set to.
func encodeValue(v any) (string, error) {
	value, err := literal.Encode(v)
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
		item, err := literal.Encode(v)
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

package byoa

import (
	"encoding/json"
	"errors"
	"strconv"
)

// text reads a string, or a number exactly as it is written; null is "".
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	switch {
	case string(data) == "null":
		*t = ""
		return nil
	case data[0] == '"':
		return json.Unmarshal(data, (*string)(t))
	case data[0] == '-' || data[0] >= '0' && data[0] <= '9':
		*t = text(data)
		return nil
	}
	return errors.New("byoa: neither text nor number") // not quoted: it can be a secret
}

// number reads an integer, or a text that is one; null is 0.
type number int64

func (n *number) UnmarshalJSON(data []byte) error {
	var t text
	if err := t.UnmarshalJSON(data); err != nil || t == "" {
		*n = 0
		return err
	}
	v, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil {
		return errors.New("byoa: not an integer")
	}
	*n = number(v)
	return nil
}

func texts(list []text) []string {
	var out []string
	for _, t := range list {
		out = append(out, string(t))
	}
	return out
}

package where

import (
	"errors"

	"github.com/minapp-go/minapp/internal/literal"
)

// encode returns the JSON of one value, or why it cannot be sent.
func encode(v any) (string, error) {
	data, err := literal.Encode(v)
	if err == nil && data == "null" {
		return "", errors.New("the value is nil; use IsNull or NotNull")
	}
	return data, err
}

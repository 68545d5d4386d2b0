package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// readable checks that a body can be the JSON value that was announced. Half a
// value is an answer that was cut on its way; anything that does not begin like
// one comes from somebody else, such as a gateway. A page of megabytes is not
// parsed for it: what was cut lacks the bracket that closes the first one, and
// counting brackets is far faster. Only when the counts differ, which brackets
// within strings can do as well, the parser decides.
func readable(body []byte) error {
	text := bytes.TrimSpace(body)
	switch {
	case len(text) == 0:
		return fmt.Errorf("%w: empty body", ErrProtocol)
	case text[0] != '{' && text[0] != '[':
		return fmt.Errorf("%w: the body is not JSON", ErrProtocol)
	case text[len(text)-1] != text[0]+2: // in ASCII a bracket closes two after it opens
		return errCut
	case bytes.Count(text, text[:1]) != bytes.Count(text, text[len(text)-1:]) && !json.Valid(text):
		return errCut
	}
	return nil
}

// envelope is how MOI wraps every answer; the code decides, not the status.
type envelope struct {
	Code json.RawMessage `json:"code"`
	Data json.RawMessage `json:"data"`
}

// open returns the data of a MOI answer and whether its code says success:
// "ok" in any case, or the number 0. A body without a code is a protocol error.
func open(body []byte) (data []byte, ok bool, err error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	code := scalar(e.Code)
	if code == "" {
		return nil, false, fmt.Errorf("%w: no code in the envelope", ErrProtocol)
	}
	return e.Data, code == "0" || strings.EqualFold(code, "ok"), nil
}

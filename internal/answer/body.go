package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// What can be wrong with an answer.
var (
	ErrProtocol = errors.New("answer does not follow the protocol")
	ErrTooLarge = fmt.Errorf("%w: too large", ErrProtocol)
	ErrCut      = errors.New("the answer was cut") // only a part of it arrived
)

// ReadBody reads an answer up to a limit into a buffer of its own.
func ReadBody(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return nil, ErrTooLarge
	}
	if n := resp.ContentLength; n >= 0 {
		body := make([]byte, n)
		read, err := io.ReadFull(resp.Body, body)
		return body[:read], err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], ErrTooLarge
	}
	return body, err
}

// CheckJSON checks that a body can be the JSON value that was announced. Half a
// value is an answer that was cut on its way; anything that does not begin like
// one comes from somebody else, such as a gateway. A page of megabytes is not
// parsed for it: what was cut lacks the bracket that closes the first one, and
// counting brackets is far faster. Only when the counts differ, which brackets
// within strings can do as well, the parser decides.
func CheckJSON(body []byte) error {
	text := bytes.TrimSpace(body)
	switch {
	case len(text) == 0:
		return fmt.Errorf("%w: empty body", ErrProtocol)
	case text[0] != '{' && text[0] != '[':
		return fmt.Errorf("%w: the body is not JSON", ErrProtocol)
	case text[len(text)-1] != text[0]+2: // in ASCII a bracket closes two after it opens
		return ErrCut
	case bytes.Count(text, text[:1]) != bytes.Count(text, text[len(text)-1:]) && !json.Valid(text):
		return ErrCut
	}
	return nil
}

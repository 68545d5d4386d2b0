package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
)

const (
	maxDepth = 10000 // that of encoding/json
	maxGuess = 1000  // rows in a page, at most
)

// scanner walks through one JSON document, forward only.
type scanner struct {
	data []byte
	pos  int
	open []byte // brackets that nested has not seen closed
}

// document walks through an object that is all of the data. visit is called at
// the value of each member and must consume it.
func (s *scanner) document(visit func(name []byte) error) error {
	if err := s.object(visit); err != nil {
		return err
	}
	if s.peek(); s.pos < len(s.data) {
		return s.unexpected("after the object")
	}
	return nil
}

func (s *scanner) object(visit func(name []byte) error) error {
	if s.peek() != '{' {
		return s.unexpected("where an object should begin")
	}
	return s.items('}', func() error {
		name, err := s.name()
		if err != nil {
			return err
		}
		return visit(name)
	})
}

// elements consumes a list and returns its elements.
func (s *scanner) elements() ([]json.RawMessage, error) {
	if s.peek() != '[' {
		return nil, s.unexpected("where the list of objects should begin")
	}
	out := []json.RawMessage{}
	err := s.items(']', func() error {
		row, err := s.value()
		if err != nil {
			return err
		}
		if len(out) == 0 {
			// Rows of one table are much alike.
			out = make([]json.RawMessage, 0, min(len(s.data)/len(row)+1, maxGuess))
		}
		out = append(out, row)
		return nil
	})
	return out, err
}

// items consumes what stands between the bracket at pos and its end, and the
// commas; visit consumes one item.
func (s *scanner) items(end byte, visit func() error) error {
	s.pos++
	if s.peek() == end {
		s.pos++
		return nil
	}
	for {
		if err := visit(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case end:
			s.pos++
			return nil
		default:
			return s.unexpected("after an item")
		}
	}
}

// name consumes the name of a member and the colon.
func (s *scanner) name() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected("where a name should begin")
	}
	start := s.pos
	if err := s.text(); err != nil {
		return nil, err
	}
	quoted := s.data[start:s.pos]
	if s.peek() != ':' {
		return nil, s.unexpected("after a name")
	}
	s.pos++
	return unquote(quoted)
}

func unquote(quoted []byte) ([]byte, error) {
	plain := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(plain, '\\') < 0 {
		return plain, nil
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, fmt.Errorf("name %.40s: %w", quoted, err)
	}
	return []byte(text), nil
}

// value consumes one value of any kind and returns it.
func (s *scanner) value() ([]byte, error) {
	c := s.peek()
	start := s.pos
	var err error
	switch c {
	case '{', '[':
		err = s.nested()
	case '"':
		err = s.text()
	default:
		err = s.scalar(c)
	}
	return s.data[start:s.pos:s.pos], err
}

// nested consumes a value in brackets. It looks at brackets and strings only,
// 64 bytes at a time: this is where the time of a page goes.
func (s *scanner) nested() error {
	data, open := s.data, s.open[:0]
	var text inside
	var spare block
	for at := s.pos; at < len(data); at += 64 {
		for found := text.brackets(blockAt(data, at, &spare)); found != 0; found &= found - 1 {
			i := at + bits.TrailingZeros64(found)
			switch c := data[i]; c {
			case '{', '[':
				if len(open) == maxDepth {
					return fmt.Errorf("offset %d: nested too deeply", i)
				}
				open = append(open, c)
			case '}', ']':
				const toOpening = '}' - '{' // the same for ']' - '['
				last := len(open) - 1
				if open[last] != c-toOpening {
					s.pos = i
					return s.unexpected("where another bracket should end")
				}
				if open = open[:last]; last == 0 {
					s.pos, s.open = i+1, open
					return nil
				}
			}
		}
	}
	s.pos = len(data)
	return s.unexpected("")
}

// text consumes a string.
func (s *scanner) text() error {
	at := closing(s.data, s.pos)
	if at == len(s.data) {
		s.pos = at
		return s.unexpected("")
	}
	s.pos = at + 1
	return nil
}

// closing returns the place of the quote that closes the one at start, or
// len(data).
func closing(data []byte, start int) int {
	for at := start + 1; ; at++ {
		n := bytes.IndexByte(data[at:], '"')
		if n < 0 {
			return len(data)
		}
		at += n
		if !escaped(data[start+1 : at]) {
			return at
		}
	}
}

// escaped reports whether what follows the text is escaped: an odd number of
// backslashes stands at its end.
func escaped(text []byte) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
}

// scalar consumes a number, true, false or null, which begins with c. How it
// goes on is left to whoever decodes it.
func (s *scanner) scalar(c byte) error {
	if c != '-' && c != 't' && c != 'f' && c != 'n' && (c < '0' || c > '9') {
		return s.unexpected("where a value should begin")
	}
	for ; s.pos < len(s.data); s.pos++ {
		switch s.data[s.pos] {
		case ',', ':', '{', '}', '[', ']', '"', ' ', '\t', '\r', '\n':
			return nil
		}
	}
	return nil
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) unexpected(where string) error {
	if s.pos >= len(s.data) {
		return fmt.Errorf("offset %d: %w", len(s.data), io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("offset %d: unexpected %q %s", s.pos, s.data[s.pos], where)
}

package download

import (
	"fmt"
	"io"
)

// Stream is a target that passes a file on as it comes, and cannot take
// anything back.
type Stream struct {
	To      io.Writer
	Written int64
}

// Have is nothing: whose bytes were written before, nobody knows.
func (s *Stream) Have() (int64, Version) { return 0, Version{} }

// Start refuses every byte but the next one.
func (s *Stream) Start(_ Version, offset int64) error {
	if offset != s.Written {
		return fmt.Errorf("the download was cut after %d bytes, and the server starts anew or has another file", s.Written)
	}
	return nil
}

func (s *Stream) Write(p []byte) (int, error) {
	n, err := s.To.Write(p)
	s.Written += int64(n)
	return n, err
}

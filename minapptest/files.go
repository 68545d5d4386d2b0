package minapptest

import "net/http"

// getFile answers with a file that was put there by CreateFile or LoadData: the
// samples that write a file column read it first.
func (s *Server) getFile(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	f := s.store.files[c.args["file"]]
	if f == nil {
		return answer{}, fail(http.StatusNotFound, "file not found")
	}
	return jsonAnswer(http.StatusOK, f), nil
}

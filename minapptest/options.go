package minapptest

import "github.com/minapp-go/minapp"

// Options returns the options of a client that talks to this server over the
// in-memory network, with a token that the server accepts. Options given after
// these add to them.
func (s *Server) Options() []minapp.Option {
	token := s.token
	if token == "" {
		token = "emulator"
	}
	return []minapp.Option{
		minapp.WithBaseURL(s.URL()),
		minapp.WithToken(token),
		minapp.WithHTTPClient(s.Client()),
	}
}

package minapptest

import (
	"cmp"

	"github.com/minapp-go/minapp"
)

// Options returns the options of a client that talks to this server over the
// in-memory network, with a token and a MOI key that the server accepts. Options
// given after these add to them.
func (s *Server) Options() []minapp.Option {
	token := s.token
	if token == "" {
		token = "emulator"
	}
	return []minapp.Option{
		minapp.WithBaseURL(s.URL()),
		minapp.WithToken(token),
		minapp.WithMOIBaseURL(s.URL() + "/byoa/api/v1"),
		minapp.WithMOIKey(cmp.Or(s.moi.key, "emulator")),
		minapp.WithHTTPClient(s.Client()),
	}
}

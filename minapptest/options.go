package minapptest

import (
	"cmp"

	"github.com/minapp-go/minapp"
)

// Options returns the options of a client that talks to this server over the
// in-memory network, with a MOI key and credentials that the server accepts: the
// token of [WithToken], else the client credentials it was given, else some
// token. Options given after these add to them.
func (s *Server) Options() []minapp.Option {
	return []minapp.Option{
		minapp.WithBaseURL(s.URL()),
		s.credentials(),
		minapp.WithMOIBaseURL(s.URL() + "/byoa/api/v1"),
		minapp.WithMOIKey(cmp.Or(s.moi.key, "emulator")),
		minapp.WithHTTPClient(s.Client()),
	}
}

func (s *Server) credentials() minapp.Option {
	id, secret := s.oauth.registered()
	switch {
	case s.token != "":
		return minapp.WithToken(s.token)
	case id != "":
		return minapp.WithClientCredentials(id, secret)
	}
	return minapp.WithToken("emulator")
}

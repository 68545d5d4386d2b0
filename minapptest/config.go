package minapptest

import "time"

// Option configures a [Server].
type Option func(*Server)

// WithToken makes the server accept one bearer token only, and those that it
// gives itself. Without it any token does, as long as there is one.
func WithToken(token string) Option { return func(s *Server) { s.token = token } }

// WithMOIKey makes the server accept one key of MatrixOne Intelligence only.
// Without it any key does, as long as there is one.
func WithMOIKey(key string) Option { return func(s *Server) { s.moi.key = key } }

// WithClientCredentials makes id and secret the only ones that can sign in, and
// the tokens they get the only ones that the server accepts, beside that of
// [WithToken]. Without it anybody can sign in.
func WithClientCredentials(id, secret string) Option {
	return func(s *Server) { s.oauth.register(id, secret) }
}

// WithClock makes the server take the time from now, for time stamps, ids and
// the request quota; see [Clock]. The default is time.Now.
func WithClock(now func() time.Time) Option { return func(s *Server) { s.now = now } }

// WithLimits replaces the documented limits; see [Server.SetLimits].
func WithLimits(l Limits) Option { return func(s *Server) { s.SetLimits(l) } }

// Limits of the service. A field that is 0 means the documented limit, a
// negative one no limit.
type Limits struct {
	PageMax int // rows of a page, 1000; a larger limit is clamped
	BulkMax int // rows of a bulk call, 1000; more are refused or, by filter, run asynchronously
	URLMax  int // bytes of an address, 16386; beyond that a 502 with an HTML body
	RPM     int // requests in any minute; 0 is off. Beyond that a 429

	// BulkDelay is how long an asynchronous bulk run says pending. Its rows
	// change when it is over; 0 is at once.
	BulkDelay time.Duration

	ExportMax   int           // rows of an export, 1,000,000; more are refused
	ExportPause time.Duration // between two exports, 1 minute; earlier ones are refused
	ExportDelay time.Duration // until an export is finished; 0 is at once
}

const noLimit = int(^uint(0) >> 1)

func (l Limits) withDefaults() Limits {
	fill := func(v *int, documented int) {
		switch {
		case *v == 0:
			*v = documented
		case *v < 0:
			*v = noLimit
		}
	}
	fill(&l.PageMax, 1000)
	fill(&l.BulkMax, 1000)
	fill(&l.URLMax, 16386)
	fill(&l.RPM, noLimit)
	fill(&l.ExportMax, 1_000_000)
	if l.ExportPause == 0 {
		l.ExportPause = time.Minute
	}
	return l
}

package minapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
)

// Option configures a client in [NewClient] and [Client.With]. Order does not
// matter, and all mistakes are reported together.
type Option func(*config) error

// config is what the options of one list say.
type config struct {
	credential   *credential
	credentials  int        // given in this list; more than one is a mistake
	tokenStore   TokenStore // given in this list
	moi          *credential
	moiBase      *url.URL
	envID        string
	base         *url.URL
	plainHTTP    bool
	tableVersion string
	transport    http.RoundTripper
	timeout      time.Duration
	retry        RetryPolicy
	line         *pace.Line
	logger       *slog.Logger
	userAgent    string
	codec        Codec
}

const (
	defaultUserAgent = "minapp-go/0.1"
	// maxAnswer bounds what is read of one answer; a page of 1000 rows of
	// ordinary size is below 1 MiB.
	maxAnswer = 64 << 20
)

func defaults() config {
	return config{
		base:         &url.URL{Scheme: "https", Host: "cloud.minapp.com"},
		moiBase:      &url.URL{Scheme: "https", Host: "freetier-01.cn-hangzhou.cluster.matrixonecloud.cn", Path: "/byoa/api/v1"},
		tableVersion: "v1",
		retry:        RetryPolicy{MaxAttempts: 4, MinDelay: 500 * time.Millisecond, MaxDelay: 30 * time.Second},
		logger:       slog.New(slog.DiscardHandler),
		userAgent:    defaultUserAgent,
		codec:        stdCodec{},
	}
}

// apply runs a list of options and checks what they say together.
func (c *config) apply(opts []Option) error {
	c.credentials, c.tokenStore = 0, nil
	var errs []error
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, fmt.Errorf("%w: option %d is nil", ErrInvalid, i))
			continue
		}
		errs = append(errs, opt(c))
	}
	if c.credentials > 1 {
		errs = append(errs, fmt.Errorf("%w: %d credentials given, a client has one: a token or a session", ErrInvalid, c.credentials))
	}
	errs = append(errs, c.keepTokens())
	for _, base := range []*url.URL{c.base, c.moiBase} {
		if base.Scheme == "http" && !c.plainHTTP && !isLoopback(base.Hostname()) {
			errs = append(errs, fmt.Errorf("%w: base URL is plain http to %s, which shows the credentials to the network; WithPlainHTTP allows it", ErrInvalid, base.Host))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("minapp: %w", err)
	}
	return nil
}

// WithToken authenticates against the open API (surface oserve) with an access
// token. Source: open-api/authentication.md.
func WithToken(token string) Option {
	return func(c *config) error {
		c.setCredential(tokenCredential(staticToken(token)))
		return checkToken(token)
	}
}

// WithTokenSource authenticates against the open API with the token that the
// source gives at each call.
func WithTokenSource(source TokenSource) Option {
	return func(c *config) error {
		if source == nil {
			return fmt.Errorf("%w: token source is nil", ErrInvalid)
		}
		c.setCredential(tokenCredential(source))
		return nil
	}
}

// WithSession uses the surface userve with the cookies of a console login,
// which the caller obtained in a browser. Source: user-dash/authentication.md.
func WithSession(cookies ...*http.Cookie) Option {
	return func(c *config) error {
		if err := checkCookies(cookies); err != nil {
			return err
		}
		c.setCredential(sessionCredential(cookies))
		return nil
	}
}

func (c *config) setCredential(cred *credential) {
	c.credential = cred
	c.credentials++
}

// WithEnvID selects an environment of the application; without it the service
// uses production. Source: open-api/authentication.md.
func WithEnvID(id string) Option {
	return func(c *config) error {
		c.envID = id
		return checkSecret("environment id", id)
	}
}

// WithBaseURL replaces https://cloud.minapp.com, for a proxy or the emulator.
// It needs a scheme and a host; plain http is accepted for loopback hosts.
func WithBaseURL(raw string) Option {
	return func(c *config) error {
		u, err := parseBase(raw)
		if err != nil {
			return err
		}
		c.base = u
		return nil
	}
}

// WithMOIKey authenticates against the MatrixOne Intelligence API, beside the
// credential for minapp. Source: MOI data_export_api.
func WithMOIKey(key string) Option {
	return func(c *config) error {
		c.moi = moiCredential(key)
		return checkSecret("MOI key", key)
	}
}

// WithMOIBaseURL replaces the base URL of the MatrixOne Intelligence API, which
// differs by cluster and region; it includes the prefix, such as /byoa/api/v1.
// Connectors are asked for beside that prefix, not below it.
func WithMOIBaseURL(raw string) Option {
	return func(c *config) error {
		u, err := parseBase(raw)
		if err != nil {
			return fmt.Errorf("MOI: %w", err)
		}
		c.moiBase = u
		return nil
	}
}

// WithPlainHTTP accepts a base URL of plain http on any host: the credentials
// then travel unencrypted.
func WithPlainHTTP() Option {
	return func(c *config) error {
		c.plainHTTP = true
		return nil
	}
}

// WithTableVersion chooses the version of the table calls, "v1" (default) or
// "v1.8". The permission user:* means everyone in v1 and only signed-in users
// in v1.8. Source: open-api/data/table.md.
func WithTableVersion(version string) Option {
	return func(c *config) error {
		if version != "v1" && version != "v1.8" {
			return fmt.Errorf("%w: table version is %q, not v1 or v1.8", ErrInvalid, version)
		}
		c.tableVersion = version
		return nil
	}
}

// WithHTTPClient takes transport and time-out of an http.Client, which is not
// changed. The time-out is that of each whole exchange, repetitions included,
// except downloads, which may take long; and without the wait for a limiter or
// after a 429. What it does not cover only the context bounds. The cookie jar
// and the redirect policy of the http.Client are not used.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *config) error {
		if hc == nil {
			return fmt.Errorf("%w: HTTP client is nil", ErrInvalid)
		}
		c.transport, c.timeout = hc.Transport, hc.Timeout
		if c.transport == nil {
			c.transport = defaultTransport()
		}
		return nil
	}
}

// RetryPolicy bounds what is repeated by itself. What may be repeated at all
// is not a matter of policy: reads and idempotent writes after a failure of
// the network, 429, 500, 502, 503 or 504; every other write only after a 429
// or if it certainly was not sent.
type RetryPolicy struct {
	MaxAttempts int           // at least 1: the first one included, so that 1 repeats nothing
	MinDelay    time.Duration // upper bound of the first wait, which is drawn at random and doubles
	MaxDelay    time.Duration // longest wait, not below MinDelay; a Retry-After above it ends the call
}

// WithRetry replaces the default policy of 4 attempts with waits of up to
// 0.5 s, doubling up to 30 s.
func WithRetry(p RetryPolicy) Option {
	return func(c *config) error {
		c.retry = p
		return p.check()
	}
}

func (p RetryPolicy) check() error {
	switch {
	case p.MaxAttempts < 1:
		return fmt.Errorf("%w: RetryPolicy.MaxAttempts is %d, at least 1 is needed", ErrInvalid, p.MaxAttempts)
	case p.MinDelay < 0 || p.MaxDelay < p.MinDelay:
		return fmt.Errorf("%w: RetryPolicy delays %s to %s are no range", ErrInvalid, p.MinDelay, p.MaxDelay)
	}
	return nil
}

// Limiter paces requests: Wait returns when the next one may be sent, and an
// error when it may not: because the context ended, which must end the wait at
// once, or because its deadline is earlier. It must be safe for concurrent use
// if several clients share it.
type Limiter interface {
	Wait(ctx context.Context) error
}

// WithLimiter paces every request to minapp, repetitions included, with a
// limiter such as that of golang.org/x/time/rate. Several clients can share one,
// and so can processes: examples/shared-limiter has one that locks a file.
//
// The calls of a client and of those derived from it wait in one line, and only
// the one in front asks the limiter, so that none is overtaken. Each expanded
// column asks once more, because it is billed as another request, and a call
// that a 429 stopped while it waited asks anew. A limiter to share should stay
// below the plan: see [Plan].
func WithLimiter(l Limiter) Option {
	return func(c *config) error {
		if l == nil {
			return fmt.Errorf("%w: limiter is nil", ErrInvalid)
		}
		c.line = pace.LimitedBy(l)
		return nil
	}
}

// Plan is the number of requests per minute that a plan of minapp includes. The
// figures are documented as guaranteed capacity, under the heading of limits.
// They are those of the application, so that its own users draw on them, too.
// Any other figure can be given as Plan(n). Source: support/technical-notes.md.
type Plan int

// The plans of the service, in requests per minute: guaranteed capacity, shared
// with the application's own users.
const (
	PlanFree       Plan = 50
	PlanEducation  Plan = 500
	PlanPersonal   Plan = 5_000
	PlanBusiness   Plan = 50_000
	PlanEnterprise Plan = 500_000
)

// WithPlan paces the client, and those derived from it, to a share (above 0, at
// most 1) of a plan: in no minute are more requests sent, repetitions included
// and each expanded column counted as one more. The figures are documented as
// guaranteed capacity that the application's own users share: leave them their
// part. It replaces an earlier limiter.
//
// First come, first served: attempts are sent in the order in which they began
// to wait, and a repetition begins anew. A wait that would outlast the deadline
// of the context fails at once with context.DeadlineExceeded, and nothing is
// sent; a cancelled one ends at once and leaves its turn to the next. Up to a
// second's worth of the share, at least one request, is sent without a pause;
// a call that counts as more is paced as up to twice as many.
func WithPlan(plan Plan, share float64) Option {
	return func(c *config) error {
		rpm := float64(plan) * share
		if plan <= 0 || !(share > 0 && share <= 1) {
			return fmt.Errorf("%w: share %v of a plan of %d requests a minute", ErrInvalid, share, plan)
		}
		if rpm < 2 {
			return fmt.Errorf("%w: share %v of a plan of %d requests a minute is less than 2 a minute", ErrInvalid, share, plan)
		}
		c.line = pace.PerMinute(rpm)
		return nil
	}
}

// WithLogger receives one line per request at level debug, and nothing above
// that grows with rows. No line holds a query, a body or a credential.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return fmt.Errorf("%w: logger is nil", ErrInvalid)
		}
		c.logger = l
		return nil
	}
}

// WithUserAgent puts a product, such as "importer/1.2", in front of the user
// agent of this package.
func WithUserAgent(product string) Option {
	return func(c *config) error {
		c.userAgent = product + " " + defaultUserAgent
		return checkSecret("user agent", product)
	}
}

// WithCodec replaces encoding/json for rows that have a type of their own.
// [Fields] and what this package reads of a row itself (ids, times, Raw) do not
// depend on it. With encoding/json, and with any codec that agrees with it,
// integers are exact; columns that the type does not have are left out; of two
// columns of one name the last counts; a column also fills a field whose name
// differs in case only; invalid UTF-8 becomes U+FFFD, and stays as it was in
// Record.Raw.
func WithCodec(codec Codec) Option {
	return func(c *config) error {
		if codec == nil {
			return fmt.Errorf("%w: codec is nil", ErrInvalid)
		}
		c.codec = codec
		return nil
	}
}

// parseBase checks a base URL. Its errors never show the URL, which could
// hold a password.
func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: base URL cannot be parsed; one is https://host, with the scheme in front", ErrInvalid)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%w: base URL has no scheme http or https", ErrInvalid)
	case u.Host == "":
		return nil, fmt.Errorf("%w: base URL has no host", ErrInvalid)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%w: base URL has a user, a query or a fragment", ErrInvalid)
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return nil, fmt.Errorf("%w: base URL has a dot segment", ErrInvalid)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// defaultTransport honours HTTPS_PROXY, limits the waits for connection, TLS
// and headers instead of the whole exchange, which may be a large file on a slow
// line, and keeps as many connections as parallel calls need.
func defaultTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		ExpectContinueTimeout: time.Second,
	}
}

// sender builds the one place that sends, on top of shared state.
func (c *config) sender(shared *api.Shared) *api.Sender {
	s := &api.Sender{
		Transport: c.transport, Timeout: c.timeout, Header: http.Header{"User-Agent": {c.userAgent}},
		Policy: api.Policy(c.retry), MaxBody: maxAnswer,
		Line: c.line, Logger: c.logger, Shared: shared,
		Surface: "oserve", ExportPause: exportPause,
		PlainHTTP: func(host string) bool { return c.plainHTTP || isLoopback(host) },
	}
	s.Authorize = func(ctx context.Context, service operation.Service, h http.Header) ([]string, error) {
		return c.authorize(ctx, s, service, h)
	}
	if c.credential != nil {
		s.Surface = c.credential.surface
	}
	s.Base[operation.Minapp], s.Base[operation.OAuth], s.Base[operation.MOI] = c.base, c.base, c.moiBase
	return s
}

// authorize sets the credential of a service, per request and nowhere else,
// and returns what must not show in errors.
func (c *config) authorize(ctx context.Context, s *api.Sender, service operation.Service, h http.Header) ([]string, error) {
	switch {
	case service == operation.OAuth:
		return nil, nil // the body of the call is the credential
	case service == operation.MOI && c.moi != nil:
		return c.moi.set(ctx, s, h)
	case service == operation.MOI || c.credential == nil:
		return nil, ErrNoCredentials
	}
	if c.envID != "" {
		h.Set("X-Hydrogen-Env-ID", c.envID)
	}
	return c.credential.set(ctx, s, h)
}

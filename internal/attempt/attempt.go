// Package attempt is one attempt of a call: what is known of it, and the verdict
// on it, which says whether it happened, may have happened or did not. Nothing
// here repeats anything.
package attempt

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/operation"
)

// ErrRedirect is why a redirect counts as a refusal.
var ErrRedirect = errors.New("redirect refused: it could carry credentials to another host or turn a write into a read")

// Verdict says what one attempt means for the call.
type Verdict int

// Verdicts.
const (
	Unsent    Verdict = iota // certainly nothing reached the service
	Done                     // success
	Refused                  // the service said no: nothing happened, and repeating changes nothing
	Throttled                // the service said later: nothing happened
	Hopeless                 // nothing reached the service, and nothing will: unknown host, certificate
	Uncertain                // it may have happened; another attempt may succeed
	Broken                   // it may have happened; another attempt would end the same way
)

// Attempt is one request that was given to the transport, and what is known of
// it. Its tracer, which runs on other goroutines and may be late, writes into it
// and no other.
type Attempt struct {
	trace      httptrace.ClientTrace
	connecting atomic.Bool // the transport asked for a connection…
	connected  atomic.Bool // …and got one

	Status     int // 0: no answer
	Header     http.Header
	Body       []byte
	RetryAfter time.Duration
	Refused    error // why a redirect was not followed; nil is that none is
	Err        error // of the network, of reading the body, or of the answer's form
	Verdict    Verdict
}

// Trace has the transport tell the attempt of its connection.
func (a *Attempt) Trace(ctx context.Context) context.Context {
	a.trace.GetConn = func(string) { a.connecting.Store(true) }
	a.trace.GotConn = func(httptrace.GotConnInfo) { a.connected.Store(true) }
	return httptrace.WithClientTrace(ctx, &a.trace)
}

// Answered takes down what an answer says in front of its body.
func (a *Attempt) Answered(resp *http.Response) {
	a.Status, a.Header, a.RetryAfter = resp.StatusCode, resp.Header, answer.RetryAfter(resp.Header, time.Now())
}

// neverSent needs positive evidence: a transport that reports nothing proves
// nothing, and with HTTP/2 a header can be on its way before it is reported.
func (a *Attempt) neverSent() bool {
	return a.connecting.Load() && !a.connected.Load()
}

// Judge reads the attempt by the rules of its operation and sets the verdict.
// For an answer of MOI it unwraps the envelope into Body.
func (a *Attempt) Judge(ctx context.Context, op operation.Operation) {
	a.Verdict = a.judge(ctx, op)
}

func (a *Attempt) judge(ctx context.Context, op operation.Operation) Verdict {
	switch {
	case a.Status == 0:
		return a.judgeError(ctx)
	case a.Status == http.StatusTooManyRequests:
		return Throttled
	case a.Status >= 300 && a.Status < 500:
		a.Err = nil // a refusal stays one even if its text was cut
		if a.Status < 400 {
			a.Err = cmp.Or(a.Refused, ErrRedirect)
		}
		return Refused
	case a.Status >= 500:
		a.Err = nil
		if passing(a.Status) {
			return Uncertain
		}
		return Broken
	case a.Status < 200:
		a.Err = answer.ErrProtocol
		return Broken
	}
	return a.judgeBody(op)
}

// passing reports a failure of the service that another attempt may not meet.
func passing(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func (a *Attempt) judgeError(ctx context.Context) Verdict {
	switch {
	case !a.neverSent() && ctx.Err() != nil:
		return Broken
	case !a.neverSent():
		return Uncertain
	case ctx.Err() != nil, isFinal(a.Err):
		return Hopeless
	}
	return Unsent
}

// judgeBody checks the answer of a 2xx.
func (a *Attempt) judgeBody(op operation.Operation) Verdict {
	switch {
	case op.Answer == operation.None && len(bytes.TrimSpace(a.Body)) == 0 && !errors.Is(a.Err, answer.ErrTooLarge):
		a.Err = nil
		return Done
	case a.Err == nil && op.Answer != operation.Any:
		a.Err = answer.CheckJSON(a.Body)
	}
	if a.Err == nil && op.Service == operation.MOI {
		return a.judgeEnvelope()
	}
	switch {
	case a.Err == nil:
		return Done
	case errors.Is(a.Err, answer.ErrProtocol):
		return Broken
	}
	return Uncertain
}

func (a *Attempt) judgeEnvelope() Verdict {
	data, ok, err := answer.OpenEnvelope(a.Body)
	switch {
	case err != nil:
		a.Err = err
		return Broken
	case !ok:
		return Refused
	}
	a.Body = data
	return Done
}

// isFinal reports errors of connecting that another attempt cannot mend.
func isFinal(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	return verification || authority || hostname || invalid || notTLS
}

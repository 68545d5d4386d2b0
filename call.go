package minapp

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

// CallOption changes one call. An option that the operation does not know is
// an [ErrInvalid] before anything is sent.
type CallOption struct {
	name    string
	applies func(operation.Operation) bool
	apply   func(*api.Call) error
}

func always(operation.Operation) bool { return true }

// newCall checks and applies the options of one call.
func newCall(op operation.Operation, opts []CallOption, path ...string) (api.Call, error) {
	call := api.Call{Path: path}
	for i, opt := range opts {
		if opt.apply == nil {
			return call, invalid(op, "call option %d is empty", i)
		}
		if !opt.applies(op) {
			return call, invalid(op, "%s does not apply to this call", opt.name)
		}
		if err := opt.apply(&call); err != nil {
			return call, invalid(op, "%s: %w", opt.name, err)
		}
	}
	return call, nil
}

// optionsFor lists the options that an operation on the way of another knows.
func optionsFor(op operation.Operation, opts []CallOption) []CallOption {
	return slices.DeleteFunc(slices.Clone(opts), func(o CallOption) bool { return !o.applies(op) })
}

// CallInfo tells how a call went, whether it succeeded or not. A call that was
// refused before a request could be made of it leaves no trace here.
type CallInfo struct {
	Status    int         // of the last answer; 0 if there was none
	Header    http.Header // of the last answer, without cookies
	Attempts  int         // requests that were sent
	RequestID string      // where the service sends one
}

// CallMeta fills in m when the call returns, and a loop with each page or batch.
// What makes several requests at a time, such as [Table.Scan], refuses it
// ([ErrInvalid]).
func CallMeta(m *CallInfo) CallOption {
	return CallOption{"CallMeta", always, func(c *api.Call) error {
		if m == nil {
			return errors.New("the destination is nil")
		}
		c.Meta = (*api.Meta)(m)
		return nil
	}}
}

// CallHeader adds a header. Credentials, Host and Content-Length are refused,
// and so are headers that change what net/http does: with Idempotency-Key it
// repeats a POST by itself, which the services do not recognize, and with
// Accept-Encoding it leaves answers compressed.
func CallHeader(name, value string) CallOption {
	return CallOption{"CallHeader", always, func(c *api.Call) error {
		if err := checkHeader(name, value); err != nil {
			return err
		}
		if c.Header == nil {
			c.Header = make(http.Header)
		}
		c.Header.Add(name, value)
		return nil
	}}
}

// CallRetry replaces the retry policy for one call.
func CallRetry(p RetryPolicy) CallOption {
	return CallOption{"CallRetry", always, func(c *api.Call) error {
		policy := api.Policy(p)
		c.Policy = &policy
		return p.check()
	}}
}

// CallReplay says that it is acceptable if this write happens twice, so that
// it is repeated like a read when its outcome is unknown. It is safe where a
// unique index refuses the second row. A call that reads refuses it.
func CallReplay() CallOption {
	return CallOption{"CallReplay", func(op operation.Operation) bool { return op.Safety != operation.Read }, func(c *api.Call) error {
		c.Replay = true
		return nil
	}}
}

// CallStrict compares the row that Create or Update returns with what was sent.
// The service drops values of a wrong type and says nothing; with this option
// such a write ends in a *[DroppedError]. It has happened nevertheless. Numbers
// are compared by value, dates as moments to the millisecond, files and
// pointers by id, null and missing as the same, objects by the members that
// were sent. Of a column with an atomic operation, whose result depends on the
// old value, only its presence can be checked, and after Pop, Shift and Remove
// nothing. Bulk calls answer no rows and refuse the option: write one row with
// it before the many, or take migrate.ToTable, which checks them against the
// columns. Source: js-sdk/schema/update-record.md.
func CallStrict() CallOption {
	single := func(op operation.Operation) bool {
		return op.Name == operation.RecordsCreate.Name || op.Name == operation.RecordsUpdate.Name
	}
	return CallOption{"CallStrict", single, func(c *api.Call) error {
		c.Strict = true
		return nil
	}}
}

// CallTriggers switches the table's triggers on or off for one write. The
// parameter is documented for the end-user API only; without the option it is
// not sent. What the service runs by itself ([Table.StartUpdate]) starts no
// triggers in any case. Source: js-sdk (enable_trigger).
func CallTriggers(on bool) CallOption {
	return queryOption("CallTriggers", operation.Triggers, "enable_trigger", map[bool]string{true: "1", false: "0"}[on])
}

// CallTotal asks [Table.StartUpdate] and [Table.StartDelete] for the number of
// rows that match, which slows the answer; [Operation].Matched has it. Source:
// open-api/data/record.md (return_total_count).
func CallTotal() CallOption {
	return queryOption("CallTotal", operation.Total, "return_total_count", "1")
}

// CallKeys chooses columns of a single record, or with "-" in front leaves
// them out; see [Query].Keys.
func CallKeys(keys ...string) CallOption {
	option := queryOption("CallKeys", operation.Keys, "keys", strings.Join(keys, ","))
	return option.checked(func() error { return checkKeys(keys) })
}

// CallExpand replaces pointers of a single record, or created_by, by the rows
// they point at. Each is billed as one more request.
func CallExpand(columns ...string) CallOption {
	option := queryOption("CallExpand", operation.Expand, "expand", strings.Join(columns, ","))
	option = option.checked(func() error { return checkNames("column", columns) })
	set := option.apply
	option.apply = func(c *api.Call) error {
		c.Cost += len(columns)
		return set(c)
	}
	return option
}

func queryOption(name string, param operation.Param, key, value string) CallOption {
	return CallOption{name, func(op operation.Operation) bool { return op.Params&param != 0 }, func(c *api.Call) error {
		if c.Query == nil {
			c.Query = make(url.Values)
		}
		c.Query.Set(key, value)
		return nil
	}}
}

func (o CallOption) checked(check func() error) CallOption {
	apply := o.apply
	o.apply = func(c *api.Call) error {
		if err := check(); err != nil {
			return err
		}
		return apply(c)
	}
	return o
}

// refusedHeaders are set by this package or change what net/http does.
var refusedHeaders = []string{
	"Authorization", "Cookie", "Moi-Key", "X-Api-Key", "Proxy-Authorization", "Host", "Content-Length", "Content-Type",
	"Transfer-Encoding", "Connection", "Accept-Encoding", "Idempotency-Key", "X-Idempotency-Key",
}

// tokenChars are the characters of a header's name (RFC 9110, 5.6.2). net/http
// refuses others as well, but where it looks like a failure of the network.
const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func checkHeader(name, value string) error {
	if slices.Contains(refusedHeaders, http.CanonicalHeaderKey(name)) {
		return fmt.Errorf("header %q belongs to the client", name)
	}
	if strings.Trim(name, tokenChars) != "" || name == "" {
		return fmt.Errorf("%q is no header name", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return isControl(r) && r != '\t' }) {
		return fmt.Errorf("the value of header %q has a line break or another control character", name)
	}
	return nil
}

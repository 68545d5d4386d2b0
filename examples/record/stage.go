package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/minapptest"
)

// stage is where documented calls are made: a table of the service that takes
// the place of the documented one.
type stage struct {
	table minapp.TableID
	// What the table is called. Only answers are translated: the documented
	// name is a word that also occurs elsewhere.
	documentedName, liveName string

	ids   []string        // of rows: by the documents, on the service, by the documents, …
	given json.RawMessage // the state before, in the names of the documents
	mask  func(any) any   // makes of an answer one that can be shown; nil if it can
	maybe []string        // members that depend on more than given holds
}

var (
	tableInPath = regexp.MustCompile(`/table/(\d+)/`)
	recordable  = regexp.MustCompile(`^/oserve/v[0-9.]+/table/\d+/(record/(\w+/)?)?$`)
)

// live is a documented request in the names of the service.
func (s *stage) live(r fixture.Request) minapp.Request {
	toLive := strings.NewReplacer(s.ids...)
	path := tableInPath.ReplaceAllString(r.Path, fmt.Sprintf("/table/%d/", s.table))
	path, err := url.PathUnescape(toLive.Replace(path))
	if err != nil {
		path = r.Path // fixture.Load has seen that it is a path
	}
	request := minapp.Request{Method: r.Method, Path: strings.TrimPrefix(path, "/oserve/"), Query: url.Values{}}
	for name, values := range r.Query {
		for _, value := range values {
			request.Query.Add(name, toLive.Replace(value))
		}
	}
	if r.Body != nil {
		request.Body = json.RawMessage(toLive.Replace(string(r.Body)))
	}
	return request
}

// scrubber takes out of answers what the documented exchange does not hold
// already, and translates the names.
func (s *stage) scrubber(e fixture.Exchange, secrets []string) (scrubber, error) {
	text, err := encode(e)
	if err != nil {
		return scrubber{}, err
	}
	tree, err := decode(text)
	if err != nil {
		return scrubber{}, err
	}
	public := map[string]bool{}
	leaves(tree, public)
	at := tableInPath.FindString(e.Request.Path) // every exchange that is recorded has one
	back := []string{fmt.Sprintf("/table/%d/", s.table), at}
	if s.liveName != "" {
		back = append(back, s.liveName, s.documentedName)
	}
	for pair := range slices.Chunk(s.ids, 2) {
		back = append(back, pair[1], pair[0])
	}
	return scrubber{public: public, secrets: secrets, names: strings.NewReplacer(back...)}, nil
}

// documented is what passed, in the names of the documents.
func (s *stage) documented(e fixture.Exchange, t *take, secrets []string) (fixture.Exchange, error) {
	scrub, err := s.scrubber(e, secrets)
	if err != nil {
		return e, err
	}
	table := json.Number(tableInPath.FindStringSubmatch(e.Request.Path)[1])
	r := fixture.Request{
		Method: t.method, Path: scrub.names.Replace(t.path), ContentType: t.contentType,
		Unauthenticated: e.Request.Unauthenticated,
	}
	for name, values := range t.query {
		if r.Query == nil {
			r.Query = url.Values{}
		}
		for _, value := range values {
			r.Query.Add(name, scrub.names.Replace(value))
		}
	}
	if len(t.sent) > 0 {
		r.Body = json.RawMessage(scrub.names.Replace(string(t.sent)))
	}
	e.Request = r
	e.Given, e.Inferred = s.given, nil
	e.Response.Optional = append(e.Response.Optional, s.maybe...)
	e.Response.Status, e.Response.Header = t.status, t.header
	e.Response.Body, err = s.answer(scrub, t.body, table)
	return e, err
}

// answer is the body that can be shown.
func (s *stage) answer(scrub scrubber, body []byte, table json.Number) (json.RawMessage, error) {
	text, err := scrub.body(body)
	if err != nil || text == nil {
		return nil, err
	}
	tree, err := decode(text)
	if err != nil {
		return nil, err
	}
	if object, ok := tree.(map[string]any); ok && object["id"] == json.Number(s.table.String()) {
		object["id"] = table // a table is named by a number, which no text replacement finds
	}
	if s.mask != nil {
		tree = s.mask(tree)
	}
	return encode(tree)
}

// compare lists where an answer has another shape than the documents promise.
// The columns of a table that is not ours are not the documents' affair.
func (s *stage) compare(documented, recorded fixture.Response) ([]string, error) {
	if s.mask == nil {
		return documented.Diff(recorded.Status, recorded.Body), nil
	}
	for _, r := range []*fixture.Response{&documented, &recorded} {
		tree, err := decode(r.Body)
		if err != nil {
			return nil, err
		}
		if r.Body, err = encode(new(masker).answer(tree)); err != nil {
			return nil, err
		}
	}
	documented.Optional = append(documented.Optional, s.maybe...)
	return documented.Diff(recorded.Status, recorded.Body), nil
}

// state is the part of a data file that stages are made of.
type state struct {
	Tables []minapptest.Table `json:"tables,omitempty"`
}

package minapp

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/operation"
)

// ConnectorService lists the connectors of MatrixOne Intelligence, through
// which export tasks reach their targets. It needs [WithMOIKey], or calls
// are [ErrNoCredentials]. Source: MOI data_connect_api.
type ConnectorService struct{ client *Client }

// All reads every connector, each once; for changes meanwhile see
// [ExportTaskService.All]. The service answers the credentials of
// targets in clear text: they are in Settings only, which does not print them,
// and no error quotes an answer of this call. Repeated automatically. Source:
// MOI data_connect_api.
func (s *ConnectorService) All(ctx context.Context, opts ...CallOption) iter.Seq2[*byoa.Connector, error] {
	op := operation.ConnectorsList
	id := func(c *byoa.Connector) string { return c.ID }
	return walkMOI(ctx, op, 0, id,
		func(page, _ int) ([]*byoa.Connector, int64, error) {
			call, err := newCall(op, opts)
			if err != nil {
				return nil, 0, err
			}
			call.Query = url.Values{"page": {strconv.Itoa(page + 1)}, "page_size": {strconv.Itoa(moiPage)}}
			var answer struct {
				Connectors []*byoa.Connector `json:"connectors"`
				Total      int64             `json:"total"`
			}
			if err := s.client.send(ctx, op, call, nil, &answer); err != nil {
				return nil, 0, err
			}
			return answer.Connectors, answer.Total, wantIDs(op, answer.Connectors, id)
		})
}

// Find returns the connector of exactly this name: [ErrNotFound] if there is
// none, [ErrAmbiguous] if there are several. Repeated automatically. Source:
// MOI data_connect_api.
func (s *ConnectorService) Find(ctx context.Context, name string, opts ...CallOption) (*byoa.Connector, error) {
	op := operation.ConnectorsList
	if strings.TrimSpace(name) == "" {
		return nil, invalid(op, "name is blank")
	}
	var found *byoa.Connector
	for c, err := range s.All(ctx, opts...) {
		switch {
		case err != nil:
			return nil, err
		case c.Name == name && found != nil:
			return nil, failed(op, "connector %q: %w: %s and %s have this name", name, ErrAmbiguous, found.ID, c.ID)
		case c.Name == name:
			found = c
		}
	}
	if found == nil {
		return nil, failed(op, "connector %q: %w", name, ErrNotFound)
	}
	return found, nil
}

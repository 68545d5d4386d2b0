package byoa

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
)

// Connector is a connection to a target that somebody has set up in MOI.
type Connector struct {
	ID             string
	Name           string
	SourceType     Type   // the number that a task through this connector takes
	Status         string // "active" or "failed"
	Usage          []Usage
	Created        Time
	Updated        Time
	Username       string // who set it up
	RelatedTaskIDs []string
	Settings       Settings // address and credentials of the target
}

// Task describes an export through this connector, with its id, its name and
// its own number for the type.
func (c Connector) Task(name, creator string, config Config, files ...FileSpec) TaskSpec {
	return TaskSpec{
		Name: name, Creator: creator, ConnectorID: c.ID, ConnectorName: c.Name, Type: c.SourceType, Config: config, Files: files,
	}
}

// CanExport reports whether the connector is for exports.
func (c Connector) CanExport() bool { return slices.Contains(c.Usage, UsageExport) }

// String names the connector without its settings.
func (c Connector) String() string {
	return fmt.Sprintf("connector %s %q, type %d, %s", c.ID, c.Name, int(c.SourceType), c.Status)
}

// LogValue gives log/slog the same facts.
func (c Connector) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", c.ID), slog.String("name", c.Name), slog.Int("source_type", int(c.SourceType)), slog.String("status", c.Status))
}

// UnmarshalJSON reads a connector of a list, with its settings under config or
// beside its other members.
func (c *Connector) UnmarshalJSON(data []byte) error {
	var w struct {
		ID         text            `json:"id"`
		Name       text            `json:"name"`
		SourceType number          `json:"source_type"`
		Status     text            `json:"status"`
		Usage      json.RawMessage `json:"usage_type"`
		Created    Time            `json:"created_at"`
		Updated    Time            `json:"updated_at"`
		Username   text            `json:"username"`
		Tasks      []text          `json:"related_task_ids"`
		Config     json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	usage, err := readUsage(w.Usage)
	if err != nil {
		return err
	}
	*c = Connector{
		ID: string(w.ID), Name: string(w.Name), SourceType: Type(w.SourceType), Status: string(w.Status), Usage: usage,
		Created: w.Created, Updated: w.Updated, Username: string(w.Username), RelatedTaskIDs: texts(w.Tasks),
	}
	c.Settings, err = readSettings(data, w.Config)
	return err
}

// readUsage reads a list, or the sum of its elements as in generation 5.0.
func readUsage(data json.RawMessage) ([]Usage, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	var usage []Usage
	if data[0] == '[' {
		var list []number
		err := json.Unmarshal(data, &list)
		for _, n := range list {
			usage = append(usage, Usage(n))
		}
		return usage, err
	}
	var sum number
	if err := json.Unmarshal(data, &sum); err != nil {
		return nil, err
	}
	for _, u := range []Usage{UsageImport, UsageExport} {
		if Usage(sum)&u != 0 {
			usage = append(usage, u)
		}
	}
	return usage, nil
}

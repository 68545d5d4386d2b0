package byoa

import (
	"encoding/json"
	"log/slog"
)

// Settings is the address and the credentials of a target. The service answers
// them in clear text; here they are printed, logged and encoded as a mark.
type Settings struct {
	json *string // a pointer to a string is one that no verb of fmt follows
}

// targets are the names under which connectors keep their settings.
var targets = []string{"oss", "s3", "dify", "mo", "hdfs"}

func readSettings(connector, config json.RawMessage) (Settings, error) {
	if len(config) > 0 && string(config) != "null" {
		return newSettings(config), nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(connector, &members); err != nil {
		return Settings{}, err
	}
	found := map[string]json.RawMessage{}
	for _, name := range targets {
		if value := members[name]; len(value) > 0 && string(value) != "null" {
			found[name] = value
		}
	}
	if len(found) == 0 {
		return Settings{}, nil
	}
	data, err := json.Marshal(found)
	return newSettings(data), err
}

func newSettings(data []byte) Settings {
	text := string(data)
	return Settings{json: &text}
}

// Reveal returns the settings with all secrets, by kind of target:
// {"oss": {"endpoint": …, "access_key_secret": …}}. It is nil if there are
// none.
func (s Settings) Reveal() json.RawMessage {
	if s.json == nil {
		return nil
	}
	return json.RawMessage(*s.json)
}

const redacted = "[settings]"

// String keeps secrets out of %v and %+v.
func (Settings) String() string { return redacted }

// GoString keeps secrets out of %#v.
func (Settings) GoString() string { return redacted }

// LogValue keeps secrets out of log/slog.
func (Settings) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps secrets out of what is written down.
func (Settings) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

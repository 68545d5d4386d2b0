package byoa

import (
	"encoding/json"
	"errors"
	"strings"
)

// Config says where a task exports to: a [DifyConfig], an
// [ObjectStorageConfig] or a [MatrixOneConfig], never several. The page on
// export tasks says that several targets can be given at once; the reference
// of generation 5.0 forbids it, and so does this package. What a service says
// beyond these three is an [OtherConfig].
type Config interface {
	// Type is the number of the target on the page on export tasks.
	Type() Type
	// Err tells what keeps the service from accepting it; nil is nothing.
	Err() error
	json.Marshaler
	sealed() // so that no other package makes one
}

// OtherConfig is a configuration that a service has and this package cannot
// make: of another kind, or of several kinds at once. No task can be created
// from it.
type OtherConfig struct {
	Raw json.RawMessage // as received
}

// Type is 0, which is none.
func (OtherConfig) Type() Type { return 0 }

// Err is never nil.
func (OtherConfig) Err() error {
	return errors.New("OtherConfig is not exactly one of Dify, object storage and MatrixOne")
}

// MarshalJSON is what was received.
func (c OtherConfig) MarshalJSON() ([]byte, error) { return c.Raw.MarshalJSON() }

func (OtherConfig) sealed() {}

// readConfig reads the member config of a task; nil if there is none.
func readConfig(raw json.RawMessage) Config {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	other := OtherConfig{Raw: raw}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return other
	}
	kind := ""
	for name, value := range members {
		if !strings.HasSuffix(name, "_config") || string(value) == "null" {
			continue
		}
		if kind != "" {
			return other
		}
		kind = name
	}
	c, err := readTarget(kind, members[kind], members["merge_title_to_text"])
	if err != nil {
		return other
	}
	return c
}

func readTarget(kind string, raw, merge json.RawMessage) (Config, error) {
	switch kind {
	case "dify_config":
		return readDify(raw, merge)
	case "s3_config":
		return readObjectStorage(raw)
	case "mo_config":
		return readMatrixOne(raw)
	}
	return nil, errors.New("unknown")
}

func filled(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New(field + " is blank")
	}
	return nil
}

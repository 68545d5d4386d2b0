package byoa

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TaskSpec describes a task to create. [Connector.Task] fills in what belongs
// to the connector.
type TaskSpec struct {
	Name          string     // required. The service answers no id, so that the task is found by it: make it unique, see [UniqueName]
	Creator       string     // required; free text, by which lists can be filtered
	ConnectorID   string     // required; an integer in this generation of the API
	ConnectorName string     // required; that of the connector
	Type          Type       // 0 is the number that the page on export tasks gives to the Config
	Config        Config     // required
	Files         []FileSpec // at least one
}

// FileSpec is a file of a volume.
type FileSpec struct {
	ID   string   // required
	Path []string // required: the folders and the name, one segment each
	Raw  bool     // the file as it was uploaded, instead of what it was processed to
}

// UniqueName is the prefix with a random suffix, for [TaskSpec].Name.
func UniqueName(prefix string) string {
	return prefix + "-" + strings.ToLower(rand.Text()[:8])
}

// TargetType is the number that is sent: Type, else that of the Config.
func (s TaskSpec) TargetType() Type {
	if s.Type == 0 && s.Config != nil {
		return s.Config.Type()
	}
	return s.Type
}

// Err tells, field by field, what keeps the service from accepting the task.
func (s TaskSpec) Err() error {
	errs := []error{
		filled("TaskSpec.Name", s.Name),
		filled("TaskSpec.Creator", s.Creator),
		filled("TaskSpec.ConnectorName", s.ConnectorName),
	}
	if _, err := strconv.ParseInt(s.ConnectorID, 10, 64); err != nil {
		errs = append(errs, fmt.Errorf("TaskSpec.ConnectorID is %q, not an integer", s.ConnectorID))
	}
	errs = append(errs, s.checkConfig())
	if len(s.Files) == 0 {
		errs = append(errs, errors.New("TaskSpec.Files is empty"))
	}
	for i, file := range s.Files {
		errs = append(errs, file.check(fmt.Sprintf("TaskSpec.Files[%d]", i)))
	}
	return errors.Join(errs...)
}

// checkConfig refuses a type only where this package's own names contradict
// it: what other numbers mean is the service's business.
func (s TaskSpec) checkConfig() error {
	switch s.Config.(type) {
	case DifyConfig, ObjectStorageConfig, MatrixOneConfig, OtherConfig:
	case nil:
		return errors.New("TaskSpec.Config is nil")
	default:
		return fmt.Errorf("TaskSpec.Config is a %T, give the value it points at", s.Config)
	}
	if err := s.Config.Err(); err != nil {
		return fmt.Errorf("TaskSpec.Config: %w", err)
	}
	switch s.Type {
	case TypeDify, TypeObjectStorage, TypeMatrixOne:
		if kind := s.Config.Type(); kind != s.Type {
			return fmt.Errorf("TaskSpec.Type is %s, and the Config is for %s", s.Type, kind)
		}
	}
	return nil
}

func (f FileSpec) check(field string) error {
	errs := []error{filled(field+".ID", f.ID)}
	if len(f.Path) == 0 {
		errs = append(errs, errors.New(field+".Path is empty"))
	}
	for i, segment := range f.Path {
		errs = append(errs, filled(fmt.Sprintf("%s.Path[%d]", field, i), segment))
	}
	return errors.Join(errs...)
}

// MarshalJSON is the body of a create.
func (s TaskSpec) MarshalJSON() ([]byte, error) {
	type file struct {
		ID   string   `json:"file_id"`
		Path []string `json:"full_path"`
		Raw  bool     `json:"is_raw"`
	}
	files := []file{}
	for _, f := range s.Files {
		files = append(files, file{f.ID, append([]string{}, f.Path...), f.Raw})
	}
	return json.Marshal(struct {
		Name          string      `json:"task_name"`
		Creator       string      `json:"creator"`
		ConnectorID   json.Number `json:"connector_id"`
		ConnectorName string      `json:"connector_name"`
		Type          Type        `json:"type"`
		Config        Config      `json:"config"`
		Files         []file      `json:"files"`
	}{s.Name, s.Creator, json.Number(s.ConnectorID), s.ConnectorName, s.TargetType(), s.Config, files})
}

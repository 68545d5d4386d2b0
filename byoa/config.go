package byoa

import (
	"encoding/json"
	"errors"
	"fmt"
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
	sealed()
}

// Dify exports to a dataset of Dify. All three are required. Titles are not
// merged into the text: see [DifyConfig].
func Dify(datasetID, datasetName, embeddingModel string) DifyConfig {
	return DifyConfig{DatasetID: datasetID, DatasetName: datasetName, EmbeddingModel: embeddingModel}
}

// DifyConfig is a dataset of Dify.
type DifyConfig struct {
	DatasetID      string `json:"dataset_id"`      // required
	DatasetName    string `json:"dataset_name"`    // required
	EmbeddingModel string `json:"embedding_model"` // required
	MergeTitle     bool   `json:"-"`               // put the title in front of the text
}

// Type is [TypeDify].
func (DifyConfig) Type() Type { return TypeDify }

// Err names the fields that are blank.
func (c DifyConfig) Err() error {
	return errors.Join(
		filled("DifyConfig.DatasetID", c.DatasetID),
		filled("DifyConfig.DatasetName", c.DatasetName),
		filled("DifyConfig.EmbeddingModel", c.EmbeddingModel),
	)
}

// MarshalJSON is the member config of a create.
func (c DifyConfig) MarshalJSON() ([]byte, error) {
	type object DifyConfig
	return json.Marshal(struct {
		Dify  object `json:"dify_config"`
		Merge bool   `json:"merge_title_to_text"`
	}{object(c), c.MergeTitle})
}

func (DifyConfig) sealed() {}

// ObjectStorage exports to a folder in the bucket of an S3 or OSS connector.
// The path ends in a slash.
func ObjectStorage(path string, compression Compression) ObjectStorageConfig {
	return ObjectStorageConfig{Path: path, Compression: compression}
}

// ObjectStorageConfig is a folder in a bucket.
type ObjectStorageConfig struct {
	Path        string // required; ends in a slash
	Compression Compression
}

// Type is [TypeObjectStorage].
func (ObjectStorageConfig) Type() Type { return TypeObjectStorage }

// Err tells what is wrong with the path. That it ends in a slash is a rule of
// generation 5.0, which the sample of this generation keeps.
func (c ObjectStorageConfig) Err() error {
	if err := filled("ObjectStorageConfig.Path", c.Path); err != nil {
		return err
	}
	if !strings.HasSuffix(c.Path, "/") {
		return fmt.Errorf("ObjectStorageConfig.Path %q does not end in a slash, and it is a folder", c.Path)
	}
	return nil
}

// objectStorage is the wire form; need_compress is sent also if it is false.
type objectStorage struct {
	Path     string      `json:"path"`
	Compress bool        `json:"need_compress"`
	Method   Compression `json:"compress_method,omitempty"`
}

// MarshalJSON is the member config of a create.
func (c ObjectStorageConfig) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]objectStorage{"s3_config": {c.Path, c.Compression != Uncompressed, c.Compression}})
}

func (ObjectStorageConfig) sealed() {}

// MatrixOne exports to a table of a MatrixOne database. At least one column is
// required. The table exists, and rows that it has already are kept beside the
// new ones: see [MatrixOneConfig].
func MatrixOne(database, table string, columns ...Column) MatrixOneConfig {
	return MatrixOneConfig{Database: database, Table: table, Columns: columns, Duplicates: KeepBoth}
}

// MatrixOneConfig is a table of a MatrixOne database.
type MatrixOneConfig struct {
	Database   string     // required
	Table      string     // required
	NewTable   bool       // make the table
	Columns    []Column   // at least one
	Combine    []string   // source columns to merge into the target's meta; may be empty
	Duplicates Duplicates // required
}

// Column is a column of the exported data and the one of the table that it
// goes to. The sources are file_id, file_name, block_id, block_no, block_type,
// block_level, page_no, content, embedding, image_data, created_at, updated_at
// and meta; the console wants file_id and block_id, the sample of the page on
// export tasks has neither (inferred: that none is required).
type Column struct {
	Source string `json:"source_column"`
	Target string `json:"mapping_column"`
}

// Type is [TypeMatrixOne].
func (MatrixOneConfig) Type() Type { return TypeMatrixOne }

// Err names the fields that are blank or missing.
func (c MatrixOneConfig) Err() error {
	errs := []error{filled("MatrixOneConfig.Database", c.Database), filled("MatrixOneConfig.Table", c.Table)}
	if len(c.Columns) == 0 {
		errs = append(errs, errors.New("MatrixOneConfig.Columns is empty"))
	}
	for i, column := range c.Columns {
		errs = append(errs,
			filled(fmt.Sprintf("MatrixOneConfig.Columns[%d].Source", i), column.Source),
			filled(fmt.Sprintf("MatrixOneConfig.Columns[%d].Target", i), column.Target))
	}
	for i, name := range c.Combine {
		errs = append(errs, filled(fmt.Sprintf("MatrixOneConfig.Combine[%d]", i), name))
	}
	if c.Duplicates == 0 {
		errs = append(errs, errors.New("MatrixOneConfig.Duplicates is not set: Overwrite, Skip or KeepBoth"))
	}
	return errors.Join(errs...)
}

// matrixOne is the wire form; everything in it is sent.
type matrixOne struct {
	Database string `json:"database_name"`
	Table    string `json:"table_name"`
	NewTable bool   `json:"new_table"`
	Column   struct {
		Export  []Column `json:"export_column"`
		Combine []string `json:"combine_column"`
	} `json:"column"`
	Duplicates Duplicates `json:"duplicated_strategy"`
}

// MarshalJSON is the member config of a create. An empty Combine is an empty
// list: the service refuses null.
func (c MatrixOneConfig) MarshalJSON() ([]byte, error) {
	mo := matrixOne{Database: c.Database, Table: c.Table, NewTable: c.NewTable, Duplicates: c.Duplicates}
	mo.Column.Export = append([]Column{}, c.Columns...)
	mo.Column.Combine = append([]string{}, c.Combine...)
	return json.Marshal(struct {
		MatrixOne matrixOne `json:"mo_config"`
		Merge     bool      `json:"merge_title_to_text"`
	}{MatrixOne: mo})
}

func (MatrixOneConfig) sealed() {}

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
		var c DifyConfig
		_ = json.Unmarshal(merge, &c.MergeTitle) // absent is false
		return c, json.Unmarshal(raw, &c)
	case "s3_config":
		var w objectStorage
		err := json.Unmarshal(raw, &w)
		if !w.Compress {
			w.Method = Uncompressed // spelled "", "no" or not at all
		}
		return ObjectStorageConfig{w.Path, w.Method}, err
	case "mo_config":
		var w matrixOne
		err := json.Unmarshal(raw, &w)
		return MatrixOneConfig{w.Database, w.Table, w.NewTable, w.Column.Export, w.Column.Combine, w.Duplicates}, err
	}
	return nil, errors.New("unknown")
}

func filled(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New(field + " is blank")
	}
	return nil
}

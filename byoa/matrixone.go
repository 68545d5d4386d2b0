package byoa

import (
	"encoding/json"
	"errors"
	"fmt"
)

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

// Duplicates says what happens to a row that the target table has already.
type Duplicates int

// The strategies (inferred: numbers and names are those of public client code;
// a sample of the page on export tasks has 1).
const (
	Overwrite Duplicates = 1 // replace the row of the target
	Skip      Duplicates = 2 // leave the row of the target
	KeepBoth  Duplicates = 3 // add a second row
)

// String is the name and the number: "skip (2)".
func (d Duplicates) String() string {
	return named(int(d), map[int]string{1: "overwrite", 2: "skip", 3: "keep both"})
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

func readMatrixOne(raw json.RawMessage) (Config, error) {
	var w matrixOne
	err := json.Unmarshal(raw, &w)
	return MatrixOneConfig{w.Database, w.Table, w.NewTable, w.Column.Export, w.Column.Combine, w.Duplicates}, err
}

func (MatrixOneConfig) sealed() {}
